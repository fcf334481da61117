{# The calendar day on which an instant falls in a time zone (an IANA name). #}
{% macro local_date(instant, zone) -%}
  {{ return(adapter.dispatch('local_date', 'klaviyo')(instant, zone)) }}
{%- endmacro %}


{% macro default__local_date(instant, zone) -%}
  cast({{ instant }} at time zone {{ zone }} as date)
{%- endmacro %}


{% macro duckdb__local_date(instant, zone) -%}
  cast(timezone({{ zone }}, {{ instant }}) as date)
{%- endmacro %}


{% macro bigquery__local_date(instant, zone) -%}
  date({{ instant }}, {{ zone }})
{%- endmacro %}


{% macro snowflake__local_date(instant, zone) -%}
  to_date(convert_timezone({{ zone }}, {{ instant }}))
{%- endmacro %}


{# The present instant, with its time zone. #}
{% macro right_now() -%}
  {{ dbt.current_timestamp() }}
{%- endmacro %}
