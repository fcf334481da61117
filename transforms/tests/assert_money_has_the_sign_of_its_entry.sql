with

revenue as (
    select * from {{ ref('fct_revenue') }}
),

final as (
    select * from revenue
    where (entry_type = 'order' and amount < 0)
        or (entry_type <> 'order' and amount > 0)
)

select * from final
