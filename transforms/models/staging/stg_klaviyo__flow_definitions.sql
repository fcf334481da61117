with

source as (
    select * from {{ source('klaviyo', 'flow_definitions') }}
),

final as (
    select
        ---------- ids
        id as flow_id,
        definition__entry_action_id as entry_action_id,

        ---------- what it is
        definition__triggers as triggers,
        definition__profile_filter__condition_groups as profile_filter_groups,
        definition__actions as actions,
        definition__reentry_criteria__duration as reentry_duration,
        definition__reentry_criteria__unit as reentry_unit,

        ---------- bookkeeping
        _deleted_at as deleted_at,
        _deleted_at is not null as is_deleted,
        _dlt_load_id as load_id
    from source
)

select * from final
