with

metrics as (
    select * from {{ ref('stg_klaviyo__metrics') }}
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

told_of as (
    select distinct metric_id
    from (
        select metric_id from metrics
        union all
        select metric_id from played
        union all
        select metric_id from overrides
    ) as each_metric
),

final as (
    select
        told_of.metric_id,
        coalesce(overrides.event_class, played.event_class, classes.event_class, 'other') as event_class,
        case
            when overrides.metric_id is null then classes.channel else overrides.channel
        end as channel,
        played.role as mapped_role
    from told_of
    left join metrics on told_of.metric_id = metrics.metric_id
    left join classes on lower(trim(metrics.metric_name)) = lower(classes.metric_name)
    left join played on told_of.metric_id = played.metric_id
    left join overrides on told_of.metric_id = overrides.metric_id
)

select * from final
