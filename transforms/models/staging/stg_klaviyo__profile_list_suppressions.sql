with

source as (
    select * from {{ source('klaviyo', 'profile_list_suppressions') }}
),

final as (
    select
        ---------- ids
        profile_id,
        list_id,

        ---------- suppression
        reason,

        ---------- timestamps
        {{ reserved('timestamp') }} as suppressed_at,

        ---------- bookkeeping
        _deleted_at as deleted_at,
        _deleted_at is not null as is_deleted,
        _dlt_load_id as load_id
    from source
)

select * from final
