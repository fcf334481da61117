with

metrics as (
    select * from {{ ref('stg_klaviyo__metrics') }}
),

events as (
    select
        metric_id,
        occurred_at
    from {{ ref('stg_klaviyo__events') }}
    where not is_deleted
),

classes as (
    select * from {{ ref('seed_metric_class') }}
),

overrides as (
    select * from {{ ref('seed_metric_class_override') }}
),

used as (
    select
        metric_id,
        cast(count(*) as bigint) as event_count,
        min(occurred_at) as first_seen_at,
        max(occurred_at) as last_seen_at
    from events
    where metric_id is not null
    group by metric_id
),

final as (
    select
        coalesce(metrics.metric_id, used.metric_id) as metric_id,
        metrics.metric_name,
        metrics.integration_id,
        metrics.integration_key,
        metrics.integration_name,
        metrics.integration_category,
        coalesce(overrides.event_class, classes.event_class, 'other') as event_class,
        case
            when overrides.metric_id is null then classes.channel else overrides.channel
        end as channel,
        used.first_seen_at,
        used.last_seen_at,
        coalesce(used.event_count, 0) as event_count,
        metrics.created_at,
        metrics.updated_at,
        coalesce(metrics.is_deleted, true) as is_deleted
    from metrics
    full outer join used on metrics.metric_id = used.metric_id
    left join classes on lower(trim(metrics.metric_name)) = lower(classes.metric_name)
    left join overrides on coalesce(metrics.metric_id, used.metric_id) = overrides.metric_id
)

select * from final
