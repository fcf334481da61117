with

source as (
    select * from {{ source('klaviyo', 'review_events') }}
),

final as (
    select
        ---------- ids
        review_id,
        event_id,

        ---------- bookkeeping
        _deleted_at as deleted_at,
        _deleted_at is not null as is_deleted,
        _dlt_load_id as load_id
    from source
)

select * from final
