{#
  Each check is a query of rows: how many there are, how many fail, and one that does. A failure is no fault of the load:
  it is what Klaviyo sent, and what it means for the marts.
-#}
{%- set checks = [
    ('events_without_profile', 'events that befell nobody: they count, for no person',
        'fct_event', 'event_id', 'profile_id is null'),
    ('events_without_time', 'events without a time: they are in no day',
        'fct_event', 'event_id', 'occurred_at is null'),
    ('events_dated_ahead', 'events that lie ahead: they wait',
        'fct_event', 'event_id', 'is_future'),
    ('events_of_unlisted_metrics', 'events whose metric Klaviyo does not list: their class is unknown',
        'fct_event', 'event_id', "metric_id is null or metric_id in (select metric_id from " ~ ref('dim_metric') ~ " where is_deleted)"),
    ('message_events_without_message', 'receipts, opens, clicks and bounces that name no message: they are in no campaign or flow',
        'fct_event', 'event_id', "event_class in ('received', 'opened', 'clicked', 'bounced') and coalesce(campaign_message_id, campaign_id, flow_message_id, flow_id) is null"),
    ('orders_without_id', 'orders that name no id: they cannot be told from a repetition',
        'fct_order', 'order_event_id', 'order_id is null'),
    ('orders_without_value', 'orders of no value',
        'fct_order', 'order_event_id', 'gross_amount = 0'),
    ('orders_told_more_than_once', 'orders that several events tell of: they count once',
        'fct_order', 'order_event_id', 'told_times > 1'),
    ('orders_in_other_currencies', "orders in other currencies than that of the account: the performance marts leave their value out",
        'fct_order', 'order_event_id', 'not is_account_currency'),
    ('orders_returned_beyond_their_value', 'orders of which more went back than they were worth',
        'fct_order', 'order_event_id', 'net_amount < 0'),
    ('returns_without_order', 'refunds and cancellations of orders that are not loaded',
        'fct_revenue', 'event_id', "entry_type <> 'order' and order_event_id is null"),
    ('items_without_order', 'lines of orders that are not loaded',
        'fct_order_item', 'event_id', 'order_event_id is null'),
    ('attributions_without_touch', 'orders credited for an open or click that is not loaded',
        'fct_order', 'order_event_id', 'is_attributed and attributed_event_at is null'),
    ('metrics_without_class', 'metrics that neither mapping nor name classifies: nothing counts their events',
        'dim_metric', 'metric_id', "event_class = 'other' and event_count > 0"),
    ('messages_not_listed', 'messages that only events know: Klaviyo no longer lists them',
        'dim_message', 'message_id', 'is_deleted'),
] -%}

with

{% for model in checks | map(attribute=2) | unique -%}
counted_in_{{ model }} as (
    select
        {%- for name, meaning, of, key, condition in checks if of == model %}
        {{ count_where(condition) }} as {{ name }},
        min(case when {{ condition }} then {{ key }} end) as {{ name }}_example,
        {%- endfor %}
        cast(count(*) as bigint) as rows_checked
    from {{ ref(model) }}
),

{% endfor -%}
final as (
    {%- for name, meaning, model, key, condition in checks %}
    select
        '{{ name }}' as check_name,
        '{{ meaning | replace("'", "''") }}' as meaning,
        '{{ model }}' as model_name,
        rows_checked,
        {{ name }} as rows_found,
        {{ name }}_example as example
    from counted_in_{{ model }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
)

select
    check_name,
    meaning,
    model_name,
    rows_checked,
    rows_found,
    {{ rate('rows_found', 'rows_checked') }} as share_found,
    example
from final
