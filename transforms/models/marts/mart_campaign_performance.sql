with

recipients as (
    select * from {{ ref('fct_message_recipient') }}
    where flow_id is null
),

campaigns as (
    select * from {{ ref('stg_klaviyo__campaigns') }}
),

messages as (
    select * from {{ ref('stg_klaviyo__campaign_messages') }}
),

account as (
    {{ the_account() }}
),

counted as (
    select
        campaign_id,
        message_id as campaign_message_id,
        variation_id,
        min(channel) as channel,
        min(message_name) as message_name,
        min(subject) as subject,
        {{ message_counts() }}
    from recipients
    group by campaign_id, message_id, variation_id
),

-- A campaign that was sent and reached nobody belongs in the picture; one that is still a draft does not.
unanswered as (
    select
        messages.campaign_id,
        messages.campaign_message_id
    from messages
    inner join campaigns on messages.campaign_id = campaigns.campaign_id
    left join counted on messages.campaign_message_id = counted.campaign_message_id
    where campaigns.status = 'Sent'
        and not messages.is_deleted
        and counted.campaign_message_id is null
),

named as (
    select
        coalesce(counted.campaign_id, unanswered.campaign_id) as campaign_id,
        coalesce(counted.campaign_message_id, unanswered.campaign_message_id) as campaign_message_id,
        counted.variation_id,
        counted.channel,
        counted.message_name,
        counted.subject,
        {{ message_counts_or_zero('counted') }}
    from counted
    full outer join unanswered on counted.campaign_message_id = unanswered.campaign_message_id
),

described as (
    select
        named.*,
        coalesce(campaigns.campaign_name, named.message_name) as campaign_name,
        campaigns.status,
        campaigns.send_method,
        campaigns.send_time,
        campaigns.is_archived,
        messages.label,
        coalesce(messages.subject, messages.title, named.subject) as subject_line,
        coalesce(messages.channel, named.channel) as message_channel,
        account.currency,
        {{ local_date('campaigns.send_time', 'account.timezone') }} as send_date
    from named
    left join campaigns on named.campaign_id = campaigns.campaign_id
    left join messages on named.campaign_message_id = messages.campaign_message_id
    cross join account
),

final as (
    select
        ---------- ids
        campaign_id,
        campaign_message_id,
        variation_id,

        ---------- what was sent
        campaign_name,
        label,
        subject_line as subject,
        message_channel as channel,
        status,
        send_method,
        is_archived,
        send_time,
        send_date,

        ---------- counts
        recipients,
        delivered,
        bounced,
        failed,
        opens,
        opens_unique,
        opens_unique_human,
        clicks,
        clicks_unique,
        clicks_unique_human,
        unsubscribes,
        unsubscribe_uniques,
        spam_complaints,
        conversions,
        conversion_uniques,

        ---------- money
        currency,
        conversion_value,
        net_revenue,
        conversions_other_currency,

        ---------- rates
        {{ message_rates('message_channel') }}
    from described
)

select * from final
