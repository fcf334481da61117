with

days as (
    select
        currency,
        sum(orders) as orders,
        sum(revenue_net) as revenue
    from {{ ref('mart_daily_kpi') }}
    group by currency
),

entries as (
    select
        currency,
        sum(case when entry_type = 'order' then 1 else 0 end) as orders,
        sum(amount) as revenue
    from {{ ref('fct_revenue') }}
    where local_date is not null
    group by currency
),

-- A currency may have days without an order: those of messages, in the account's.
final as (
    select
        days.currency,
        days.orders,
        days.revenue,
        entries.orders as entry_orders,
        entries.revenue as entry_revenue
    from days
    full outer join entries on days.currency = entries.currency
    where coalesce(days.orders, 0) <> coalesce(entries.orders, 0)
        or coalesce(days.revenue, 0) <> coalesce(entries.revenue, 0)
)

select * from final
