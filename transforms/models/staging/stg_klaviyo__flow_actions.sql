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
