{# Whether the model's table is there, and nobody asked to build it anew. #}
{% macro is_there() -%}
  {{ return(execute and flags.INTROSPECT and is_incremental()) }}
{%- endmacro %}


{# Whether this run adds to the model's table what is new: it is there, with just the columns that it would have today. #}
{% macro only_what_is_new(columns) -%}
  {%- if not is_there() -%}
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


{# Of which message and person an event tells, as one text. #}
{% macro message_and_person(event) -%}
  coalesce({{ event }}.message_id, {{ event }}.campaign_id, {{ event }}.flow_id)
  || ' ' || coalesce({{ event }}.variation_id, '') || ' ' || coalesce({{ event }}.profile_id, '')
{%- endmacro %}


{# Whether two rows have the same texts in some columns, a null being a value like any other. #}
{% macro same_in(columns, first, second) -%}
  {%- for column in columns -%}
    {{ 'and ' if not loop.first }}coalesce({{ first }}.{{ column }}, '') = coalesce({{ second }}.{{ column }}, '') {% endfor -%}
{%- endmacro %}


{# A table that is filled anew where it is, so that the views over it stay; by one transaction, where there are any. #}
{% macro empty_before_it_is_filled() -%}
  {%- if is_there() -%}
    delete from {{ this }} where true
  {%- endif -%}
{%- endmacro %}


{# BigQuery knows no transaction of a delete and an insert. #}
{% macro replacing_strategy() -%}
  {{ return('merge' if target.type == 'bigquery' else 'delete+insert') }}
{%- endmacro %}


{# How a model whose runs `replace` or `append` rows is kept: BigQuery takes no strategy but its own, and builds it anew. #}
{% macro kept() -%}
  {{ return('table' if target.type == 'bigquery' else 'incremental') }}
{%- endmacro %}


{#
  The incremental strategy `replace`: rows that a run writes take the place of those with their key, in which a null is
  a value like any other. A row without `written_at` says only that there is none of its key any more.
#}
{% macro get_incremental_replace_sql(arg_dict) -%}
  {%- set target_relation, anew = arg_dict['target_relation'], arg_dict['temp_relation'] -%}
  {%- set keys = [arg_dict['unique_key']] if arg_dict['unique_key'] is string else arg_dict['unique_key'] -%}
  {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) -%}
  {%- if target.type == 'snowflake' %}begin;{% endif %}
  delete from {{ target_relation }}
  where exists (
    select 1 from {{ anew }} as anew
    where {{ same_in(keys, 'anew', target_relation.identifier) }}
  );
  insert into {{ target_relation }} ({{ columns }})
  select {{ columns }} from {{ anew }}
  where written_at is not null
  {%- if target.type == 'snowflake' %};
  commit;{% endif %}
{%- endmacro %}


{# When this run began: what it writes is told from what earlier ones wrote. #}
{% macro this_run() -%}
  cast('{{ run_started_at }}' as {{ raw_type('timestamp') }})
{%- endmacro %}


{# Events that are no longer in the raw table, as after a privacy deletion. #}
{% macro forget_events() -%}
  {%- if is_there() -%}
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


{# PostgreSQL would compile each statement to machine code, as it looks costly: that takes longer than to run it. #}
{% macro interpret_statements() -%}
  {%- if target.type == 'postgres' %}set local jit = off{% endif -%}
{%- endmacro %}
