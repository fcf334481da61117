with

revenue as (
    select * from {{ ref('fct_revenue') }}
),

events as (
    select
        event_id,
        item_count,
        discount_codes
    from {{ ref('fct_event') }}
    where event_class = 'order'
),

orders as (
    select * from revenue
    where entry_type = 'order'
),

returned as (
    select
        orders.event_id as order_event_id,
        sum(case when revenue.entry_type = 'refund' then revenue.amount else 0 end) as refunded_amount,
        sum(case when revenue.entry_type = 'cancel' then revenue.amount else 0 end) as cancelled_amount,
        max(case when revenue.entry_type = 'cancel' then 1 else 0 end) as is_cancelled,
        max(case when revenue.entry_type = 'refund' then 1 else 0 end) as is_refunded
    from revenue
    inner join orders on revenue.order_event_id = orders.event_id
    where revenue.entry_type <> 'order'
        and revenue.currency = orders.currency
    group by orders.event_id
),

numbered as (
    select
        event_id,
        row_number() over (
            partition by profile_id order by occurred_at asc nulls last, event_id asc
        ) as order_number,
        lag(local_date) over (
            partition by profile_id order by occurred_at asc nulls last, event_id asc
        ) as previous_date
    from orders
    where profile_id is not null
),

final as (
    select
        ---------- ids
        orders.event_id as order_event_id,
        orders.order_id,
        orders.metric_id,
        orders.profile_id,

        ---------- what was ordered
        events.item_count,
        events.discount_codes,

        ---------- money
        orders.currency,
        orders.is_account_currency,
        orders.amount as gross_amount,
        {{ to_decimal('coalesce(returned.refunded_amount, 0)') }} as refunded_amount,
        {{ to_decimal('coalesce(returned.cancelled_amount, 0)') }} as cancelled_amount,
        {{ to_decimal(
            'orders.amount + coalesce(returned.refunded_amount, 0) + coalesce(returned.cancelled_amount, 0)'
        ) }} as net_amount,
        coalesce(returned.is_refunded, 0) = 1 as is_refunded,
        coalesce(returned.is_cancelled, 0) = 1 as is_cancelled,
        orders.told_times,

        ---------- the customer's history
        cast(numbered.order_number as bigint) as order_number,
        coalesce(numbered.order_number = 1, false) as is_first_order,
        {{ days_between('numbered.previous_date', 'orders.local_date') }} as days_since_previous_order,

        ---------- the message that gets the credit
        orders.is_attributed,
        orders.attributed_event_id,
        orders.attributed_event_at,
        orders.attributed_event_class,
        {{ hours_between('orders.attributed_event_at', 'orders.occurred_at') }} as hours_since_touch,
        orders.attributed_channel,
        orders.attributed_campaign_id,
        orders.attributed_flow_id,
        coalesce(orders.attributed_campaign_message_id, orders.attributed_flow_message_id) as attributed_message_id,
        orders.attributed_variation_id,

        ---------- timestamps
        orders.occurred_at as ordered_at,
        orders.local_date
    from orders
    left join events on orders.event_id = events.event_id
    left join returned on orders.event_id = returned.order_event_id
    left join numbered on orders.event_id = numbered.event_id
)

select * from final
