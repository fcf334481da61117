with

periods as (
    select
        history.*,
        lead(valid_from) over (partition by profile_id, channel order by valid_from) as next_from,
        lead(state) over (partition by profile_id, channel order by valid_from) as next_state
    from {{ ref('mart_consent_history') }} as history
),

final as (
    select * from periods
    where valid_to <= valid_from
        or coalesce(valid_to <> next_from, next_from is not null)
        or state = next_state
        or is_current <> (valid_to is null)
)

select * from final
