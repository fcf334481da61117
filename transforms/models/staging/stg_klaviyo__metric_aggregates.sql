with

source as (
    select * from {{ raw_or_empty('metric_aggregates', {
        'metric_id': 'text',
        'interval': 'text',
        'dimensions': 'text',
        'starts_at': 'timestamp',
        'day': 'date',
        'count': 'double',
        'sum_value': 'double',
        'unique': 'double',
        '_deleted_at': 'timestamp',
        '_dlt_load_id': 'text',
    }) }}
),

final as (
    select
        ---------- what is counted
        metric_id,
        {{ reserved('interval') }} as interval_unit,
        dimensions,

        ---------- period
        starts_at,
        {{ reserved('day') }} as local_date,

        ---------- measurements
        {{ reserved('count') }} as event_count,
        sum_value as value_sum,
        {{ reserved('unique') }} as profile_count,

        ---------- bookkeeping
        _deleted_at as deleted_at,
        _deleted_at is not null as is_deleted,
        _dlt_load_id as load_id
    from source
)

select * from final
