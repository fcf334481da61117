with

source as (
    select * from {{ source('klaviyo', 'custom_metric_metrics') }}
),

final as (
    select
        ---------- ids
        custom_metric_id,
        metric_id,

        ---------- bookkeeping
        _deleted_at as deleted_at,
        _deleted_at is not null as is_deleted,
        _dlt_load_id as load_id
    from source
)

select * from final
