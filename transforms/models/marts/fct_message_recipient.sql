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

-- An order counts for the person who was led to it, also when profiles were merged in between.
touched as (
    select
        campaign_id,
        flow_id,
        coalesce(campaign_message_id, flow_message_id) as message_id,
        variation_id,
        profile_id,
        channel,
        event_class,
        message_name,
        subject,
        occurred_at,
        is_machine_open,
        is_bot_click,
        cast(null as decimal(18, 4)) as amount,
        false as is_account_currency
    from events

    union all

    select
        attributed_campaign_id as campaign_id,
        attributed_flow_id as flow_id,
        coalesce(attributed_campaign_message_id, attributed_flow_message_id) as message_id,
        attributed_variation_id as variation_id,
        coalesce(attributed_profile_id, profile_id) as profile_id,
        nullif(attributed_channel, 'unknown') as channel,
        entry_type as event_class,
        null as message_name,
        null as subject,
        occurred_at,
        false as is_machine_open,
        false as is_bot_click,
        amount,
        is_account_currency
    from revenue
),

final as (
    select
        ---------- ids
        campaign_id,
        flow_id,
        message_id,
        variation_id,
        profile_id,

        ---------- what was sent
        min(channel) as channel,
        min(message_name) as message_name,
        min(subject) as subject,

        ---------- what became of it
        max(case when event_class = 'bounced' then 1 else 0 end) = 1 as is_bounced,
        max(case when event_class in ('dropped', 'failed') then 1 else 0 end) = 1 as is_failed,
        max(case when event_class in ('bounced', 'dropped', 'failed') then 1 else 0 end) = 0 as is_delivered,
        {{ count_where("event_class = 'received'") }} as receipts,
        {{ count_where("event_class = 'opened'") }} as opens,
        {{ count_where("event_class = 'opened' and not is_machine_open") }} as opens_human,
        {{ count_where("event_class = 'clicked'") }} as clicks,
        {{ count_where("event_class = 'clicked' and not is_bot_click") }} as clicks_human,
        {{ count_where("event_class = 'unsubscribed'") }} as unsubscribes,
        {{ count_where("event_class = 'spam'") }} as spam_complaints,
        {{ count_where("event_class = 'order'") }} as conversions,
        {{ count_where("event_class = 'order' and not is_account_currency") }} as conversions_other_currency,
        cast(sum(case when event_class = 'order' and is_account_currency then amount else 0 end) as decimal(18, 4))
            as conversion_value,
        cast(sum(case when is_account_currency then amount else 0 end) as decimal(18, 4)) as net_revenue,

        ---------- timestamps
        min(case when event_class = 'received' then occurred_at end) as first_received_at,
        min(case when event_class = 'opened' then occurred_at end) as first_opened_at,
        min(case when event_class = 'clicked' then occurred_at end) as first_clicked_at
    from touched
    group by campaign_id, flow_id, message_id, variation_id, profile_id
)

select * from final
