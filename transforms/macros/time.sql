{# The calendar day on which an instant falls in a time zone (an IANA name). #}
{% macro local_date(instant, zone) -%}
  {{ return(adapter.dispatch('local_date', 'klaviyo_etl')(instant, zone)) }}
{%- endmacro %}


{% macro default__local_date(instant, zone) -%}
  cast({{ instant }} at time zone {{ zone }} as date)
{%- endmacro %}


{% macro duckdb__local_date(instant, zone) -%}
  cast(timezone({{ zone }}, {{ instant }}) as date)
{%- endmacro %}


{% macro redshift__local_date(instant, zone) -%}
  cast(convert_timezone('UTC', {{ zone }}, {{ instant }} at time zone 'UTC') as date)
{%- endmacro %}


{% macro bigquery__local_date(instant, zone) -%}
  date({{ instant }}, {{ zone }})
{%- endmacro %}


{% macro snowflake__local_date(instant, zone) -%}
  to_date(convert_timezone({{ zone }}, {{ instant }}))
{%- endmacro %}


{# The present instant, with its time zone; the variable `klaviyo_now` tells another, as to see the marts as of then. #}
{% macro right_now() -%}
  {%- if var('klaviyo_now', none) -%}
    cast('{{ var('klaviyo_now') }}' as {{ raw_type('timestamp') }})
  {%- else -%}
    {#- Some warehouses tell it without its time zone. -#}
    cast({{ dbt.current_timestamp() }} as {{ raw_type('timestamp') }})
  {%- endif -%}
{%- endmacro %}


{# The hour of the day, 0 to 23, at which an instant falls in a time zone. #}
{% macro local_hour(instant, zone) -%}
  {{ return(adapter.dispatch('local_hour', 'klaviyo_etl')(instant, zone)) }}
{%- endmacro %}


{% macro default__local_hour(instant, zone) -%}
  cast(extract(hour from {{ instant }} at time zone {{ zone }}) as bigint)
{%- endmacro %}


{% macro duckdb__local_hour(instant, zone) -%}
  cast(extract(hour from timezone({{ zone }}, {{ instant }})) as bigint)
{%- endmacro %}


{% macro redshift__local_hour(instant, zone) -%}
  cast(extract(hour from convert_timezone('UTC', {{ zone }}, {{ instant }} at time zone 'UTC')) as bigint)
{%- endmacro %}


{% macro bigquery__local_hour(instant, zone) -%}
  extract(hour from {{ instant }} at time zone {{ zone }})
{%- endmacro %}


{% macro snowflake__local_hour(instant, zone) -%}
  cast(hour(convert_timezone({{ zone }}, {{ instant }})) as bigint)
{%- endmacro %}


{# Whole days from one date to another. #}
{% macro days_between(first, second) -%}
  {{ return(adapter.dispatch('days_between', 'klaviyo_etl')(first, second)) }}
{%- endmacro %}


{% macro default__days_between(first, second) -%}
  cast(datediff(day, {{ first }}, {{ second }}) as bigint)
{%- endmacro %}


{% macro duckdb__days_between(first, second) -%}
  cast(({{ second }}) - ({{ first }}) as bigint)
{%- endmacro %}


{% macro postgres__days_between(first, second) -%}
  cast(({{ second }}) - ({{ first }}) as bigint)
{%- endmacro %}


{% macro bigquery__days_between(first, second) -%}
  date_diff({{ second }}, {{ first }}, day)
{%- endmacro %}


{# A date some days later; earlier where they are negative. #}
{% macro add_days(date, days) -%}
  {{ return(adapter.dispatch('add_days', 'klaviyo_etl')(date, days)) }}
{%- endmacro %}


{% macro default__add_days(date, days) -%}
  cast(dateadd(day, {{ days }}, {{ date }}) as date)
{%- endmacro %}


{% macro duckdb__add_days(date, days) -%}
  cast({{ date }} + cast({{ days }} as integer) as date)
{%- endmacro %}


{% macro postgres__add_days(date, days) -%}
  cast({{ date }} + cast({{ days }} as integer) as date)
{%- endmacro %}


{% macro bigquery__add_days(date, days) -%}
  date_add({{ date }}, interval {{ days }} day)
{%- endmacro %}


{# Hours from one instant to another, with their fractions. #}
{% macro hours_between(first, second) -%}
  {{ return(adapter.dispatch('hours_between', 'klaviyo_etl')(first, second)) }}
{%- endmacro %}


{% macro default__hours_between(first, second) -%}
  cast(datediff(second, {{ first }}, {{ second }}) as double precision) / 3600
{%- endmacro %}


{% macro duckdb__hours_between(first, second) -%}
  cast(date_diff('second', {{ first }}, {{ second }}) as double) / 3600
{%- endmacro %}


{% macro postgres__hours_between(first, second) -%}
  cast(
    floor(extract(epoch from {{ second }})) - floor(extract(epoch from {{ first }})) as double precision
  ) / 3600
{%- endmacro %}


{% macro bigquery__hours_between(first, second) -%}
  timestamp_diff({{ second }}, {{ first }}, second) / 3600
{%- endmacro %}


{# Day of the week, 1 (Monday) to 7: the first of January 2001 was a Monday. #}
{% macro weekday(date) -%}
  mod({{ days_between("cast('2001-01-01' as date)", date) }} + 7000000, 7) + 1
{%- endmacro %}


{# The Monday on or before a date. #}
{% macro week_of(date) -%}
  {{ add_days(date, '1 - (' ~ weekday(date) ~ ')') }}
{%- endmacro %}


{# The first day of a date's month. #}
{% macro month_of(date) -%}
  cast({{ dbt.date_trunc('month', date) }} as date)
{%- endmacro %}


{# Months from the month of one date to that of another. #}
{% macro months_between(first, second) -%}
  cast(
    (extract(year from {{ second }}) - extract(year from {{ first }})) * 12
    + extract(month from {{ second }}) - extract(month from {{ first }}) as bigint
  )
{%- endmacro %}


{# The first day of a date's quarter. #}
{% macro quarter_of(date) -%}
  cast({{ dbt.date_trunc('quarter', date) }} as date)
{%- endmacro %}
