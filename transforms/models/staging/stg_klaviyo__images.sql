with

source as (
    select * from {{ source('klaviyo', 'images') }}
),

final as (
    select
        ---------- ids
        id as image_id,

        ---------- what it is
        name as image_name,
        image_url,
        format as image_format,
        {{ reserved('size') }} as size_bytes,

        ---------- flags
        hidden as is_hidden,

        ---------- timestamps
        updated_at,

        ---------- bookkeeping
        _deleted_at as deleted_at,
        _deleted_at is not null as is_deleted,
        _dlt_load_id as load_id
    from source
)

select * from final
