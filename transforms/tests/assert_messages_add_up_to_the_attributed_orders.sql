with

campaigns as (
    select coalesce(sum(conversions), 0) as conversions from {{ ref('mart_campaign_performance') }}
),

flows as (
    select coalesce(sum(conversions), 0) as conversions from {{ ref('mart_flow_performance') }}
),

attributed as (
    select count(*) as conversions
    from {{ ref('fct_revenue') }}
    where entry_type = 'order'
        and coalesce(
            attributed_campaign_message_id, attributed_campaign_id, attributed_flow_message_id, attributed_flow_id
        ) is not null
),

final as (
    select
        campaigns.conversions as campaign_conversions,
        flows.conversions as flow_conversions,
        attributed.conversions
    from campaigns
    cross join flows
    cross join attributed
    where campaigns.conversions + flows.conversions <> attributed.conversions
)

select * from final
