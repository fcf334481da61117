-- Under each model that credits an order, weights add up to 1 and amounts to the order's.
with

credits as (
    select
        attribution.order_event_id,
        attribution.model,
        sum(attribution.weight) as weight,
        sum(attribution.credited_amount) as credited_amount,
        min(attribution.credited_amount) as least,
        min(orders.gross_amount) as gross_amount
    from {{ ref('fct_order_attribution') }} as attribution
    inner join {{ ref('fct_order') }} as orders on attribution.order_event_id = orders.order_event_id
    group by attribution.order_event_id, attribution.model
),

final as (
    select * from credits
    where abs(weight - 1) > 0.000001
        or credited_amount <> gross_amount
        or least < 0
)

select * from final
