with

recipients as (
    select * from {{ ref('fct_message_recipient') }}
    where flow_id is not null
),

flows as (
    select * from {{ ref('stg_klaviyo__flows') }}
),

messages as (
    select
        message_id,
        step,
        delay_hours
    from {{ ref('dim_message') }}
),

account as (
    {{ the_account() }}
),

counted as (
    select
        flow_id,
        message_id as flow_message_id,
        variation_id,
        min(channel) as channel,
        min(message_name) as message_name,
        min(subject) as subject,
        min(first_received_at) as first_received_at,
        cast(sum(receipts) as bigint) as receipts,
        {{ message_counts() }}
    from recipients
    group by flow_id, message_id, variation_id
),

final as (
    select
        ---------- ids
        counted.flow_id,
        counted.flow_message_id,
        counted.variation_id,

        ---------- what was sent
        flows.flow_name,
        messages.step,
        messages.delay_hours,
        counted.message_name,
        counted.subject,
        counted.channel,
        flows.status,
        flows.trigger_type,
        flows.is_archived,
        counted.first_received_at,

        ---------- counts
        counted.recipients,
        counted.receipts,
        counted.delivered,
        counted.bounced,
        counted.failed,
        counted.opens,
        counted.opens_unique,
        counted.opens_unique_human,
        counted.clicks,
        counted.clicks_unique,
        counted.clicks_unique_human,
        counted.unsubscribes,
        counted.unsubscribe_uniques,
        counted.spam_complaints,
        counted.conversions,
        counted.conversion_uniques,

        ---------- money
        account.currency,
        counted.conversion_value,
        counted.net_revenue,
        counted.conversions_other_currency,

        ---------- rates
        {{ rate('counted.conversion_value', 'sum(counted.conversion_value) over (partition by counted.flow_id)') }}
            as flow_revenue_share,
        {{ message_rates('counted.channel') }}
    from counted
    left join flows on counted.flow_id = flows.flow_id
    left join messages on counted.flow_message_id = messages.message_id
    cross join account
)

select * from final
