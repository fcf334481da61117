{{ config(alias='coupon_code') }}

with

coupon_codes as (
    select * from {{ ref('stg_klaviyo__coupon_codes') }}
),

final as (
    select
        coupon_code_id as id,
        coupon_id,
        profile_id as person_id,
        unique_code,
        status,
        expires_at,
        {{ fivetran_columns() }}
    from coupon_codes
)

select * from final
