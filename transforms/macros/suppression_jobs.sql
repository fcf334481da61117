{# Bulk jobs that suppress profiles, and those that lift suppressions, are told alike. #}
{% macro suppression_jobs(table) -%}
with

source as (
    select * from {{ source('klaviyo', table) }}
),

final as (
    select
        ---------- ids
        id as job_id,

        ---------- what became of it
        status,
        total_count,
        completed_count,
        skipped_count,

        ---------- timestamps
        created_at,
        completed_at,

        ---------- bookkeeping
        _deleted_at as deleted_at,
        _deleted_at is not null as is_deleted,
        _dlt_load_id as load_id
    from source
)

select * from final
{%- endmacro %}
