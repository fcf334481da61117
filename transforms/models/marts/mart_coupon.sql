with

orders as (
    select
        order_event_id,
        profile_id,
        net_amount,
        is_account_currency,
        is_first_order,
        local_date,
        discount_codes,
        (length(discount_codes) - length(replace(discount_codes, '"', ''))) / 2 as codes
    from {{ ref('fct_order') }}
    where discount_codes like '%"%'
),

-- An order's codes come as a JSON list of texts: every second piece between quotation marks is one.
used as (
    select distinct
        orders.order_event_id,
        orders.profile_id,
        orders.net_amount,
        orders.is_account_currency,
        orders.is_first_order,
        orders.local_date,
        upper(trim({{ piece('orders.discount_codes', '"', 'numbers.number * 2 + 2') }})) as code
    from orders
    cross join {{ numbers(2) }}
    where numbers.number < orders.codes
),

coupon_codes as (
    select
        codes.coupon_id,
        upper(trim(codes.unique_code)) as code,
        codes.status
    from {{ ref('stg_klaviyo__coupon_codes') }} as codes
    where not codes.is_deleted
),

-- An order may name a code, or the coupon as the shop knows it.
names as (
    select
        code,
        coupon_id,
        1 as is_unique_code
    from coupon_codes

    union all

    select
        upper(trim(external_id)) as code,
        coupon_id,
        0 as is_unique_code
    from {{ ref('stg_klaviyo__coupons') }}
    where not is_deleted
),

owners as (
    select
        code,
        min(coupon_id) as coupon_id,
        max(is_unique_code) as is_unique_code
    from names
    where code is not null
    group by code
),

issued as (
    select
        coupon_id,
        cast(count(*) as bigint) as codes,
        {{ count_where("status in ('ASSIGNED_TO_PROFILE', 'USED')") }} as codes_assigned,
        {{ count_where("status = 'USED'") }} as codes_marked_used
    from coupon_codes
    group by coupon_id
),

redeemed as (
    select
        owners.coupon_id,
        case when owners.coupon_id is null then used.code end as code,
        cast(count(distinct used.order_event_id) as bigint) as orders,
        cast(count(distinct used.profile_id) as bigint) as customers,
        cast(count(distinct case when used.is_first_order then used.order_event_id end) as bigint) as first_orders,
        {{ to_decimal('sum(case when used.is_account_currency then used.net_amount else 0 end)') }} as net_revenue,
        min(used.local_date) as first_used_date,
        max(used.local_date) as last_used_date,
        cast(count(distinct case when owners.is_unique_code = 1 then used.code end) as bigint) as codes_redeemed
    from used
    left join owners on used.code = owners.code
    where used.code <> ''
    group by owners.coupon_id, case when owners.coupon_id is null then used.code end
),

named as (
    select distinct
        coupon_id,
        code
    from (
        select
            coupon_id,
            cast(null as {{ raw_type('text') }}) as code
        from {{ ref('stg_klaviyo__coupons') }}
        where not is_deleted

        union all

        select
            coupon_id,
            code
        from redeemed
    ) as each_coupon
),

final as (
    select
        ---------- grain
        coalesce('coupon ' || named.coupon_id, 'code ' || named.code) as coupon_key,
        named.coupon_id,
        named.code,
        coupons.external_id as coupon_name,

        ---------- codes
        coalesce(issued.codes, 0) as codes,
        coalesce(issued.codes_assigned, 0) as codes_assigned,
        coalesce(issued.codes_marked_used, 0) as codes_marked_used,
        coalesce(redeemed.codes_redeemed, 0) as codes_redeemed,
        case
            -- Its codes are used, and orders do not tell which.
            when coalesce(redeemed.codes_redeemed, 0) = 0
                and coalesce(redeemed.orders, 0) + coalesce(issued.codes_marked_used, 0) > 0 then null
            when coalesce(redeemed.codes_redeemed, 0) <= issued.codes_assigned
                then {{ rate('coalesce(redeemed.codes_redeemed, 0)', 'issued.codes_assigned') }}
        end as redemption_rate,

        ---------- orders
        coalesce(redeemed.orders, 0) as orders,
        coalesce(redeemed.first_orders, 0) as first_orders,
        coalesce(redeemed.customers, 0) as customers,
        {{ to_decimal('coalesce(redeemed.net_revenue, 0)') }} as net_revenue,
        redeemed.first_used_date,
        redeemed.last_used_date
    from named
    left join {{ ref('stg_klaviyo__coupons') }} as coupons on named.coupon_id = coupons.coupon_id
    left join issued on named.coupon_id = issued.coupon_id
    left join redeemed
        on coalesce(named.coupon_id, '') = coalesce(redeemed.coupon_id, '')
            and coalesce(named.code, '') = coalesce(redeemed.code, '')
)

select * from final
