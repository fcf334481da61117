with

events as (
    select * from {{ ref('int_message_event') }}
    where profile_id is not null
        and channel is not null
        and send_date is not null
),

-- What a message led to counts for the week in which it was sent.
weeks as (
    select
        channel,
        profile_id,
        {{ week_of('send_date') }} as week_starts_on,
        count(case when event_class = 'received' then 1 end) as received,
        max(case when event_class = 'opened' and not is_machine_open then 1 else 0 end) as is_opened,
        max(case when event_class = 'clicked' and not is_bot_click then 1 else 0 end) as is_clicked,
        max(case when event_class = 'unsubscribed' then 1 else 0 end) as is_unsubscribed,
        max(case when event_class = 'spam' then 1 else 0 end) as is_complained,
        max(case when event_class = 'order' then 1 else 0 end) as is_converted,
        sum(case when event_class = 'order' and is_account_currency then amount else 0 end) as conversion_value
    from events
    group by channel, profile_id, {{ week_of('send_date') }}
),

bucketed as (
    select
        weeks.*,
        case when received >= 8 then 8 else received end as messages_a_week
    from weeks
    where received > 0
),

counted as (
    select
        channel,
        cast(messages_a_week as bigint) as messages_a_week,
        cast(count(*) as bigint) as profile_weeks,
        cast(count(distinct profile_id) as bigint) as profiles,
        cast(sum(received) as bigint) as received,
        cast(sum(is_opened) as bigint) as opened,
        cast(sum(is_clicked) as bigint) as clicked,
        cast(sum(is_unsubscribed) as bigint) as unsubscribed,
        cast(sum(is_complained) as bigint) as complained,
        cast(sum(is_converted) as bigint) as converted,
        {{ to_decimal('sum(conversion_value)') }} as conversion_value
    from bucketed
    group by channel, messages_a_week
),

final as (
    select
        ---------- grain
        channel,
        messages_a_week,

        ---------- counts
        profile_weeks,
        profiles,
        received,
        opened,
        clicked,
        unsubscribed,
        complained,
        converted,
        conversion_value,

        ---------- rates
        case when channel <> 'sms' then {{ rate('opened', 'profile_weeks') }} end as open_rate_human,
        case when channel <> 'mobile_push' then {{ rate('clicked', 'profile_weeks') }} end as click_rate_human,
        {{ rate('unsubscribed', 'profile_weeks') }} as unsubscribe_rate,
        {{ rate('complained', 'profile_weeks') }} as spam_complaint_rate,
        {{ rate('converted', 'profile_weeks') }} as conversion_rate,
        {{ money_per('conversion_value', 'profile_weeks') }} as revenue_per_profile_week
    from counted
)

select * from final
