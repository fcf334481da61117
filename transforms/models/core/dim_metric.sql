with

metrics as (
    select * from {{ ref('stg_klaviyo__metrics') }}
),

events as (
    select
        metric_id,
        occurred_at
    from {{ ref('int_event') }}
    where not is_deleted
),

classes as (
    select * from {{ ref('seed_metric_class') }}
),

overrides as (
    select * from {{ ref('seed_metric_class_override') }}
),

roles as (
    select * from {{ ref('seed_mapped_metric_class') }}
),

mapped_metrics as (
    select * from {{ ref('stg_klaviyo__mapped_metrics') }}
    where not is_deleted
),

custom_metrics as (
    select * from {{ ref('stg_klaviyo__custom_metric_metrics') }}
    where not is_deleted
),

-- A role may be played by a metric, or by a custom one, that is by those that it is made from.
played as (
    select
        coalesce(mapped_metrics.metric_id, custom_metrics.metric_id) as metric_id,
        min(mapped_metrics.role) as role,
        -- A metric with roles that are at odds goes by its name.
        case when min(roles.event_class) = max(roles.event_class) then min(roles.event_class) end as event_class
    from mapped_metrics
    left join custom_metrics
        on
            mapped_metrics.custom_metric_id = custom_metrics.custom_metric_id
            and mapped_metrics.metric_id is null
    left join roles on mapped_metrics.role = roles.role
    where coalesce(mapped_metrics.metric_id, custom_metrics.metric_id) is not null
    group by coalesce(mapped_metrics.metric_id, custom_metrics.metric_id)
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
        coalesce(overrides.event_class, played.event_class, classes.event_class, 'other') as event_class,
        case
            when overrides.metric_id is null then classes.channel else overrides.channel
        end as channel,
        played.role as mapped_role,
        used.first_seen_at,
        used.last_seen_at,
        coalesce(used.event_count, 0) as event_count,
        metrics.created_at,
        metrics.updated_at,
        coalesce(metrics.is_deleted, true) as is_deleted
    from metrics
    full outer join used on metrics.metric_id = used.metric_id
    left join classes on lower(trim(metrics.metric_name)) = lower(classes.metric_name)
    left join played on coalesce(metrics.metric_id, used.metric_id) = played.metric_id
    left join overrides on coalesce(metrics.metric_id, used.metric_id) = overrides.metric_id
)

select * from final
