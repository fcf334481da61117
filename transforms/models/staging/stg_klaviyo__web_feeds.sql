with

source as (
    select * from {{ source('klaviyo', 'web_feeds') }}
),

final as (
    select
        ---------- ids
        id as web_feed_id,

        ---------- what it is
        name as web_feed_name,
        url,
        request_method,
        content_type,
        status,

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
