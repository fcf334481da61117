{#
  The account's time zone and currency, in one row even where no account is loaded: a cross join with it is what every
  warehouse knows, and tells DuckDB that the zone is the same for all rows, which makes local dates six times cheaper.
#}
{% macro the_account() -%}
  select
    coalesce(max(timezone), 'UTC') as timezone,
    coalesce(max(currency), {{ no_currency() }}) as currency
  from {{ ref('dim_account') }}
{%- endmacro %}
