with

orders as (
    select * from {{ ref('fct_order') }}
    where profile_id is not null
        and local_date is not null
),

consents as (
    select * from {{ ref('mart_consent_history') }}
    where channel = 'email'
        and state = 'subscribed'
),

today as (
    select {{ month_of('local_date') }} as this_month from {{ ref('dim_date') }}
    where is_today
),

account as (
    {{ the_account() }}
),

members as (
    select
        'first_order' as cohort_type,
        profile_id,
        {{ month_of('min(local_date)') }} as cohort_month
    from orders
    group by profile_id

    union all

    select
        'first_subscription' as cohort_type,
        profile_id,
        {{ month_of('min(local_date)') }} as cohort_month
    from consents
    group by profile_id
),

cohorts as (
    select
        members.cohort_type,
        members.cohort_month,
        today.this_month,
        cast(count(*) as bigint) as profiles
    from members
    cross join today
    where members.cohort_month <= today.this_month
    group by members.cohort_type, members.cohort_month, today.this_month
),

ages as (
    select
        cohorts.cohort_type,
        cohorts.cohort_month,
        cohorts.profiles,
        numbers.number as months_since,
        {{ months_between('cohorts.cohort_month', 'cohorts.this_month') }} as age
    from cohorts
    cross join {{ numbers(3) }}
    where numbers.number <= {{ months_between('cohorts.cohort_month', 'cohorts.this_month') }}
),

bought as (
    select
        members.cohort_type,
        members.cohort_month,
        {{ months_between('members.cohort_month', 'orders.local_date') }} as months_since,
        cast(count(distinct orders.profile_id) as bigint) as buyers,
        cast(count(*) as bigint) as orders,
        sum(case when orders.is_account_currency then orders.net_amount else 0 end) as net_revenue,
        sum(
            case when orders.is_account_currency and orders.is_attributed then orders.net_amount else 0 end
        ) as net_revenue_attributed
    from orders
    inner join members on orders.profile_id = members.profile_id
    -- Orders before somebody subscribed are not what the subscription brought.
    where {{ months_between('members.cohort_month', 'orders.local_date') }} >= 0
    group by
        members.cohort_type, members.cohort_month, {{ months_between('members.cohort_month', 'orders.local_date') }}
),

final as (
    select
        ---------- grain
        ages.cohort_type,
        ages.cohort_month,
        cast(ages.months_since as bigint) as months_since,
        ages.months_since < ages.age as is_month_over,

        ---------- people
        ages.profiles,
        coalesce(bought.buyers, 0) as buyers,
        coalesce(bought.orders, 0) as orders,
        {{ rate('coalesce(bought.buyers, 0)', 'ages.profiles') }} as buyer_rate,

        ---------- money
        account.currency,
        {{ to_decimal('coalesce(bought.net_revenue, 0)') }} as net_revenue,
        {{ to_decimal('coalesce(bought.net_revenue_attributed, 0)') }} as net_revenue_attributed,
        {{ to_decimal('
            sum(coalesce(bought.net_revenue, 0)) over (
                partition by ages.cohort_type, ages.cohort_month
                order by ages.months_since
                rows between unbounded preceding and current row
            )
        ') }} as net_revenue_so_far,
        {{ to_decimal('
            sum(coalesce(bought.net_revenue, 0)) over (
                partition by ages.cohort_type, ages.cohort_month
                order by ages.months_since
                rows between unbounded preceding and current row
            ) / ages.profiles
        ') }} as net_revenue_so_far_per_profile
    from ages
    left join bought
        on ages.cohort_type = bought.cohort_type
            and ages.cohort_month = bought.cohort_month
            and ages.months_since = bought.months_since
    cross join account
)

select * from final
