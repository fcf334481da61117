{{
    config(
        materialized='incremental',
        unique_key='event_id',
        incremental_strategy=replacing_strategy(),
        on_schema_change='sync_all_columns',
        post_hook='{{ forget_events() }}',
    )
}}
{%- set lifted = [
    'event_id',
    'metric_id',
    'profile_id',
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
{%- set reckoned = ['event_class', 'channel', 'campaign_id', 'campaign_message_id', 'local_date'] -%}
{%- set only_new = only_what_is_new(lifted + reckoned) -%}

with

metrics as (
    select * from {{ ref('int_metric') }}
),

named_messages as (
    select * from {{ ref('int_named_message') }}
),

messages as (
    select * from {{ ref('stg_klaviyo__campaign_messages') }}
),

account as (
    {{ the_account() }}
),

-- What was loaded again comes with a later load; what vanished is marked, and treated, where it is.
opened as (
    select
        {{ lifted | join(',\n        ') }}
    from {{ ref('stg_klaviyo__events') }}
    {%- if only_new %}
    where load_id > '{{ last_load_id() }}'
        or deleted_at is not null
    {%- endif %}
),

{%- if only_new %}

-- What is there is not opened again, but asked whether it still means what it meant: messages, metrics, the time zone.
events as (
    select
        opened.*,
        {%- for column in reckoned %}
        cast(null as {{ raw_type('date' if column == 'local_date' else 'text') }}) as known_{{ column }},
        {%- endfor %}
        true as is_opened
    from opened

    union all

    select
        known.{{ lifted | join(',\n        known.') }},
        {%- for column in reckoned %}
        known.{{ column }} as known_{{ column }},
        {%- endfor %}
        false as is_opened
    from {{ this }} as known
    left join opened on known.event_id = opened.event_id
    where opened.event_id is null
),
{%- else %}

events as (
    select * from opened
),
{%- endif %}

-- `$message` names the message, but in an A/B test of a campaign the first, and `$variation` the one that was sent.
resolved as (
    select
        events.*,
        coalesce(metrics.event_class, 'other') as event_class,
        metrics.channel,
        case
            when events.flow_id is null then coalesce(variations.campaign_id, named_messages.campaign_id)
        end as campaign_id,
        case
            when events.flow_id is not null then null
            when variations.campaign_message_id is not null then variations.campaign_message_id
            when named_messages.named_id is not null then named_messages.campaign_message_id
            when events.message_name is not null then events.message_id
        end as campaign_message_id,
        {{ local_date('events.occurred_at', 'account.timezone') }} as local_date
    from events
    cross join account
    left join metrics on events.metric_id = metrics.metric_id
    left join named_messages on events.message_id = named_messages.named_id
    left join messages as variations on events.variation_id = variations.campaign_message_id
),

final as (
    select
        {{ (lifted + reckoned) | join(',\n        ') }}
    from resolved
    {%- if only_new %}
    where is_opened
        {%- for column in reckoned %}
        or {{ differs(column, 'known_' ~ column) }}
        {%- endfor %}
    {%- endif %}
)

select * from final
