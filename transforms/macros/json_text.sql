{#
  The value of one key of a JSON column, as text; null when the key is absent, the value is null, or the column holds
  no object. Any key works: `$value`, `Bot Click`, `a.b`. A list or an object comes back as its JSON. NUL, which few
  warehouses can hold in a text, is left out.

  `among` are all the keys that a model lifts from the same column: an engine that can reads them in one pass.
#}
{% macro json_text(column, key, among=none) -%}
  {{ return(adapter.dispatch('json_text', 'klaviyo_etl')(column, key, among)) }}
{%- endmacro %}


{# One column per entry of `keys`, which says by which name (left) to lift which key (right). #}
{% macro json_texts(column, keys) -%}
  {%- for name, key in keys.items() %}
        {{ json_text(column, key, keys.values() | list) }} as {{ name }}{{ ',' if not loop.last }}
  {%- endfor %}
{%- endmacro %}


{% macro default__json_text(column, key, among) -%}
  json_extract_path_text({{ column }}, {{ dbt.string_literal(dbt.escape_single_quotes(key)) }})
{%- endmacro %}


{% macro duckdb__json_text(column, key, among) -%}
  {#- Every key of the column asks for the same structure, so that each document is parsed once and not once per key. -#}
  {%- set keys = (among or [key]) | unique(case_sensitive=True) | list -%}
  {%- set structure = [] -%}
  {%- for each in keys -%}
    {%- do structure.append(tojson(each) ~ ': "VARCHAR"') -%}
  {%- endfor -%}
  {%- set structure = dbt.string_literal(dbt.escape_single_quotes('{' ~ structure | join(', ') ~ '}')) -%}
  {#- An escape is looked at as a whole, so that a backslash before `u0000` that is itself escaped stays. -#}
  {%- set document -%}
    case
      when contains({{ column }}, '\u0000') then regexp_replace({{ column }}, '\\u0000|(\\.)', '\1', 'g')
      else {{ column }}
    end
  {%- endset -%}
  struct_extract_at(from_json({{ document }}, {{ structure }}), {{ keys.index(key) + 1 }})
{%- endmacro %}


{% macro postgres__json_text(column, key, among) -%}
  {#-
    Postgres stores escapes of NUL and of half surrogate pairs, and then refuses to read the document: they go. The
    search for any escape at all comes first because it is cheap and most documents have none.
  -#}
  {%- set unreadable -%}
    '(?<!\\)((?:\\\\)*)\\u(?:0000|[dD][89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..\\u)[dD][c-fC-F]..)'
  {%- endset -%}
  case
    when strpos(cast({{ column }} as text), '\u') = 0 then cast({{ column }} as json)
    when cast({{ column }} as text) ~ {{ unreadable }}
      then cast(regexp_replace(cast({{ column }} as text), {{ unreadable }}, '\1', 'g') as json)
    else cast({{ column }} as json)
  end ->> '{{ dbt.escape_single_quotes(key) }}'
{%- endmacro %}


{#- The other three keep JSON as text. -#}
{% macro bigquery__json_text(column, key, among) -%}
  coalesce(
    regexp_replace(json_value({{ column }}, '$."{{ dbt.escape_single_quotes(key) }}"'), r'\x00', ''),
    nullif(json_query({{ column }}, '$."{{ dbt.escape_single_quotes(key) }}"'), 'null')
  )
{%- endmacro %}


{% macro snowflake__json_text(column, key, among) -%}
  replace(cast(get(as_object(try_parse_json({{ column }})), '{{ dbt.escape_single_quotes(key) }}') as varchar), chr(0), '')
{%- endmacro %}


{% macro redshift__json_text(column, key, among) -%}
  json_extract_path_text({{ column }}, {{ dbt.string_literal(dbt.escape_single_quotes(key)) }}, true)
{%- endmacro %}


{# One item of a JSON array, counted from 0, as JSON; null where there is none, and where the column holds no array. #}
{% macro json_item(column, number) -%}
  {{ return(adapter.dispatch('json_item', 'klaviyo_etl')(column, number)) }}
{%- endmacro %}


{% macro default__json_item(column, number) -%}
  json_extract_array_element_text({{ column }}, {{ number }}, true)
{%- endmacro %}


{% macro duckdb__json_item(column, number) -%}
  json_extract({{ column }}, '$[' || {{ number }} || ']')
{%- endmacro %}


{% macro postgres__json_item(column, number) -%}
  cast({{ column }} as json) -> {{ number }}
{%- endmacro %}


{# As Postgres, whose macro would else be taken. #}
{% macro redshift__json_item(column, number) -%}
  {{ default__json_item(column, number) }}
{%- endmacro %}


{% macro bigquery__json_item(column, number) -%}
  json_query_array({{ column }})[safe_offset({{ number }})]
{%- endmacro %}


{% macro snowflake__json_item(column, number) -%}
  cast(get(as_array(try_parse_json({{ column }})), {{ number }}) as varchar)
{%- endmacro %}
