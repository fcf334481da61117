with

source as (
    select * from {{ source('klaviyo', 'catalog_items') }}
),

final as (
    select
        ---------- ids
        id as catalog_item_id,
        external_id,

        ---------- what it is
        title,
        description,
        url,
        image_full_url as image_url,
        image_thumbnail_url as thumbnail_url,
        images,
        custom_metadata,

        ---------- money
        cast(price as decimal(18, 4)) as price,

        ---------- flags
        published as is_published,

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
