with

source as (
    select * from {{ source('klaviyo', 'flows') }}
),

final as (
    select
        ---------- ids
        id as flow_id,

        ---------- what it is
        name as flow_name,
        status,
        trigger_type,

        ---------- flags
        archived as is_archived,

        ---------- timestamps
        created as created_at,
        updated as updated_at,

        ---------- bookkeeping
        _deleted_at as deleted_at,
        _deleted_at is not null as is_deleted,
        _dlt_load_id as load_id
    from source
)

select * from final
