with

source as (
    select * from {{ source('klaviyo', 'catalog_variants') }}
),

final as (
    select
        ---------- ids
        id as catalog_variant_id,
        item_id as catalog_item_id,
        external_id,
        sku,

        ---------- stock
        inventory_policy,
        inventory_quantity,

        {{ catalog_columns() }},

        ---------- bookkeeping
        _deleted_at as deleted_at,
        _deleted_at is not null as is_deleted,
        _dlt_load_id as load_id
    from source
)

select * from final
