with

source as (
    select * from {{ source('klaviyo', 'segments') }}
),

final as (
    select
        ---------- ids
        id as segment_id,

        ---------- what it is
        name as segment_name,
        definition__condition_groups as condition_groups,

        ---------- flags
        is_active,
        is_processing,
        is_starred,

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
