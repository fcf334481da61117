{{
    config(
        materialized=kept(),
        incremental_strategy='replace',
        unique_key='event_id',
        on_schema_change='sync_all_columns',
    )
}}

with

account as (
    {{ the_account() }}
),

{%- if is_there() %}

-- Events that are told otherwise than they are here, or no longer. What only the raw event tells comes with a load.
differing as (
    select
        touches.event_id,
        known.event_id as known_event_id,
        {{ message_and_person('touches') }} as told_of,
        {{ message_and_person('known') }} as known_of
    from {{ ref('int_message_touch') }} as touches
    full outer join {{ this }} as known on touches.event_id = known.event_id
    {%- if only_what_is_new(model.columns) %}
    where touches.event_id is null
        or known.event_id is null
        {%- for column in [
            'load_id', 'event_class', 'channel', 'campaign_id', 'flow_id', 'message_id', 'variation_id', 'profile_id',
            'amount', 'is_account_currency', 'occurred_at', 'local_date',
        ] %}
        or {{ differs('touches.' ~ column, 'known.' ~ column) }}
        {%- endfor %}
    {%- endif %}
),

-- By their ids alone: they are told no longer.
gone as (
    select known_event_id
    from differing
    where event_id is null
),

-- All that the same person did with the same message is told together.
changed as (
    select told_of
    from differing
    where event_id is not null

    union all

    select known_of as told_of
    from differing
    where known_event_id is not null
),
{%- endif %}

touched as (
    select touches.*
    from {{ ref('int_message_touch') }} as touches
    {%- if is_there() %}
    where {{ message_and_person('touches') }} in (select changed.told_of from changed)
    {%- endif %}
),

-- By the receipt before; without one by the receipt after, as clocks differ. One order serves both windows.
sent as (
    select
        touched.*,
        max(case when event_class = 'received' then occurred_at end) over (
            partition by coalesce(message_id, campaign_id, flow_id), variation_id, profile_id
            order by occurred_at asc nulls first, case when event_class = 'received' then 0 else 1 end asc, event_id asc
            rows between unbounded preceding and current row
        ) as received_before,
        min(case when event_class = 'received' then occurred_at end) over (
            partition by coalesce(message_id, campaign_id, flow_id), variation_id, profile_id
            order by occurred_at asc nulls first, case when event_class = 'received' then 0 else 1 end asc, event_id asc
            rows between current row and unbounded following
        ) as received_after
    from touched
),

final as (
    select
        ---------- ids
        {{ 'coalesce(sent.event_id, gone.known_event_id)' if is_there() else 'sent.event_id' }} as event_id,
        sent.metric_id,
        sent.campaign_id,
        sent.flow_id,
        sent.message_id,
        sent.variation_id,
        sent.profile_id,

        ---------- what happened
        sent.channel,
        sent.event_class,
        sent.message_name,
        sent.subject,
        sent.is_machine_open,
        sent.is_bot_click,
        sent.bounce_type,
        sent.email_domain,
        sent.inbox_provider,
        sent.amount,
        sent.is_account_currency,

        ---------- timestamps
        sent.occurred_at,
        sent.local_date,
        coalesce(sent.received_before, sent.received_after, sent.occurred_at) as sent_at,
        {{ local_date(
            'coalesce(sent.received_before, sent.received_after, sent.occurred_at)',
            'account.timezone'
        ) }} as send_date,

        ---------- bookkeeping
        sent.load_id,
        case when sent.event_id is not null then {{ this_run() }} end as written_at
    from sent
    cross join account
    {%- if is_there() %}
    full outer join gone on sent.event_id = gone.known_event_id
    {%- endif %}
)

select * from final
