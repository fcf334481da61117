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
{%- set asked = ['event_id', 'metric_id', 'message_id', 'flow_id', 'variation_id', 'message_name', 'occurred_at'] -%}
{%- set meanings = ['event_class', 'channel', 'campaign_id', 'campaign_message_id'] -%}
{%- set reckoned = meanings + ['local_date'] -%}
{%- set only_new = only_what_is_new(model.columns) -%}

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

-- Days of another time zone: a day stays as it is if its first event and its last do.
moved_days as (
    select known.local_date
    from (
        select
            local_date,
            min(occurred_at) as first_at,
            max(occurred_at) as last_at
        from {{ this }}
        group by local_date
    ) as known
    cross join account
    where known.local_date <> {{ local_date('known.first_at', 'account.timezone') }}
        or known.local_date <> {{ local_date('known.last_at', 'account.timezone') }}
),

-- What is there is not opened again, but asked whether it still means what it meant.
events as (
    select
        {{ asked | join(',\n        ') }},
        {%- for column in meanings %}
        cast(null as {{ raw_type('text') }}) as known_{{ column }},
        {%- endfor %}
        true as is_opened,
        false as is_moved
    from opened

    union all

    select
        known.{{ asked | join(',\n        known.') }},
        {%- for column in meanings %}
        known.{{ column }} as known_{{ column }},
        {%- endfor %}
        false as is_opened,
        moved_days.local_date is not null as is_moved
    from {{ this }} as known
    left join opened on known.event_id = opened.event_id
    left join moved_days on known.local_date = moved_days.local_date
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

{%- if only_new %}

told as (
    select
        event_id,
        is_opened,
        {{ reckoned | join(',\n        ') }}
    from resolved
    where is_opened
        or is_moved
        {%- for column in meanings %}
        or {{ differs(column, 'known_' ~ column) }}
        {%- endfor %}
),

-- All their columns are read of these few only.
lifted as (
    select * from opened

    union all

    select
        known.{{ lifted | join(',\n        known.') }}
    from {{ this }} as known
    inner join told on known.event_id = told.event_id
    where not told.is_opened
),

final as (
    select
        lifted.{{ lifted | join(',\n        lifted.') }},
        told.{{ reckoned | join(',\n        told.') }}
    from told
    inner join lifted on told.event_id = lifted.event_id
)
{%- else %}

final as (
    select
        {{ (lifted + reckoned) | join(',\n        ') }}
    from resolved
)
{%- endif %}

select * from final
