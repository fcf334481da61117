with

events as (
    select * from {{ ref('fct_event') }}
    where event_class in ('received', 'opened', 'clicked', 'bounced', 'dropped', 'failed', 'spam', 'unsubscribed')
        and coalesce(campaign_message_id, campaign_id, flow_message_id, flow_id) is not null
        and not is_future
),

revenue as (
    select * from {{ ref('fct_revenue') }}
    where coalesce(attributed_campaign_message_id, attributed_campaign_id) is not null
        or coalesce(attributed_flow_message_id, attributed_flow_id) is not null
),

-- Klaviyo credits each integration's event of an order: those that do not count here explain what it reports.
repeated as (
    select events.* from {{ ref('fct_event') }} as events
    left join {{ ref('fct_revenue') }} as counted on events.event_id = counted.event_id
    where events.event_class = 'order'
        and counted.event_id is null
        and not events.is_future
        and coalesce(
            events.attributed_campaign_message_id,
            events.attributed_campaign_id,
            events.attributed_flow_message_id,
            events.attributed_flow_id
        ) is not null
),

account as (
    {{ the_account() }}
),

-- An order counts for the person who was led to it, also when profiles were merged in between.
touched as (
    select
        event_id,
        metric_id,
        campaign_id,
        flow_id,
        coalesce(campaign_message_id, flow_message_id) as message_id,
        variation_id,
        profile_id,
        channel,
        event_class,
        message_name,
        subject,
        is_machine_open,
        is_bot_click,
        bounce_type,
        email_domain,
        inbox_provider,
        cast(null as decimal(18, 4)) as amount,
        false as is_account_currency,
        occurred_at,
        local_date
    from events

    {%- for orders, event_class, amount, is_account_currency in [
        ("revenue", "entry_type", "amount", "is_account_currency"),
        ("repeated", "'order_repeated'", "event_value", "false"),
    ] %}

    union all

    select
        event_id,
        metric_id,
        attributed_campaign_id as campaign_id,
        attributed_flow_id as flow_id,
        coalesce(attributed_campaign_message_id, attributed_flow_message_id) as message_id,
        attributed_variation_id as variation_id,
        coalesce(attributed_profile_id, profile_id) as profile_id,
        nullif(attributed_channel, 'unknown') as channel,
        {{ event_class }} as event_class,
        null as message_name,
        null as subject,
        false as is_machine_open,
        false as is_bot_click,
        null as bounce_type,
        null as email_domain,
        null as inbox_provider,
        {{ amount }} as amount,
        {{ is_account_currency }} as is_account_currency,
        occurred_at,
        local_date
    from {{ orders }}
    {%- endfor %}
),

-- By the receipt before; without one by the receipt after, as clocks differ. One order serves both windows.
sent as (
    select
        touched.*,
        max(case when event_class = 'received' then occurred_at end) over (
            partition by coalesce(message_id, campaign_id, flow_id), variation_id, profile_id
            order by occurred_at asc nulls first, case when event_class = 'received' then 0 else 1 end asc, event_id asc
            rows between unbounded preceding and current row
        ) as received_before,
        min(case when event_class = 'received' then occurred_at end) over (
            partition by coalesce(message_id, campaign_id, flow_id), variation_id, profile_id
            order by occurred_at asc nulls first, case when event_class = 'received' then 0 else 1 end asc, event_id asc
            rows between current row and unbounded following
        ) as received_after
    from touched
),

final as (
    select
        ---------- ids
        sent.event_id,
        sent.metric_id,
        sent.campaign_id,
        sent.flow_id,
        sent.message_id,
        sent.variation_id,
        sent.profile_id,

        ---------- what happened
        sent.channel,
        sent.event_class,
        sent.message_name,
        sent.subject,
        sent.is_machine_open,
        sent.is_bot_click,
        sent.bounce_type,
        sent.email_domain,
        sent.inbox_provider,
        sent.amount,
        sent.is_account_currency,

        ---------- timestamps
        sent.occurred_at,
        sent.local_date,
        coalesce(sent.received_before, sent.received_after, sent.occurred_at) as sent_at,
        {{ local_date(
            'coalesce(sent.received_before, sent.received_after, sent.occurred_at)',
            'account.timezone'
        ) }} as send_date
    from sent
    cross join account
)

select * from final
