with

source as (
    select * from {{ source('klaviyo', 'custom_metrics') }}
),

final as (
    select
        ---------- ids
        id as custom_metric_id,

        ---------- what it is
        name as custom_metric_name,
        definition__aggregation_method as aggregation_method,
        definition__metric_groups as metric_groups,

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
