{{ config(alias='coupon') }}

with

coupons as (
    select * from {{ ref('stg_klaviyo__coupons') }}
),

final as (
    select
        coupon_id as id,
        external_id,
        description,
        {{ fivetran_columns() }}
    from coupons
)

select * from final
