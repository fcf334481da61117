with

metrics as (
    select * from {{ ref('stg_klaviyo__metrics') }}
),

meanings as (
    select * from {{ ref('int_metric') }}
),

used as (
    select
        metric_id,
        cast(count(*) as bigint) as event_count,
        min(occurred_at) as first_seen_at,
        max(occurred_at) as last_seen_at
    from {{ ref('int_event') }}
    where metric_id is not null
        and not is_deleted
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
        coalesce(meanings.event_class, 'other') as event_class,
        meanings.channel,
        meanings.mapped_role,
        used.first_seen_at,
        used.last_seen_at,
        coalesce(used.event_count, 0) as event_count,
        metrics.created_at,
        metrics.updated_at,
        coalesce(metrics.is_deleted, true) as is_deleted
    from metrics
    full outer join used on metrics.metric_id = used.metric_id
    left join meanings on coalesce(metrics.metric_id, used.metric_id) = meanings.metric_id
)

select * from final
