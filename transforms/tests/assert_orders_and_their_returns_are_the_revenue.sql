-- What goes back of an order in another currency than the order's, or of one that is not loaded, is in no order.
with

orders as (
    select
        currency,
        count(*) as orders,
        sum(net_amount) as net_amount
    from {{ ref('fct_order') }}
    group by currency
),

entries as (
    select
        revenue.currency,
        count(case when revenue.entry_type = 'order' then 1 end) as orders,
        sum(
            case
                when revenue.entry_type = 'order' or bought.currency = revenue.currency then revenue.amount else 0
            end
        ) as net_amount
    from {{ ref('fct_revenue') }} as revenue
    left join {{ ref('fct_revenue') }} as bought on revenue.order_event_id = bought.event_id
    group by revenue.currency
),

final as (
    select
        entries.currency,
        entries.orders as entry_orders,
        orders.orders,
        entries.net_amount as entry_amount,
        orders.net_amount
    from entries
    full outer join orders on entries.currency = orders.currency
    where coalesce(entries.orders, 0) <> coalesce(orders.orders, 0)
        or coalesce(entries.net_amount, 0) <> coalesce(orders.net_amount, 0)
)

select * from final
