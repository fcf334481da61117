with

recipients as (
    select
        recipients.*,
        lower(coalesce(recipients.email_domain, profiles.email_domain)) as domain
    from {{ ref('fct_message_recipient') }} as recipients
    left join {{ ref('dim_profile') }} as profiles on recipients.profile_id = profiles.profile_id
    where recipients.channel = 'email'
        and recipients.profile_id is not null
        and recipients.send_date is not null
),

providers as (
    select * from {{ ref('seed_inbox_provider') }}
),

provided as (
    select
        recipients.*,
        coalesce(recipients.inbox_provider, providers.inbox_provider, 'Other') as provider
    from recipients
    left join providers on recipients.domain = providers.email_domain
),

days as (
    select
        send_date,
        provider,
        case when flow_id is null then 'campaign' else 'flow' end as message_type,
        cast(count(*) as bigint) as recipients,
        {{ count_where('is_delivered') }} as delivered,
        {{ count_where('is_bounced') }} as bounced,
        {{ count_where("is_bounced and lower(bounce_type) = 'hard'") }} as bounced_hard,
        {{ count_where('is_failed and not is_bounced') }} as failed,
        {{ count_where('is_delivered and opens > 0') }} as opens_unique,
        {{ count_where('is_delivered and opens_human > 0') }} as opens_unique_human,
        {{ count_where('is_delivered and clicks_human > 0') }} as clicks_unique_human,
        {{ count_where('is_delivered and unsubscribes > 0') }} as unsubscribe_uniques,
        {{ count_where('is_delivered and spam_complaints > 0') }} as spam_complaints
    from provided
    group by send_date, provider, case when flow_id is null then 'campaign' else 'flow' end
),

rated as (
    select
        days.*,
        {{ rate('delivered', 'recipients') }} as delivery_rate,
        {{ rate('bounced', 'recipients') }} as bounce_rate,
        {{ rate('opens_unique', 'delivered') }} as open_rate,
        {{ rate('opens_unique_human', 'delivered') }} as open_rate_human,
        {{ rate('clicks_unique_human', 'delivered') }} as click_rate_human,
        {{ rate('unsubscribe_uniques', 'delivered') }} as unsubscribe_rate,
        {{ rate('spam_complaints', 'delivered') }} as spam_complaint_rate
    from days
),

final as (
    select
        ---------- grain
        send_date,
        provider as inbox_provider,
        message_type,

        ---------- counts
        recipients,
        delivered,
        bounced,
        bounced_hard,
        bounced - bounced_hard as bounced_soft,
        failed,
        opens_unique,
        opens_unique_human,
        clicks_unique_human,
        unsubscribe_uniques,
        spam_complaints,

        ---------- rates
        delivery_rate,
        bounce_rate,
        open_rate,
        open_rate_human,
        click_rate_human,
        unsubscribe_rate,
        spam_complaint_rate,

        ---------- against Klaviyo's targets
        {{ standing('bounce_rate', 0.01, 0.02) }} as bounce_standing,
        {{ standing('unsubscribe_rate', 0.003, 0.01) }} as unsubscribe_standing,
        {{ standing('spam_complaint_rate', 0.0001, 0.0005) }} as spam_standing
    from rated
)

select * from final
