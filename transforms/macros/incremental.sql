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


{#
  The last load that the model's table has rows of, as a text to compare with: with a value in its place, and no
  subquery, a warehouse leaves the rows of other loads alone before it opens their JSON.
#}
{% macro last_load_id() -%}
  {{ return(run_query('select max(load_id) from ' ~ this).columns[0].values()[0] or '') }}
{%- endmacro %}


{# Whether two columns hold different values, a null being a value like any other. #}
{% macro differs(first, second) -%}
  ({{ first }} <> {{ second }} or ({{ first }} is null) <> ({{ second }} is null))
{%- endmacro %}


{# A table that is filled anew where it is, so that the views over it stay; by one transaction, where there are any. #}
{% macro empty_before_it_is_filled() -%}
  {%- if execute and flags.INTROSPECT and is_incremental() -%}
    delete from {{ this }} where true
  {%- endif -%}
{%- endmacro %}


{# BigQuery knows no transaction of a delete and an insert. #}
{% macro replacing_strategy() -%}
  {{ return('merge' if target.type == 'bigquery' else 'delete+insert') }}
{%- endmacro %}


{# Events that are no longer in the raw table, as after a privacy deletion. #}
{% macro forget_events() -%}
  {%- if execute and flags.INTROSPECT and is_incremental() -%}
    delete from {{ this }}
    where not exists (
      select 1 from {{ source('klaviyo', 'events') }} as there
      where there.id = {{ this.identifier }}.event_id
    )
  {%- endif -%}
{%- endmacro %}


{#
  The pipeline notes among the models what it built them from, and builds only what has changed since. Whatever else
  builds models, or fails to, ends what the note says.
#}
{% macro end_last_build() -%}
  {%- if execute and project_name == 'klaviyo_etl' and flags.WHICH in ('build', 'run', 'seed') -%}
    {%- set note = adapter.get_relation(target.database, raw_dataset() ~ '_stg', 'last_build') -%}
    {%- if note is not none %}drop table {{ note }}{% endif -%}
  {%- endif -%}
{%- endmacro %}
