with

revenue as (
    select * from {{ ref('fct_revenue') }}
    where order_id is not null
),

final as (
    select
        order_id,
        entry_type
    from revenue
    group by order_id, entry_type
    having count(distinct coalesce(metric_id, '')) > 1
)

select * from final
