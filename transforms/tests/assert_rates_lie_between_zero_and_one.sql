{%- set message_rates = [
    'delivery_rate', 'bounce_rate', 'failed_rate', 'open_rate', 'open_rate_human', 'click_rate', 'click_rate_human',
    'click_to_open_rate', 'unsubscribe_rate', 'spam_complaint_rate', 'conversion_rate',
] -%}
{%- set models = {
    'mart_campaign_performance': message_rates,
    'mart_flow_performance': message_rates + ['flow_revenue_share'],
    'mart_flow_funnel':
        ['reach_rate', 'open_rate_human', 'click_rate_human', 'unsubscribe_rate', 'conversion_rate'],
    'mart_deliverability_daily': [
        'delivery_rate', 'bounce_rate', 'open_rate', 'open_rate_human', 'click_rate_human', 'unsubscribe_rate',
        'spam_complaint_rate',
    ],
    'mart_frequency': [
        'open_rate_human', 'click_rate_human', 'unsubscribe_rate', 'spam_complaint_rate', 'conversion_rate',
    ],
    'mart_send_time': ['open_rate_human', 'click_rate_human', 'conversion_rate'],
    'mart_ab_test': ['rate', 'control_rate', 'p_value'],
    'mart_cohort_retention': ['buyer_rate'],
    'mart_form_performance': ['klaviyo_submit_rate'],
    'mart_coupon': ['redemption_rate'],
    'mart_data_quality': ['share_found'],
    'fct_order_attribution': ['weight'],
} -%}

with

extremes as (
    {% for model, rates in models.items() -%}
    {% set last_model = loop.last -%}
    {% for rate in rates -%}
    select
        '{{ model }}' as model_name,
        '{{ rate }}' as rate_name,
        min({{ rate }}) as lowest,
        max({{ rate }}) as highest
    from {{ ref(model) }}
    {% if not (last_model and loop.last) -%}
    union all
    {% endif -%}
    {% endfor -%}
    {% endfor %}
),

final as (
    select * from extremes
    where lowest < 0
        or highest > 1.000001
)

select * from final
