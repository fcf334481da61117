with

recipients as (
    select * from {{ ref('fct_message_recipient') }}
    where flow_id is not null
        and profile_id is not null
        and message_id is not null
        and send_date is not null
),

messages as (
    select * from {{ ref('dim_message') }}
),

-- A person enters a flow with the first of its messages, and belongs to that month from then on.
entries as (
    select
        flow_id,
        profile_id,
        {{ month_of('min(send_date)') }} as entry_month
    from recipients
    group by flow_id, profile_id
),

entered as (
    select
        flow_id,
        entry_month,
        cast(count(*) as bigint) as entered
    from entries
    group by flow_id, entry_month
),

-- Variations of a message are one step of the way.
reached as (
    select
        recipients.flow_id,
        entries.entry_month,
        recipients.message_id,
        cast(count(distinct recipients.profile_id) as bigint) as reached,
        cast(count(distinct case when recipients.is_delivered then recipients.profile_id end) as bigint) as delivered,
        cast(count(
            distinct case when recipients.is_delivered and recipients.opens_human > 0 then recipients.profile_id end
        ) as bigint) as opened,
        cast(count(
            distinct case when recipients.is_delivered and recipients.clicks_human > 0 then recipients.profile_id end
        ) as bigint) as clicked,
        cast(count(distinct case when recipients.unsubscribes > 0 then recipients.profile_id end) as bigint)
            as unsubscribed,
        cast(count(distinct case when recipients.conversions > 0 then recipients.profile_id end) as bigint)
            as converted,
        {{ to_decimal('sum(recipients.conversion_value)') }} as conversion_value
    from recipients
    inner join entries
        on recipients.flow_id = entries.flow_id
            and recipients.profile_id = entries.profile_id
    group by recipients.flow_id, entries.entry_month, recipients.message_id
),

placed as (
    select
        reached.*,
        entered.entered,
        messages.flow_name,
        messages.message_name,
        messages.channel,
        messages.step,
        lag(reached.reached) over (
            partition by reached.flow_id, reached.entry_month
            order by messages.step asc nulls last, messages.first_sent_at asc nulls last, reached.message_id asc
        ) as reached_before
    from reached
    inner join entered
        on reached.flow_id = entered.flow_id
            and reached.entry_month = entered.entry_month
    left join messages on reached.message_id = messages.message_id
),

final as (
    select
        ---------- grain
        flow_id,
        entry_month,
        message_id,

        ---------- what was sent
        flow_name,
        message_name,
        channel,
        step,

        ---------- people
        entered,
        reached,
        delivered,
        opened,
        clicked,
        unsubscribed,
        converted,
        conversion_value,

        ---------- rates
        {{ rate('reached', 'entered') }} as reach_rate,
        case
            when reached_before is null then 0
            when reached_before > reached then reached_before - reached
            else 0
        end as lost_since_step_before,
        {{ rate('opened', 'delivered') }} as open_rate_human,
        {{ rate('clicked', 'delivered') }} as click_rate_human,
        {{ rate('unsubscribed', 'reached') }} as unsubscribe_rate,
        {{ rate('converted', 'reached') }} as conversion_rate
    from placed
)

select * from final
