with

source as (
    select * from {{ source('klaviyo', 'lists') }}
),

final as (
    select
        ---------- ids
        id as list_id,

        ---------- what it is
        name as list_name,
        opt_in_process,

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
