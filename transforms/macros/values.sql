{# Money from text, as decimal(18, 4); null when it is no plain number or too large for the column. #}
{% macro money(text) -%}
  {{ return(adapter.dispatch('money', 'klaviyo')(text)) }}
{%- endmacro %}


{% macro default__money(text) -%}
  case
    when {{ text }} ~ '{{ plain_number() }}' then
      case
        when abs(cast({{ text }} as double precision)) < 99999999999999 then cast({{ text }} as decimal(18, 4))
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
      then cast(try_to_double({{ text }}) as decimal(18, 4))
  end
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
  {{ return(adapter.dispatch('rate', 'klaviyo')(part, whole)) }}
{%- endmacro %}


{% macro default__rate(part, whole) -%}
  cast({{ part }} as double precision) / nullif({{ whole }}, 0)
{%- endmacro %}


{% macro bigquery__rate(part, whole) -%}
  safe_divide(cast({{ part }} as float64), {{ whole }})
{%- endmacro %}


{# Money per head; null when there is no head. #}
{% macro money_per(amount, heads) -%}
  cast({{ amount }} / nullif({{ heads }}, 0) as decimal(18, 4))
{%- endmacro %}
