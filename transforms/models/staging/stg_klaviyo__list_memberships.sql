with

source as (
    select * from {{ source('klaviyo', 'list_memberships') }}
),

final as (
    select
        ---------- ids
        list_id,
        profile_id,

        ---------- timestamps
        joined_group_at as joined_at,

        ---------- bookkeeping
        _deleted_at as deleted_at,
        _deleted_at is not null as is_deleted,
        _dlt_load_id as load_id
    from source
)

select * from final
