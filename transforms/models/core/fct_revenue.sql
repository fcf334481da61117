with

events as (
    select * from {{ ref('fct_event') }}
    where event_class in ('order', 'refund', 'cancel')
        and not is_future
),

account as (
    {{ the_account() }}
),

told as (
    select
        events.*,
        coalesce(order_id, event_id) as order_key,
        coalesce(metric_id, '') as metric_key,
        case
            when event_class = 'order' and event_value < 0 then 'refund'
            else event_class
        end as entry_type
    from events
),

-- Two integrations may tell of the same order: the first that Klaviyo credits to a message speaks for it.
heard as (
    select
        told.*,
        first_value(metric_key) over (
            partition by order_key, entry_type
            order by
                case when is_attributed then 0 else 1 end asc,
                occurred_at asc nulls last,
                event_id asc
            rows between unbounded preceding and unbounded following
        ) as speaking_metric,
        count(*) over (partition by order_key, entry_type) as told_times,
        max(case when entry_type = 'refund' then 1 else 0 end) over (partition by order_key) as is_refunded
    from told
),

-- Within one metric the same order id means a repeat for one person, and a coincidence for two.
ranked as (
    select
        heard.*,
        row_number() over (
            partition by order_key, entry_type, coalesce(profile_id, event_id)
            order by
                case when is_attributed then 0 else 1 end asc,
                occurred_at asc nulls last,
                event_id asc
        ) as place
    from heard
    where metric_key = speaking_metric
),

-- A refund may come in parts, so each counts; money of a cancelled order that is also refunded goes back once.
counted as (
    select * from ranked
    where (entry_type = 'order' and place = 1)
        or (entry_type = 'refund')
        or (entry_type = 'cancel' and place = 1 and is_refunded = 0)
),

orders as (
    select
        counted.*,
        row_number() over (
            partition by order_key
            order by occurred_at asc nulls last, event_id asc
        ) as order_place
    from counted
    where entry_type = 'order'
),

final as (
    select
        ---------- ids
        counted.event_id,
        counted.order_id,
        case when credit.entry_type = 'order' then credit.event_id end as order_event_id,
        counted.metric_id,
        counted.profile_id,

        ---------- what happened
        counted.entry_type,
        cast(coalesce(counted.event_value, 0) as decimal(18, 4)) as amount,
        counted.currency,
        counted.currency = account.currency as is_account_currency,
        cast(counted.told_times as bigint) as told_times,

        ---------- the message that gets the credit
        credit.is_attributed,
        credit.attributed_event_id,
        credit.attributed_event_at,
        credit.attributed_profile_id,
        credit.attributed_channel,
        credit.attributed_campaign_id,
        credit.attributed_campaign_message_id,
        credit.attributed_flow_id,
        credit.attributed_flow_message_id,
        credit.attributed_variation_id,

        ---------- timestamps
        counted.occurred_at,
        counted.local_date
    from counted
    cross join account
    left join orders
        on case when counted.entry_type <> 'order' then counted.order_key end = orders.order_key
            and orders.order_place = 1
    -- Money that goes back is taken from the message that was credited with the order.
    inner join counted as credit on coalesce(orders.event_id, counted.event_id) = credit.event_id
)

select * from final
