{%- set rates = [
    'delivery_rate', 'bounce_rate', 'failed_rate', 'open_rate', 'open_rate_human', 'click_rate', 'click_rate_human',
    'click_to_open_rate', 'unsubscribe_rate', 'spam_complaint_rate', 'conversion_rate',
] -%}

with

campaigns as (
    select * from {{ ref('mart_campaign_performance') }}
),

flows as (
    select * from {{ ref('mart_flow_performance') }}
),

rates as (
    {% for rate in rates -%}
    select
        campaign_message_id as message_id,
        '{{ rate }}' as rate_name,
        {{ rate }} as rate
    from campaigns

    union all

    select
        flow_message_id as message_id,
        '{{ rate }}' as rate_name,
        {{ rate }} as rate
    from flows
    {%- if not loop.last %}

    union all

    {% endif -%}
    {% endfor %}
),

final as (
    select * from rates
    where rate < 0
        or rate > 1
)

select * from final
