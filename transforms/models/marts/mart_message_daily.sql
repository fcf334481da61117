{%- set message = ['campaign_id', 'flow_id', 'message_id', 'variation_id'] -%}
{%- set counts = [
    'receipts', 'opens', 'opens_human', 'clicks', 'clicks_human', 'unsubscribes', 'spam_complaints', 'conversions',
    'conversions_other_currency', 'conversion_value', 'net_revenue',
] -%}

with

recipients as (
    select * from {{ ref('fct_message_recipient') }}
),

account as (
    {{ the_account() }}
),

-- What happened on several days is counted anew, by each of them.
events as (
    select events.*
    from {{ ref('int_message_event') }} as events
    inner join recipients on {{ same_in(message + ['profile_id'], 'events', 'recipients') }}
    where events.event_class <> 'order_repeated'
        and not recipients.is_within_a_day
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
        {{ message | join(',\n        ') }},
        profile_id,
        min(channel) as channel,
        basis = 'send' or max(
            case when event_class in ('received', 'bounced', 'dropped', 'failed') then 1 else 0 end
        ) = 1 as is_sent,
        max(case when event_class = 'bounced' then 1 else 0 end) = 1 as is_bounced,
        max(case when event_class in ('dropped', 'failed') then 1 else 0 end) = 1 as is_failed,
        {{ recipient_counts() }}
    from based
    where day is not null
    group by basis, day, {{ message | join(', ') }}, profile_id

    {%- for basis in ['send', 'event'] %}

    union all

    select
        '{{ basis }}' as basis,
        send_date as day,
        {{ message | join(',\n        ') }},
        profile_id,
        channel,
        {{ 'true' if basis == 'send' else 'receipts > 0 or is_bounced or is_failed' }} as is_sent,
        is_bounced,
        is_failed,
        {{ counts | join(',\n        ') }}
    from recipients
    where is_within_a_day
    {%- endfor %}
),

placed as (
    select
        people.*,
        profile_id is not null and is_sent as is_recipient,
        profile_id is not null and (basis = 'event' or not (is_bounced or is_failed)) as is_counted
    from people
),

final as (
    select
        ---------- grain
        placed.basis,
        placed.day as local_date,
        placed.campaign_id,
        placed.flow_id,
        placed.message_id,
        placed.variation_id,
        min(placed.channel) as channel,

        ---------- counts
        {{ count_where('is_recipient') }} as recipients,
        cast(sum(placed.receipts) as bigint) as receipts,
        {{ count_where('is_recipient and not is_bounced and not is_failed') }} as delivered,
        {{ count_where('is_recipient and is_bounced') }} as bounced,
        {{ count_where('is_recipient and is_failed and not is_bounced') }} as failed,
        cast(sum(placed.opens) as bigint) as opens,
        {{ count_where('is_counted and opens > 0') }} as opens_unique,
        {{ count_where('is_counted and opens_human > 0') }} as opens_unique_human,
        cast(sum(placed.clicks) as bigint) as clicks,
        {{ count_where('is_counted and clicks > 0') }} as clicks_unique,
        {{ count_where('is_counted and clicks_human > 0') }} as clicks_unique_human,
        cast(sum(placed.unsubscribes) as bigint) as unsubscribes,
        {{ count_where('is_counted and unsubscribes > 0') }} as unsubscribe_uniques,
        {{ count_where('is_counted and spam_complaints > 0') }} as spam_complaints,
        cast(sum(placed.conversions) as bigint) as conversions,
        {{ count_where('is_counted and conversions > 0') }} as conversion_uniques,

        ---------- money
        coalesce(min(account.currency), {{ no_currency() }}) as currency,
        {{ to_decimal('sum(placed.conversion_value)') }} as conversion_value,
        {{ to_decimal('sum(placed.net_revenue)') }} as net_revenue,
        cast(sum(placed.conversions_other_currency) as bigint) as conversions_other_currency
    from placed
    cross join account
    group by
        placed.basis, placed.day, placed.campaign_id, placed.flow_id, placed.message_id, placed.variation_id
)

select * from final
