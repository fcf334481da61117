with

campaigns as (
    select
        campaign_message_id as what,
        recipients,
        delivered + bounced + failed as parts
    from {{ ref('mart_campaign_performance') }}
),

flows as (
    select
        flow_message_id as what,
        recipients,
        delivered + bounced + failed as parts
    from {{ ref('mart_flow_performance') }}
),

days as (
    select
        channel as what,
        sends as recipients,
        delivered + bounced + failed as parts
    from {{ ref('mart_daily_kpi') }}
),

combined as (
    select * from campaigns
    union all
    select * from flows
    union all
    select * from days
),

final as (
    select * from combined
    where recipients <> parts
)

select * from final
