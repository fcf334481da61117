with

source as (
    select * from {{ source('klaviyo', 'catalog_categories') }}
),

final as (
    select
        ---------- ids
        id as catalog_category_id,
        external_id,

        ---------- what it is
        name as category_name,

        ---------- timestamps
        updated as updated_at,

        ---------- bookkeeping
        _deleted_at as deleted_at,
        _deleted_at is not null as is_deleted,
        _dlt_load_id as load_id
    from source
)

select * from final
