with

source as (
    select * from {{ source('klaviyo', 'tag_groups') }}
),

final as (
    select
        ---------- ids
        id as tag_group_id,

        ---------- what it is
        name as tag_group_name,

        ---------- flags
        exclusive as is_exclusive,
        {{ reserved('default') }} as is_default,

        ---------- bookkeeping
        _deleted_at as deleted_at,
        _deleted_at is not null as is_deleted,
        _dlt_load_id as load_id
    from source
)

select * from final
