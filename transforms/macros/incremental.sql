{#
  Whether this run adds to the model's table what is new, and is not to build it anew: the table is there with just the
  columns that it would have today, and nobody asked for a full refresh.
#}
{% macro only_what_is_new(columns) -%}
  {%- if not (execute and flags.INTROSPECT and is_incremental()) -%}
    {{ return(false) }}
  {%- endif -%}
  {%- set there = adapter.get_columns_in_relation(this) | map(attribute='name') | map('lower') | sort -%}
  {{ return(there == columns | sort) }}
{%- endmacro %}


{# BigQuery knows no transaction of a delete and an insert. #}
{% macro replacing_strategy() -%}
  {{ return('merge' if target.type == 'bigquery' else 'delete+insert') }}
{%- endmacro %}


{# Events that are no longer in the raw table, as after a privacy deletion. #}
{% macro forget_events() -%}
  {%- if execute and flags.INTROSPECT and is_incremental() -%}
    delete from {{ this }}
    where event_id not in (select id from {{ source('klaviyo', 'events') }})
  {%- endif -%}
{%- endmacro %}
