{%- set credit = [
    'event_id',
    'entry_type',
    'is_attributed',
    'attributed_event_id',
    'attributed_event_at',
    'attributed_event_class',
    'attributed_profile_id',
    'attributed_channel',
    'attributed_campaign_id',
    'attributed_campaign_message_id',
    'attributed_flow_id',
    'attributed_flow_message_id',
    'attributed_variation_id',
] -%}
{%- set order_first = "partition by order_key order by case when entry_type = 'order' then 0 else 1 end asc, "
    ~ "occurred_at asc nulls last, event_id asc rows between unbounded preceding and unbounded following" -%}
{%- set goes_back = "credited.entry_type <> 'order' and credited.order_entry_type = 'order'" -%}

with

events as (
    select * from {{ ref('fct_event') }}
    where event_class in ('order', 'refund', 'cancel')
        and not is_future
),

account as (
    {{ the_account() }}
),

told as (
    select
        events.*,
        coalesce(order_id, event_id) as order_key,
        coalesce(metric_id, '') as metric_key,
        case
            when event_class = 'order' and event_value < 0 then 'refund'
            else event_class
        end as entry_type
    from events
),

-- Two integrations may tell of the same order: the first that Klaviyo credits to a message speaks for it.
heard as (
    select
        told.*,
        first_value(metric_key) over (
            partition by order_key, entry_type
            order by
                case when is_attributed then 0 else 1 end asc,
                occurred_at asc nulls last,
                event_id asc
            rows between unbounded preceding and unbounded following
        ) as speaking_metric,
        count(*) over (partition by order_key, entry_type) as told_times,
        max(case when entry_type = 'refund' then 1 else 0 end) over (partition by order_key) as is_refunded
    from told
),

-- Within one metric the same order id means a repeat for one person, and a coincidence for two.
ranked as (
    select
        heard.*,
        row_number() over (
            partition by order_key, entry_type, coalesce(profile_id, event_id)
            order by
                case when is_attributed then 0 else 1 end asc,
                occurred_at asc nulls last,
                event_id asc
        ) as place
    from heard
    where metric_key = speaking_metric
),

-- A refund may come in parts, so each counts; money of a cancelled order that is also refunded goes back once.
counted as (
    select * from ranked
    where (entry_type = 'order' and place = 1)
        or (entry_type = 'refund')
        or (entry_type = 'cancel' and place = 1 and is_refunded = 0)
),

-- Money that goes back is taken from the message that was credited with the order.
credited as (
    select
        counted.*,
        {%- for column in credit %}
        first_value({{ column }}) over ({{ order_first }}) as order_{{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from counted
),

final as (
    select
        ---------- ids
        credited.event_id,
        credited.order_id,
        case
            when credited.entry_type = 'order' then credited.event_id
            when {{ goes_back }} then credited.order_event_id
        end as order_event_id,
        credited.metric_id,
        credited.profile_id,

        ---------- what happened
        credited.entry_type,
        {{ to_decimal('coalesce(credited.event_value, 0)') }} as amount,
        credited.currency,
        credited.currency = account.currency as is_account_currency,
        cast(credited.told_times as bigint) as told_times,

        ---------- the message that gets the credit
        {%- for column in credit if column not in ('event_id', 'entry_type') %}
        case when {{ goes_back }} then credited.order_{{ column }} else credited.{{ column }} end as {{ column }},
        {%- endfor %}

        ---------- timestamps
        credited.occurred_at,
        credited.local_date
    from credited
    cross join account
)

select * from final
