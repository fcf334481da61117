with

events as (
    select * from {{ ref('int_message_event') }}
    where event_class <> 'order_repeated'
),

account as (
    {{ the_account() }}
),

based as (
    select
        events.*,
        'send' as basis,
        send_date as day
    from events

    union all

    select
        events.*,
        'event' as basis,
        local_date as day
    from events
),

-- Who was sent it: by the day of sending all who did anything with it, by the day of the event those of that day.
people as (
    select
        basis,
        day,
        campaign_id,
        flow_id,
        message_id,
        variation_id,
        profile_id,
        min(channel) as channel,
        profile_id is not null and max(
            case when basis = 'send' or event_class in ('received', 'bounced', 'dropped', 'failed') then 1 else 0 end
        ) = 1 as is_recipient,
        max(case when event_class = 'bounced' then 1 else 0 end) = 1 as is_bounced,
        max(case when event_class in ('dropped', 'failed') then 1 else 0 end) = 1 as is_failed,
        profile_id is not null and (
            basis = 'event' or max(case when event_class in ('bounced', 'dropped', 'failed') then 1 else 0 end) = 0
        ) as is_counted,
        count(case when event_class = 'received' then 1 end) as receipts,
        count(case when event_class = 'opened' then 1 end) as opens,
        count(case when event_class = 'opened' and not is_machine_open then 1 end) as opens_human,
        count(case when event_class = 'clicked' then 1 end) as clicks,
        count(case when event_class = 'clicked' and not is_bot_click then 1 end) as clicks_human,
        count(case when event_class = 'unsubscribed' then 1 end) as unsubscribes,
        count(case when event_class = 'spam' then 1 end) as spam_complaints,
        count(case when event_class = 'order' then 1 end) as conversions,
        count(case when event_class = 'order' and not is_account_currency then 1 end) as conversions_other_currency,
        sum(case when event_class = 'order' and is_account_currency then amount else 0 end) as conversion_value,
        sum(case when is_account_currency then amount else 0 end) as net_revenue
    from based
    where day is not null
    group by basis, day, campaign_id, flow_id, message_id, variation_id, profile_id
),

final as (
    select
        ---------- grain
        people.basis,
        people.day as local_date,
        people.campaign_id,
        people.flow_id,
        people.message_id,
        people.variation_id,
        min(people.channel) as channel,

        ---------- counts
        {{ count_where('is_recipient') }} as recipients,
        cast(sum(people.receipts) as bigint) as receipts,
        {{ count_where('is_recipient and not is_bounced and not is_failed') }} as delivered,
        {{ count_where('is_recipient and is_bounced') }} as bounced,
        {{ count_where('is_recipient and is_failed and not is_bounced') }} as failed,
        cast(sum(people.opens) as bigint) as opens,
        {{ count_where('is_counted and opens > 0') }} as opens_unique,
        {{ count_where('is_counted and opens_human > 0') }} as opens_unique_human,
        cast(sum(people.clicks) as bigint) as clicks,
        {{ count_where('is_counted and clicks > 0') }} as clicks_unique,
        {{ count_where('is_counted and clicks_human > 0') }} as clicks_unique_human,
        cast(sum(people.unsubscribes) as bigint) as unsubscribes,
        {{ count_where('is_counted and unsubscribes > 0') }} as unsubscribe_uniques,
        {{ count_where('is_counted and spam_complaints > 0') }} as spam_complaints,
        cast(sum(people.conversions) as bigint) as conversions,
        {{ count_where('is_counted and conversions > 0') }} as conversion_uniques,

        ---------- money
        coalesce(min(account.currency), {{ no_currency() }}) as currency,
        cast(sum(people.conversion_value) as decimal(18, 4)) as conversion_value,
        cast(sum(people.net_revenue) as decimal(18, 4)) as net_revenue,
        cast(sum(people.conversions_other_currency) as bigint) as conversions_other_currency
    from people
    cross join account
    group by
        people.basis, people.day, people.campaign_id, people.flow_id, people.message_id, people.variation_id
)

select * from final
