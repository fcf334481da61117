{{
    config(
        materialized='incremental',
        unique_key='event_id',
        incremental_strategy=replacing_strategy(),
        on_schema_change='sync_all_columns',
        post_hook='{{ forget_events() }}',
    )
}}
{%- set columns = [
    'event_id',
    'metric_id',
    'profile_id',
    'event_uuid',
    'event_value',
    'value_currency',
    'sender_event_id',
    'sender_order_id',
    'message_id',
    'flow_id',
    'variation_id',
    'message_name',
    'subject',
    'is_machine_open',
    'is_bot_click',
    'bounce_type',
    'email_domain',
    'inbox_provider',
    'client_type',
    'url',
    'list_id',
    'list_name',
    'method',
    'form_id',
    'form_version_id',
    'product_id',
    'product_name',
    'sku',
    'variant_name',
    'quantity',
    'price',
    'item_count',
    'discount_codes',
    'occurred_at',
    'deleted_at',
    'is_deleted',
    'load_id',
] -%}
{%- set only_new = only_what_is_new(columns) -%}

with

events as (
    select * from {{ ref('stg_klaviyo__events') }}
),

-- What was loaded again comes with a later load; what vanished is marked, and treated, where it is.
final as (
    select
        {%- for column in columns %}
        events.{{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from events
    {%- if only_new %}
    where events.load_id > '{{ last_load_id() }}'
        or events.deleted_at is not null
    {%- endif %}
)

select * from final
