with

source as (
    select * from {{ source('klaviyo', 'mapped_metrics') }}
),

final as (
    select
        ---------- ids
        id as role,
        metric_id,
        custom_metric_id,

        ---------- timestamps
        updated as updated_at,

        ---------- bookkeeping
        _deleted_at as deleted_at,
        _deleted_at is not null as is_deleted,
        _dlt_load_id as load_id
    from source
)

select * from final
