with

credits as (
    select * from {{ ref('fct_order_attribution') }}
    where local_date is not null
),

-- Models in columns, so that a message's credit under each stands side by side.
final as (
    select
        ---------- grain
        local_date,
        channel,
        campaign_id,
        flow_id,
        message_id,
        currency,

        ---------- orders, as far as a model credits them
        {%- for model in ['klaviyo', 'last_touch', 'last_click', 'first_touch', 'linear', 'time_decay'] %}
        sum(case when model = '{{ model }}' then weight else 0 end) as orders_{{ model }},
        {%- endfor %}

        ---------- their value
        {%- for model in ['klaviyo', 'last_touch', 'last_click', 'first_touch', 'linear', 'time_decay'] %}
        {%- set credited = "sum(case when model = '" ~ model ~ "' then credited_amount else 0 end)" %}
        {{ to_decimal(credited) }} as revenue_{{ model }}{%- if not loop.last %},{% endif %}
        {%- endfor %}
    from credits
    group by local_date, channel, campaign_id, flow_id, message_id, currency
)

select * from final
