with

events as (
    select
        min(local_date) as first_date,
        max(local_date) as last_date
    from {{ ref('fct_event') }}
    where not is_future
),

account as (
    {{ the_account() }}
),

-- From the month of the first event to the end of this one.
bounds as (
    select
        {{ month_of('events.first_date') }} as first_date,
        {{ local_date(right_now(), 'account.timezone') }} as today
    from events
    cross join account
    where events.first_date is not null
),

days as (
    select
        {{ add_days('bounds.first_date', 'numbers.number') }} as local_date,
        bounds.today
    from bounds
    cross join {{ numbers(5) }}
    where numbers.number <= {{ days_between('bounds.first_date', 'bounds.today') }} + 31
),

final as (
    select
        local_date,
        cast({{ weekday('local_date') }} as bigint) as weekday,
        {{ week_of('local_date') }} as week_starts_on,
        {{ month_of('local_date') }} as month_starts_on,
        {{ quarter_of('local_date') }} as quarter_starts_on,
        cast(extract(year from local_date) as bigint) as calendar_year,
        {{ days_between('local_date', 'today') }} as days_ago,
        local_date = today as is_today
    from days
    where {{ month_of('local_date') }} <= today
)

select * from final
