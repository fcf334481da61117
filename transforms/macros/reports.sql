{# A staging model of a report: what its rows are told apart by, the day or month that they are about, and statistics. #}
{% macro staged_report(table, told_by, period, statistics) -%}
{%- set columns = {} -%}
{%- for name in told_by %}{% do columns.update({name: 'text'}) %}{% endfor -%}
{%- do columns.update({period: 'date'}) -%}
{%- for name in statistics %}{% do columns.update({name: 'double'}) %}{% endfor -%}
{%- do columns.update({'_deleted_at': 'timestamp', '_dlt_load_id': 'text'}) -%}
with

source as (
    select * from {{ raw_or_empty(table, columns) }}
),

final as (
    select
        {%- for name in told_by %}
        {{ "nullif(variation, '') as variation_id" if name == 'variation' else name }},
        {%- endfor %}
        {{ reserved(period) }} as {{ {'day': 'local_date', 'month': 'month_starts_on'}[period] }},
        {%- for name in statistics %}
        {{ name }},
        {%- endfor %}
        _deleted_at as deleted_at,
        _deleted_at is not null as is_deleted,
        _dlt_load_id as load_id
    from source
)

select * from final
{%- endmacro %}


{# What Klaviyo reckons for the messages of campaigns and flows. #}
{% macro message_statistics() -%}
  {{ return([
    'average_order_value',
    'bounce_rate',
    'bounced',
    'bounced_or_failed',
    'bounced_or_failed_rate',
    'click_rate',
    'click_to_open_rate',
    'clicks',
    'clicks_unique',
    'conversion_rate',
    'conversion_uniques',
    'conversion_value',
    'conversions',
    'delivered',
    'delivery_rate',
    'failed',
    'failed_rate',
    'message_segment_count_sum',
    'open_rate',
    'opens',
    'opens_unique',
    'recipients',
    'revenue_per_recipient',
    'spam_complaint_rate',
    'spam_complaints',
    'text_message_credit_usage_amount',
    'text_message_roi',
    'text_message_spend',
    'unsubscribe_rate',
    'unsubscribe_uniques',
    'unsubscribes',
  ]) }}
{%- endmacro %}


{# What Klaviyo reckons for forms. #}
{% macro form_statistics() -%}
  {{ return([
    'closed_form',
    'closed_form_uniques',
    'qualified_form',
    'qualified_form_uniques',
    'submit_rate',
    'submits',
    'submitted_form_step',
    'submitted_form_step_uniques',
    'viewed_form',
    'viewed_form_step',
    'viewed_form_step_uniques',
    'viewed_form_uniques',
  ]) }}
{%- endmacro %}


{# What Klaviyo reckons for segments. #}
{% macro segment_statistics() -%}
  {{ return(['members_added', 'members_removed', 'net_members_changed', 'total_members']) }}
{%- endmacro %}
