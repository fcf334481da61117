{# Money from text, as decimal(18, 4); null when it is no plain number or too large for the column. #}
{% macro money(text) -%}
  {{ return(adapter.dispatch('money', 'klaviyo_etl')(text)) }}
{%- endmacro %}


{# A decimal is not read from an exponent there, and a numeric without a size has no decimals. #}
{% macro redshift__money(text) -%}
  case
    when {{ text }} ~ '{{ plain_number() }}' then
      case
        when abs(cast({{ text }} as double precision)) >= 99999999999999 then null
        when strpos(lower({{ text }}), 'e') > 0 then cast(cast({{ text }} as double precision) as decimal(18, 4))
        else cast({{ text }} as decimal(18, 4))
      end
  end
{%- endmacro %}


{% macro duckdb__money(text) -%}
  case
    when regexp_matches({{ text }}, '{{ plain_number() }}') and abs(try_cast({{ text }} as double)) < 99999999999999
      then try_cast({{ text }} as decimal(18, 4))
  end
{%- endmacro %}


{% macro postgres__money(text) -%}
  case
    when {{ text }} ~ '{{ plain_number() }}' then
      case
        when abs(cast({{ text }} as numeric)) < 99999999999999
          then cast(cast({{ text }} as numeric) as decimal(18, 4))
      end
  end
{%- endmacro %}


{% macro bigquery__money(text) -%}
  case
    when regexp_contains({{ text }}, r'{{ plain_number() }}') and abs(safe_cast({{ text }} as float64)) < 99999999999999
      then round(safe_cast({{ text }} as numeric), 4)
  end
{%- endmacro %}


{% macro snowflake__money(text) -%}
  case
    when regexp_like({{ text }}, '{{ plain_number() }}') and abs(try_to_double({{ text }})) < 99999999999999
      then coalesce(try_to_decimal({{ text }}, 18, 4), cast(try_to_double({{ text }}) as decimal(18, 4)))
  end
{%- endmacro %}


{# A number with four digits behind its point, as amounts have. #}
{% macro to_decimal(number) -%}
  {{ return(adapter.dispatch('to_decimal', 'klaviyo_etl')(number)) }}
{%- endmacro %}


{% macro default__to_decimal(number) -%}
  cast({{ number }} as decimal(18, 4))
{%- endmacro %}


{# It takes the digits of a type for columns only, and refuses them in a cast. #}
{% macro bigquery__to_decimal(number) -%}
  round(cast({{ number }} as numeric), 4)
{%- endmacro %}


{# Up to 100 digits and an exponent of two: whatever matches can be cast without overflow. #}
{% macro plain_number() -%}
  ^[+-]?([0-9]{1,100}([.][0-9]{0,100})?|[.][0-9]{1,100})([eE][+-]?[0-9]{1,2})?$
{%- endmacro %}


{# Whether a text is one of the spellings of true; false when it is anything else or absent. #}
{% macro is_true(text) -%}
  coalesce(lower({{ text }}) in ('true', '1'), false)
{%- endmacro %}


{# A part of a whole as a fraction; null when there is no whole. #}
{% macro rate(part, whole) -%}
  {{ return(adapter.dispatch('rate', 'klaviyo_etl')(part, whole)) }}
{%- endmacro %}


{% macro default__rate(part, whole) -%}
  cast({{ part }} as double precision) / nullif({{ whole }}, 0)
{%- endmacro %}


{% macro bigquery__rate(part, whole) -%}
  safe_divide(cast({{ part }} as float64), {{ whole }})
{%- endmacro %}


{# Money per head; null when there is no head. #}
{% macro money_per(amount, heads) -%}
  {{ to_decimal(amount ~ ' / nullif(' ~ heads ~ ', 0)') }}
{%- endmacro %}


{# The latest of several dates; those that are null do not count. #}
{% macro latest_of(dates) -%}
  {%- set earliest = "cast('0001-01-01' as date)" -%}
  nullif(
    greatest({% for date in dates %}coalesce({{ date }}, {{ earliest }}){{ ', ' if not loop.last }}{% endfor %}),
    {{ earliest }}
  )
{%- endmacro %}


{# In which fifth of all rows, 1 to 5, a row lies by a column, counting those below it: equals share a fifth. #}
{% macro fifth(column) -%}
  cast(
    1 + floor(
      cast((rank() over (order by {{ column }}) - 1) * 5 as {{ raw_type('double') }}) / count(*) over ()
    ) as bigint
  )
{%- endmacro %}


{#
  How likely a standard normal value lies beyond `z` on either side: the two-sided p of a z test. Abramowitz and Stegun
  7.1.26, right to seven places; few warehouses have the error function.
#}
{% macro two_sided_p(z) -%}
  {%- set x = '(abs(' ~ z ~ ') / 1.4142135623730951)' -%}
  {%- set t = '(1 / (1 + 0.3275911 * ' ~ x ~ '))' -%}
  ({{ t }} * (0.254829592 + {{ t }} * (-0.284496736 + {{ t }} * (1.421413741 + {{ t }} * (-1.453152027 + {{ t }}
  * 1.061405429)))) * exp(-{{ x }} * {{ x }}))
{%- endmacro %}


{# One of the pieces that a delimiter cuts a text into, from 1 on; the number may be a column. #}
{% macro piece(text, delimiter, number) -%}
  {{ return(adapter.dispatch('piece', 'klaviyo_etl')(text, delimiter, number)) }}
{%- endmacro %}


{% macro default__piece(text, delimiter, number) -%}
  split_part({{ text }}, '{{ delimiter }}', cast({{ number }} as integer))
{%- endmacro %}


{% macro bigquery__piece(text, delimiter, number) -%}
  split({{ text }}, '{{ delimiter }}')[safe_ordinal({{ number }})]
{%- endmacro %}


{# The values of a text column in a group, in order, with commas between. #}
{% macro listed(column) -%}
  {{ dbt.listagg(column, "', '", 'order by ' ~ column) }}
{%- endmacro %}
