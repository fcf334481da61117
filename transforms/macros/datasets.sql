{% macro raw_dataset() -%}
  {{ return(var('klaviyo_dataset', env_var('KLAVIYO_DATASET', 'klaviyo'))) }}
{%- endmacro %}


{# The folder names the schema, and the raw dataset goes before it: `klaviyo_stg`, `klaviyo_marts`. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
  {%- if custom_schema_name is none -%}
    {{ target.schema }}
  {%- else -%}
    {{ raw_dataset() }}_{{ custom_schema_name | trim }}
  {%- endif -%}
{%- endmacro %}
