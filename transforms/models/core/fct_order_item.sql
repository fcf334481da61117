with

items as (
    select
        events.event_id,
        events.order_id,
        events.metric_id,
        events.profile_id,
        events.event_value,
        events.currency,
        events.occurred_at,
        events.local_date,
        events.product_id,
        events.product_name,
        events.sku,
        events.variant_name,
        events.quantity,
        events.price
    from {{ ref('fct_event') }} as events
    where events.event_class = 'order_item'
        and not events.is_future
),

orders as (
    select * from {{ ref('fct_order') }}
),

-- Two integrations may tell of the same order: the items are those of the one that tells first.
heard as (
    select
        items.*,
        coalesce(
            first_value(metric_id) over (
                partition by coalesce(order_id, event_id)
                order by occurred_at asc nulls last, event_id asc
                rows between unbounded preceding and unbounded following
            ), ''
        ) as speaking_metric
    from items
),

-- The same order id of two people is a coincidence, so the person is asked for, too.
owned as (
    select
        order_id,
        profile_id,
        min(order_event_id) as order_event_id
    from orders
    where order_id is not null
    group by order_id, profile_id
),

final as (
    select
        ---------- ids
        heard.event_id,
        owned.order_event_id,
        heard.order_id,
        heard.profile_id,

        ---------- what was ordered
        heard.product_id,
        heard.product_name,
        heard.sku,
        heard.variant_name,
        heard.quantity,
        heard.price,
        {{ to_decimal('coalesce(heard.event_value, heard.price * coalesce(heard.quantity, 1), 0)') }} as amount,
        coalesce(heard.currency, orders.currency, account.currency, {{ no_currency() }}) as currency,
        coalesce(heard.currency, orders.currency, account.currency, {{ no_currency() }})
        = account.currency as is_account_currency,

        ---------- the order
        coalesce(orders.is_attributed, false) as is_attributed,
        orders.attributed_message_id,
        coalesce(orders.is_cancelled, false) as is_cancelled,

        ---------- timestamps
        heard.occurred_at as ordered_at,
        heard.local_date
    from heard
    cross join ({{ the_account() }}) as account
    left join owned
        on heard.order_id = owned.order_id
            and coalesce(heard.profile_id, '') = coalesce(owned.profile_id, '')
    left join orders on owned.order_event_id = orders.order_event_id
    where coalesce(heard.metric_id, '') = heard.speaking_metric
)

select * from final
