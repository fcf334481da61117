with

source as (
    select * from {{ source('klaviyo', 'catalog_items') }}
),

final as (
    select
        ---------- ids
        id as catalog_item_id,
        external_id,

        {{ catalog_columns() }},

        ---------- bookkeeping
        _deleted_at as deleted_at,
        _deleted_at is not null as is_deleted,
        _dlt_load_id as load_id
    from source
)

select * from final
