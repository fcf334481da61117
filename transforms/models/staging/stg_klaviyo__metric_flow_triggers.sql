with

source as (
    select * from {{ source('klaviyo', 'metric_flow_triggers') }}
),

final as (
    select
        ---------- ids
        metric_id,
        flow_id,

        ---------- bookkeeping
        _deleted_at as deleted_at,
        _deleted_at is not null as is_deleted,
        _dlt_load_id as load_id
    from source
)

select * from final
