with

source as (
    select * from {{ source('klaviyo', 'coupons') }}
),

final as (
    select
        ---------- ids
        id as coupon_id,
        external_id,

        ---------- what it is
        description,
        monitor_configuration,

        ---------- bookkeeping
        _deleted_at as deleted_at,
        _deleted_at is not null as is_deleted,
        _dlt_load_id as load_id
    from source
)

select * from final
