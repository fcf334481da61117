{# A raw column whose name is a word of SQL. #}
{% macro reserved(name) -%}
  {{ return(adapter.dispatch('reserved', 'klaviyo_etl')(name)) }}
{%- endmacro %}


{% macro default__reserved(name) -%}
  {{ adapter.quote(name) }}
{%- endmacro %}


{% macro snowflake__reserved(name) -%}
  {{ adapter.quote(name | upper) }}
{%- endmacro %}


{# A raw column whose name is longer than Postgres allows: dlt shortens it there, always to the same name. #}
{% macro long_named(name) -%}
  {{ return(adapter.dispatch('long_named', 'klaviyo_etl')(name)) }}
{%- endmacro %}


{% macro default__long_named(name) -%}
  {{ name }}
{%- endmacro %}


{% macro postgres__long_named(name) -%}
  {%- set shortened = {
    'subscriptions__sms__transactional__can_receive_sms_transactional':
      'subscriptions__sms__transactihtgxaaan_receive_sms_transactional',
    'subscriptions__mobile_push__marketing__can_receive_push_marketing':
      'subscriptions__mobile_push__mz38soq__can_receive_push_marketing',
  } -%}
  {{ shortened[name] }}
{%- endmacro %}


{# Which would else do as Postgres does. #}
{% macro redshift__long_named(name) -%}
  {{ name }}
{%- endmacro %}
