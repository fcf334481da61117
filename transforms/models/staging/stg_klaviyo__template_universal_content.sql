with

source as (
    select * from {{ source('klaviyo', 'template_universal_content') }}
),

final as (
    select
        ---------- ids
        id as universal_content_id,

        ---------- what it is
        name as universal_content_name,
        definition__content_type as content_type,
        definition__type as block_type,
        definition__data as settings,
        screenshot_status,
        screenshot_url,

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
