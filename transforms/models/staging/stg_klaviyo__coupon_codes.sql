with

source as (
    select * from {{ source('klaviyo', 'coupon_codes') }}
),

final as (
    select
        ---------- ids
        id as coupon_code_id,
        coupon_id,
        profile_id,

        ---------- what it is
        unique_code,
        status,

        ---------- timestamps
        expires_at,

        ---------- bookkeeping
        _deleted_at as deleted_at,
        _deleted_at is not null as is_deleted,
        _dlt_load_id as load_id
    from source
)

select * from final
