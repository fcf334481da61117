with

events as (
    select * from {{ ref('fct_event') }}
    where not is_future
        and local_date is not null
),

revenue as (
    select * from {{ ref('fct_revenue') }}
    where local_date is not null
),

account as (
    {{ the_account() }}
),

-- Klaviyo may or may not tell of a receipt before a bounce: a person, a message and a day make one send.
sends as (
    select
        local_date,
        channel,
        max(case when event_class = 'bounced' then 1 else 0 end) as is_bounced,
        max(case when event_class in ('dropped', 'failed') then 1 else 0 end) as is_failed
    from events
    where event_class in ('received', 'bounced', 'dropped', 'failed')
    group by
        local_date,
        channel,
        coalesce(profile_id, event_id),
        coalesce(campaign_message_id, campaign_id, flow_message_id, flow_id),
        variation_id
),

daily_sends as (
    select
        local_date,
        channel,
        count(*) as sends,
        count(case when is_bounced = 0 and is_failed = 0 then 1 end) as delivered,
        count(case when is_bounced = 1 then 1 end) as bounced,
        count(case when is_bounced = 0 and is_failed = 1 then 1 end) as failed
    from sends
    group by local_date, channel
),

daily_engagement as (
    select
        local_date,
        channel,
        count(case when event_class = 'opened' then 1 end) as opens,
        count(case when event_class = 'opened' and not is_machine_open then 1 end) as opens_human,
        count(case when event_class = 'clicked' then 1 end) as clicks,
        count(case when event_class = 'clicked' and not is_bot_click then 1 end) as clicks_human,
        count(
            case
                when event_class = 'unsubscribed' and coalesce(campaign_message_id, flow_message_id) is not null then 1
            end
        ) as unsubscribes,
        count(case when event_class = 'spam' then 1 end) as spam_complaints,
        count(distinct case when event_class = 'subscribed' then coalesce(profile_id, event_id) end)
            as subscribers_gained,
        count(distinct case when event_class = 'unsubscribed' then coalesce(profile_id, event_id) end)
            as subscribers_lost
    from events
    where event_class in ('opened', 'clicked', 'spam', 'subscribed', 'unsubscribed')
    group by local_date, channel
),

daily_revenue as (
    select
        local_date,
        coalesce(attributed_channel, 'none') as channel,
        currency,
        count(case when entry_type = 'order' then 1 end) as orders,
        sum(case when entry_type = 'order' then amount else 0 end) as revenue_total,
        sum(case when entry_type = 'order' and is_attributed then amount else 0 end) as revenue_attributed,
        sum(
            case when entry_type = 'order' and attributed_flow_id is not null then amount else 0 end
        ) as revenue_attributed_flows,
        sum(case when entry_type <> 'order' then amount else 0 end) as revenue_returned
    from revenue
    group by local_date, coalesce(attributed_channel, 'none'), currency
),

-- Messages have no currency: their counts stand in the rows of the account's.
combined as (
    select
        daily_sends.local_date,
        coalesce(daily_sends.channel, 'none') as channel,
        account.currency,
        daily_sends.sends,
        daily_sends.delivered,
        daily_sends.bounced,
        daily_sends.failed,
        0 as opens,
        0 as opens_human,
        0 as clicks,
        0 as clicks_human,
        0 as unsubscribes,
        0 as spam_complaints,
        0 as subscribers_gained,
        0 as subscribers_lost,
        0 as orders,
        0 as revenue_total,
        0 as revenue_attributed,
        0 as revenue_attributed_flows,
        0 as revenue_returned
    from daily_sends
    cross join account

    union all

    select
        daily_engagement.local_date,
        coalesce(daily_engagement.channel, 'none') as channel,
        account.currency,
        0 as sends,
        0 as delivered,
        0 as bounced,
        0 as failed,
        daily_engagement.opens,
        daily_engagement.opens_human,
        daily_engagement.clicks,
        daily_engagement.clicks_human,
        daily_engagement.unsubscribes,
        daily_engagement.spam_complaints,
        daily_engagement.subscribers_gained,
        daily_engagement.subscribers_lost,
        0 as orders,
        0 as revenue_total,
        0 as revenue_attributed,
        0 as revenue_attributed_flows,
        0 as revenue_returned
    from daily_engagement
    cross join account

    union all

    select
        local_date,
        channel,
        currency,
        0 as sends,
        0 as delivered,
        0 as bounced,
        0 as failed,
        0 as opens,
        0 as opens_human,
        0 as clicks,
        0 as clicks_human,
        0 as unsubscribes,
        0 as spam_complaints,
        0 as subscribers_gained,
        0 as subscribers_lost,
        orders,
        revenue_total,
        revenue_attributed,
        revenue_attributed_flows,
        revenue_returned
    from daily_revenue
),

totalled as (
    select
        local_date,
        channel,
        currency,
        cast(sum(sends) as bigint) as sends,
        cast(sum(delivered) as bigint) as delivered,
        cast(sum(bounced) as bigint) as bounced,
        cast(sum(failed) as bigint) as failed,
        cast(sum(opens) as bigint) as opens,
        cast(sum(opens_human) as bigint) as opens_human,
        cast(sum(clicks) as bigint) as clicks,
        cast(sum(clicks_human) as bigint) as clicks_human,
        cast(sum(unsubscribes) as bigint) as unsubscribes,
        cast(sum(spam_complaints) as bigint) as spam_complaints,
        cast(sum(subscribers_gained) as bigint) as subscribers_gained,
        cast(sum(subscribers_lost) as bigint) as subscribers_lost,
        cast(sum(orders) as bigint) as orders,
        {{ to_decimal('sum(revenue_total)') }} as revenue_total,
        {{ to_decimal('sum(revenue_attributed)') }} as revenue_attributed,
        {{ to_decimal('sum(revenue_attributed_flows)') }} as revenue_attributed_flows,
        {{ to_decimal('sum(revenue_returned)') }} as revenue_returned
    from combined
    group by local_date, channel, currency
),

final as (
    select
        ---------- grain
        local_date,
        channel,
        currency,

        ---------- messages
        sends,
        delivered,
        bounced,
        failed,
        opens,
        opens_human,
        clicks,
        clicks_human,
        unsubscribes,
        spam_complaints,

        ---------- audience
        subscribers_gained,
        subscribers_lost,

        ---------- money
        orders,
        revenue_total,
        revenue_attributed,
        revenue_attributed_flows,
        {{ to_decimal('revenue_attributed - revenue_attributed_flows') }} as revenue_attributed_campaigns,
        revenue_returned,
        {{ to_decimal('revenue_total + revenue_returned') }} as revenue_net,
        {{ rate('revenue_attributed', 'sum(revenue_total) over (partition by local_date, currency)') }}
            as klaviyo_share
    from totalled
)

select * from final
