with

source as (
    select * from {{ source('klaviyo', 'flow_tags') }}
),

final as (
    select
        ---------- ids
        flow_id,
        tag_id,

        ---------- bookkeeping
        _deleted_at as deleted_at,
        _deleted_at is not null as is_deleted,
        _dlt_load_id as load_id
    from source
)

select * from final
