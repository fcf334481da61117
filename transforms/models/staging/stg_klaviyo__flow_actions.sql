{%- set next = ['next', 'next_if_true', 'next_if_false'] -%}
{%- set settings = ['status', 'unit', 'value'] -%}

with

source as (
    select * from {{ source('klaviyo', 'flow_actions') }}
),

final as (
    select
        ---------- ids
        id as flow_action_id,
        flow_id,
        definition__id as definition_id,
        definition__temporary_id as temporary_id,

        ---------- what it is
        definition__type as action_type,
        definition__links as links,
        definition__data as settings,
        {{ json_text('definition__data', 'status', settings) }} as status,
        {{ json_text('definition__links', 'next', next) }} as next_id,
        {{ json_text('definition__links', 'next_if_true', next) }} as next_if_true_id,
        {{ json_text('definition__links', 'next_if_false', next) }} as next_if_false_id,
        {{ json_text('definition__data', 'unit', settings) }} as delay_unit,
        {{ money(json_text('definition__data', 'value', settings)) }} as delay_value,

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
