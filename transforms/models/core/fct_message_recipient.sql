{%- set grain = ['campaign_id', 'flow_id', 'message_id', 'variation_id', 'profile_id'] -%}
{{
    config(
        materialized=kept(),
        incremental_strategy='replace',
        unique_key=grain,
        on_schema_change='sync_all_columns',
    )
}}

with

{%- if is_there() %}

-- Of whom an event was written since, or is there no longer.
changed as (
    select
        {%- for key in grain %}
        coalesce(touches.{{ key }}, known.{{ key }}) as {{ key }}{{ ',' if not loop.last }}
        {%- endfor %}
    from (
        select
            {{ grain | join(',\n            ') }},
            max(written_at) as written_at
        from {{ ref('int_message_event') }}
        where event_class <> 'order_repeated'
        group by {{ grain | join(', ') }}
    ) as touches
    full outer join {{ this }} as known on {{ same_in(grain, 'touches', 'known') }}
    {%- if only_what_is_new(model.columns) %}
    where {{ differs('touches.written_at', 'known.written_at') }}
    {%- endif %}
),
{%- endif %}

touched as (
    select
        {%- if is_there() %}
        changed.*,
        {%- for column in [
            'channel', 'event_class', 'message_name', 'subject', 'is_machine_open', 'is_bot_click', 'bounce_type',
            'email_domain', 'inbox_provider', 'amount', 'is_account_currency', 'occurred_at', 'local_date', 'send_date',
            'written_at',
        ] %}
        touches.{{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from changed
    -- Those with nothing left stay without a `written_at`.
    left join {{ ref('int_message_event') }} as touches
        on {{ same_in(grain, 'changed', 'touches') }}
            and touches.event_class <> 'order_repeated'
        {%- else %}
        *
    from {{ ref('int_message_event') }}
    where event_class <> 'order_repeated'
        {%- endif %}
),

final as (
    select
        ---------- ids
        campaign_id,
        flow_id,
        message_id,
        variation_id,
        profile_id,

        ---------- what was sent
        min(channel) as channel,
        min(message_name) as message_name,
        min(subject) as subject,

        ---------- what became of it
        max(case when event_class = 'bounced' then 1 else 0 end) = 1 as is_bounced,
        max(case when event_class in ('dropped', 'failed') then 1 else 0 end) = 1 as is_failed,
        max(case when event_class in ('bounced', 'dropped', 'failed') then 1 else 0 end) = 0 as is_delivered,
        {{ recipient_counts() }},

        ---------- circumstances
        min(bounce_type) as bounce_type,
        min(email_domain) as email_domain,
        min(inbox_provider) as inbox_provider,

        ---------- timestamps
        min(send_date) as send_date,
        count(case when send_date = local_date then 1 end) = count(*) and min(send_date) = max(send_date)
            as is_within_a_day,
        min(case when event_class = 'received' then occurred_at end) as first_received_at,
        min(case when event_class = 'opened' then occurred_at end) as first_opened_at,
        min(case when event_class = 'opened' and not is_machine_open then occurred_at end) as first_human_opened_at,
        min(case when event_class = 'clicked' then occurred_at end) as first_clicked_at,
        min(case when event_class = 'clicked' and not is_bot_click then occurred_at end) as first_human_clicked_at,
        min(case when event_class = 'unsubscribed' then occurred_at end) as unsubscribed_at,
        min(case when event_class = 'spam' then occurred_at end) as complained_at,
        min(case when event_class = 'order' then occurred_at end) as first_converted_at,

        ---------- bookkeeping
        max(written_at) as written_at
    from touched
    group by {{ grain | join(', ') }}
)

select * from final
