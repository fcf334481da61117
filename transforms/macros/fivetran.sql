{# The two columns that Fivetran adds to each row, from the bookkeeping of a staging model. #}
{% macro fivetran_columns(relation=none) -%}
  {%- set of = relation ~ '.' if relation else '' -%}
        {{ of }}is_deleted as _fivetran_deleted,
        coalesce({{ of }}deleted_at, {{ load_time(of ~ 'load_id') }}) as _fivetran_synced
{%- endmacro %}


{# When a load began, which dlt makes its id of: seconds since 1970, with their fractions, as a text. #}
{% macro load_time(load_id) -%}
  {{ return(adapter.dispatch('load_time', 'klaviyo_etl')(load_id)) }}
{%- endmacro %}


{% macro default__load_time(load_id) -%}
  to_timestamp(cast({{ load_id }} as double precision))
{%- endmacro %}


{% macro bigquery__load_time(load_id) -%}
  timestamp_micros(cast(cast({{ load_id }} as float64) * 1000000 as int64))
{%- endmacro %}


{% macro snowflake__load_time(load_id) -%}
  dateadd(
    microsecond,
    cast(cast({{ load_id }} as double) * 1000000 as number(38, 0)),
    cast('1970-01-01 00:00:00 +00:00' as timestamp_tz)
  )
{%- endmacro %}


{% macro redshift__load_time(load_id) -%}
  timestamp with time zone '1970-01-01 00:00:00+00' + cast({{ load_id }} as double precision) * interval '1 second'
{%- endmacro %}


{# A JSON column as the text that it is written as. #}
{% macro json_written(column) -%}
  cast({{ column }} as {{ raw_type('text') }})
{%- endmacro %}


{# A member of a JSON:API object's relationships, as a text that goes before others: who is not related is left out. #}
{% macro fivetran_relationship(name, type, id) -%}
  case when {{ id }} is null then '' else ',"{{ name }}":{"data":{"type":"{{ type }}","id":"' || {{ id }} || '"}}' end
{%- endmacro %}


{# Whether a JSON column names an id, in an array or as somebody's. #}
{% macro json_names(column, id) -%}
  {{ dbt.position("'\"' || " ~ id ~ " || '\"'", json_written(column)) }} > 0
{%- endmacro %}


{# A column for each property that a variable of the project names, from a JSON column. #}
{% macro fivetran_properties(variable, column) -%}
  {%- set keys = var(variable) -%}
  {%- for name, key in keys.items() %}
        {{ json_text(column, key, keys.values() | list) }} as {{ name }},
  {%- endfor %}
{%- endmacro %}


{# The rows of a relation, one for each item of a JSON array in a column, which are few: a hundred at most. #}
{% macro fivetran_items(relation, column) -%}
  select
        {{ relation }}.*,
        numbers.number as place,
        {{ json_item(relation ~ '.' ~ column, 'numbers.number') }} as item
    from {{ relation }}
    cross join {{ numbers(2) }}
    where {{ json_item(relation ~ '.' ~ column, 'numbers.number') }} is not null
{%- endmacro %}
