with

source as (
    select * from {{ source('klaviyo', 'forms') }}
),

final as (
    select
        ---------- ids
        id as form_id,

        ---------- what it is
        name as form_name,
        status,

        ---------- flags
        ab_test as is_ab_test,

        ---------- timestamps
        created_at,
        updated_at,

        ---------- bookkeeping
        _deleted_at as deleted_at,
        _deleted_at is not null as is_deleted,
        _dlt_load_id as load_id
    from source
)

select * from final
