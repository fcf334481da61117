with

days as (
    select * from {{ ref('mart_daily_kpi') }}
),

final as (
    select
        local_date,
        currency,
        sum(revenue_total) as revenue_total,
        sum(revenue_attributed) as revenue_attributed,
        sum(revenue_attributed_flows) as revenue_attributed_flows
    from days
    group by local_date, currency
    having sum(revenue_attributed) > sum(revenue_total)
        or sum(revenue_attributed_flows) > sum(revenue_attributed)
        or min(revenue_attributed_flows) < 0
)

select * from final
