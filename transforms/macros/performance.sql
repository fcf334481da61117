{% macro count_where(condition) -%}
  cast(count(case when {{ condition }} then 1 end) as bigint)
{%- endmacro %}


{# What became of a message at a person, over events. #}
{% macro recipient_counts() -%}
{{ count_where("event_class = 'received'") }} as receipts,
        {{ count_where("event_class = 'opened'") }} as opens,
        {{ count_where("event_class = 'opened' and not is_machine_open") }} as opens_human,
        {{ count_where("event_class = 'clicked'") }} as clicks,
        {{ count_where("event_class = 'clicked' and not is_bot_click") }} as clicks_human,
        {{ count_where("event_class = 'unsubscribed'") }} as unsubscribes,
        {{ count_where("event_class = 'spam'") }} as spam_complaints,
        {{ count_where("event_class = 'order'") }} as conversions,
        {{ count_where("event_class = 'order' and not is_account_currency") }} as conversions_other_currency,
        {{ to_decimal("sum(case when event_class = 'order' and is_account_currency then amount else 0 end)") }}
            as conversion_value,
        {{ to_decimal('sum(case when is_account_currency then amount else 0 end)') }} as net_revenue
{%- endmacro %}


{#
  The counts of a message over its rows in fct_message_recipient. A row without a profile holds what happened to nobody
  we know: its opens and orders count, but it is no recipient.
#}
{% macro message_counts() -%}
  {%- set person = 'profile_id is not null' -%}
  {%- set reached = person ~ ' and is_delivered' -%}
        {{ count_where(person) }} as recipients,
        {{ count_where(reached) }} as delivered,
        {{ count_where(person ~ ' and is_bounced') }} as bounced,
        {{ count_where(person ~ ' and is_failed and not is_bounced') }} as failed,
        cast(sum(opens) as bigint) as opens,
        {{ count_where(reached ~ ' and opens > 0') }} as opens_unique,
        {{ count_where(reached ~ ' and opens_human > 0') }} as opens_unique_human,
        cast(sum(clicks) as bigint) as clicks,
        {{ count_where(reached ~ ' and clicks > 0') }} as clicks_unique,
        {{ count_where(reached ~ ' and clicks_human > 0') }} as clicks_unique_human,
        {{ count_where(reached ~ ' and clicks > 0 and opens > 0') }} as clicks_of_openers,
        cast(sum(unsubscribes) as bigint) as unsubscribes,
        {{ count_where(reached ~ ' and unsubscribes > 0') }} as unsubscribe_uniques,
        {{ count_where(reached ~ ' and spam_complaints > 0') }} as spam_complaints,
        cast(sum(conversions) as bigint) as conversions,
        {{ count_where(reached ~ ' and conversions > 0') }} as conversion_uniques,
        cast(sum(conversions_other_currency) as bigint) as conversions_other_currency,
        {{ to_decimal('sum(conversion_value)') }} as conversion_value,
        {{ to_decimal('sum(net_revenue)') }} as net_revenue
{%- endmacro %}


{# The same columns of a relation that may have no row for a message. #}
{% macro message_counts_or_zero(relation) -%}
  {%- for name in [
    'recipients', 'delivered', 'bounced', 'failed',
    'opens', 'opens_unique', 'opens_unique_human',
    'clicks', 'clicks_unique', 'clicks_unique_human', 'clicks_of_openers',
    'unsubscribes', 'unsubscribe_uniques', 'spam_complaints',
    'conversions', 'conversion_uniques', 'conversions_other_currency', 'conversion_value', 'net_revenue',
  ] %}
        coalesce({{ relation }}.{{ name }}, 0) as {{ name }}{{ ',' if not loop.last }}
  {%- endfor %}
{%- endmacro %}


{#
  The rates of a message from those counts, as fractions. `channel` is the column that names its channel: Klaviyo sees no
  opens of texts and no clicks on pushes, and nothing is not zero.
#}
{% macro message_rates(channel) -%}
        {{ rate('delivered', 'recipients') }} as delivery_rate,
        {{ rate('bounced', 'recipients') }} as bounce_rate,
        {{ rate('failed', 'recipients') }} as failed_rate,
        case when {{ channel }} <> 'sms' then {{ rate('opens_unique', 'delivered') }} end as open_rate,
        case when {{ channel }} <> 'sms' then {{ rate('opens_unique_human', 'delivered') }} end as open_rate_human,
        case when {{ channel }} <> 'mobile_push' then {{ rate('clicks_unique', 'delivered') }} end as click_rate,
        case when {{ channel }} <> 'mobile_push' then {{ rate('clicks_unique_human', 'delivered') }} end as click_rate_human,
        case
            when {{ channel }} not in ('sms', 'mobile_push') then {{ rate('clicks_of_openers', 'opens_unique') }}
        end as click_to_open_rate,
        {{ rate('unsubscribe_uniques', 'delivered') }} as unsubscribe_rate,
        {{ rate('spam_complaints', 'delivered') }} as spam_complaint_rate,
        {{ rate('conversion_uniques', 'delivered') }} as conversion_rate,
        {{ money_per('conversion_value', 'delivered') }} as revenue_per_recipient,
        {{ money_per('conversion_value', 'conversions - conversions_other_currency') }} as average_order_value
{%- endmacro %}


{# How a rate that had better be low stands against two marks: below the first, up to the second, above it. #}
{% macro standing(rate, good, poor) -%}
        case when {{ rate }} < {{ good }} then 'good' when {{ rate }} <= {{ poor }} then 'fair' when {{ rate }} > {{ poor }} then 'poor' end
{%- endmacro %}
