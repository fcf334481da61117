{{ config(materialized='view') }}

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

-- An order counts for the person who was led to it, also when profiles were merged in between.
final as (
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
        {{ to_decimal('null') }} as amount,
        false as is_account_currency,
        occurred_at,
        local_date,
        load_id
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
        local_date,
        null as load_id
    from {{ orders }}
    {%- endfor %}
)

select * from final
