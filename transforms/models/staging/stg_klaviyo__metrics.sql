{%- set keys = ['id', 'key', 'name', 'category'] -%}

with

source as (
    select * from {{ source('klaviyo', 'metrics') }}
),

final as (
    select
        ---------- ids
        id as metric_id,
        {{ json_text('integration', 'id', keys) }} as integration_id,

        ---------- what it is
        name as metric_name,
        {{ json_text('integration', 'key', keys) }} as integration_key,
        {{ json_text('integration', 'name', keys) }} as integration_name,
        {{ json_text('integration', 'category', keys) }} as integration_category,

        ---------- timestamps
        created as created_at,
        updated as updated_at,

        ---------- bookkeeping
        _deleted_at as deleted_at,
        _deleted_at is not null as is_deleted,
        _dlt_load_id as load_id
    from source
)

select * from final
