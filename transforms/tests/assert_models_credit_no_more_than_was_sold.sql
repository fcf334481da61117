with

credited as (
    select
        currency,
        {%- for model in ['klaviyo', 'last_touch', 'last_click', 'first_touch', 'linear', 'time_decay'] %}
        sum(revenue_{{ model }}) as revenue_{{ model }}{%- if not loop.last %},{% endif %}
        {%- endfor %}
    from {{ ref('mart_attribution_comparison') }}
    group by currency
),

sold as (
    select
        currency,
        sum(gross_amount) as revenue
    from {{ ref('fct_order') }}
    group by currency
),

final as (
    select
        credited.*,
        sold.revenue
    from credited
    left join sold on credited.currency = sold.currency
    where
        coalesce(sold.revenue, 0) < greatest(
            credited.revenue_klaviyo,
            credited.revenue_last_touch,
            credited.revenue_last_click,
            credited.revenue_first_touch,
            credited.revenue_linear,
            credited.revenue_time_decay
        )
)

select * from final
