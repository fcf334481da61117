with

recipients as (
    select
        recipients.*,
        {{ weekday('recipients.send_date') }} as send_weekday,
        {{ local_hour('recipients.first_received_at', 'account.timezone') }} as send_hour
    from {{ ref('fct_message_recipient') }} as recipients
    cross join ({{ the_account() }}) as account
    where recipients.first_received_at is not null
        and recipients.profile_id is not null
        and recipients.channel is not null
),

counted as (
    select
        channel,
        case when flow_id is null then 'campaign' else 'flow' end as message_type,
        send_weekday,
        send_hour,
        cast(count(*) as bigint) as recipients,
        {{ count_where('is_delivered') }} as delivered,
        {{ count_where('is_delivered and opens_human > 0') }} as opens_unique_human,
        {{ count_where('is_delivered and clicks_human > 0') }} as clicks_unique_human,
        {{ count_where('is_delivered and conversions > 0') }} as conversion_uniques,
        {{ to_decimal('sum(conversion_value)') }} as conversion_value
    from recipients
    group by channel, case when flow_id is null then 'campaign' else 'flow' end, send_weekday, send_hour
),

final as (
    select
        ---------- grain
        channel,
        message_type,
        cast(send_weekday as bigint) as send_weekday,
        send_hour,

        ---------- counts
        recipients,
        delivered,
        opens_unique_human,
        clicks_unique_human,
        conversion_uniques,
        conversion_value,

        ---------- rates
        case when channel <> 'sms' then {{ rate('opens_unique_human', 'delivered') }} end as open_rate_human,
        case when channel <> 'mobile_push' then {{ rate('clicks_unique_human', 'delivered') }} end as click_rate_human,
        {{ rate('conversion_uniques', 'delivered') }} as conversion_rate,
        {{ money_per('conversion_value', 'delivered') }} as revenue_per_recipient
    from counted
)

select * from final
