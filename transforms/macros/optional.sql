{#
  A raw table that a load makes only when it is asked to: where it is absent, an empty one with the same columns.
  Without a look into the warehouse (`--no-introspect`) it is taken to be there.
#}
{% macro raw_or_empty(table, columns) -%}
  {%- set relation = source('klaviyo', table) -%}
  {%- if execute and flags.INTROSPECT and load_relation(relation) is none -%}
    (
      select
        {%- for name, type in columns.items() %}
        cast(null as {{ raw_type(type) }}) as {{ reserved(name) if name in ('day', 'month', 'interval', 'count', 'unique') else name }}{{ ',' if not loop.last }}
        {%- endfor %}
      from (select 1 as nothing) as nobody
      where nothing = 0
    ) as {{ table }}
  {%- else -%}
    {{ relation }}
  {%- endif -%}
{%- endmacro %}


{# What a warehouse calls a type of the raw tables: text, double, date, timestamp or json. #}
{% macro raw_type(type) -%}
  {{ return(adapter.dispatch('raw_type', 'klaviyo_etl')(type)) }}
{%- endmacro %}


{% macro default__raw_type(type) -%}
  {{ {'text': 'varchar', 'double': 'double precision', 'date': 'date', 'json': 'json',
      'timestamp': 'timestamp with time zone'}[type] }}
{%- endmacro %}


{% macro bigquery__raw_type(type) -%}
  {{ {'text': 'string', 'double': 'float64', 'date': 'date', 'json': 'string', 'timestamp': 'timestamp'}[type] }}
{%- endmacro %}


{% macro snowflake__raw_type(type) -%}
  {{ {'text': 'varchar', 'double': 'double', 'date': 'date', 'json': 'varchar', 'timestamp': 'timestamp_tz'}[type] }}
{%- endmacro %}


{% macro redshift__raw_type(type) -%}
  {{ {'text': 'varchar(65535)', 'double': 'double precision', 'date': 'date', 'json': 'varchar(65535)',
      'timestamp': 'timestamp with time zone'}[type] }}
{%- endmacro %}
