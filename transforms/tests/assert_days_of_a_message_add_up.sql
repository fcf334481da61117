-- Over all days and on either basis a message has the events and orders that it has in all; the exceptions are those
-- without a time.
with

days as (
    select
        basis,
        sum(opens) as opens,
        sum(clicks) as clicks,
        sum(receipts) as receipts,
        sum(unsubscribes) as unsubscribes,
        sum(conversions) as conversions,
        sum(net_revenue) as net_revenue
    from {{ ref('mart_message_daily') }}
    group by basis
),

events as (
    select
        count(case when event_class = 'opened' then 1 end) as opens,
        count(case when event_class = 'clicked' then 1 end) as clicks,
        count(case when event_class = 'received' then 1 end) as receipts,
        count(case when event_class = 'unsubscribed' then 1 end) as unsubscribes,
        count(case when event_class = 'order' then 1 end) as conversions,
        coalesce(sum(case when is_account_currency then amount else 0 end), 0) as net_revenue
    from {{ ref('int_message_event') }}
    where local_date is not null
        and event_class <> 'order_repeated'
),

final as (
    select
        days.basis,
        days.opens,
        events.opens as all_opens
    from days
    cross join events
    where days.opens <> events.opens
        or days.clicks <> events.clicks
        or days.receipts <> events.receipts
        or days.unsubscribes <> events.unsubscribes
        or days.conversions <> events.conversions
        or days.net_revenue <> events.net_revenue
)

select * from final
