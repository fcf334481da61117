with

source as (
    select * from {{ source('klaviyo', 'reviews') }}
),

final as (
    select
        ---------- ids
        id as review_id,
        item_id as catalog_item_id,
        product__external_id as product_id,

        ---------- what it is
        review_type,
        rating,
        status__value as status,
        status__rejection_reason__reason as rejection_reason,
        status__rejection_reason__status_explanation as rejection_explanation,
        email,
        author,
        title,
        content,
        smart_quote,
        images,
        product__name as product_name,
        product__url as product_url,
        product__image_url as product_image_url,
        public_reply__content as reply,
        public_reply__author as reply_author,

        ---------- flags
        verified as is_verified,

        ---------- timestamps
        public_reply__updated as reply_updated_at,
        created as created_at,
        updated as updated_at,

        ---------- bookkeeping
        _deleted_at as deleted_at,
        _deleted_at is not null as is_deleted,
        _dlt_load_id as load_id
    from source
)

select * from final
