with

acts as (
    select
        events.local_date,
        events.profile_id,
        events.event_id,
        events.event_class,
        events.occurred_at,
        events.form_id,
        events.form_version_id
    from {{ ref('fct_event') }} as events
    where events.event_class in ('form_viewed', 'form_submitted')
        and events.form_id is not null
        and events.local_date is not null
        and not events.is_future
),

submissions as (
    select
        acts.*,
        min(local_date) over (partition by form_id, profile_id) as submitted_on,
        min(occurred_at) over (partition by form_id, profile_id) as submitted_at
    from acts
    where event_class = 'form_submitted'
        and profile_id is not null
),

-- What comes of a submission is counted once for each person and form.
first_submissions as (
    select * from submissions
    where occurred_at = submitted_at
),

first_orders as (
    select
        profile_id,
        min(local_date) as ordered_on
    from {{ ref('fct_order') }}
    where profile_id is not null
        and local_date is not null
    group by profile_id
),

outcomes as (
    select
        first_submissions.form_id,
        first_submissions.form_version_id,
        first_submissions.local_date,
        first_submissions.profile_id,
        max(
            case
                when consents.local_date <= {{ add_days('first_submissions.submitted_on', 7) }}
                    and (consents.valid_to is null or consents.valid_to > first_submissions.submitted_at) then 1
                else 0
            end
        ) as is_subscribed,
        max(
            case
                when first_orders.ordered_on >= first_submissions.local_date
                    and first_orders.ordered_on <= {{ add_days('first_submissions.local_date', 30) }} then 1
                else 0
            end
        ) as is_customer
    from first_submissions
    left join {{ ref('mart_consent_history') }} as consents
        on first_submissions.profile_id = consents.profile_id
            and consents.state = 'subscribed'
    left join first_orders on first_submissions.profile_id = first_orders.profile_id
    group by
        first_submissions.form_id,
        first_submissions.form_version_id,
        first_submissions.local_date,
        first_submissions.profile_id
),

daily_outcomes as (
    select
        form_id,
        form_version_id,
        local_date,
        cast(count(*) as bigint) as first_submitters,
        cast(sum(is_subscribed) as bigint) as new_subscribers,
        cast(sum(is_customer) as bigint) as new_customers
    from outcomes
    group by form_id, form_version_id, local_date
),

daily as (
    select
        form_id,
        form_version_id,
        local_date,
        {{ count_where("event_class = 'form_viewed'") }} as views,
        cast(count(distinct case when event_class = 'form_viewed' then coalesce(profile_id, event_id) end) as bigint)
            as viewers,
        {{ count_where("event_class = 'form_submitted'") }} as submits,
        cast(
            count(distinct case when event_class = 'form_submitted' then coalesce(profile_id, event_id) end) as bigint
        ) as submitters
    from acts
    group by form_id, form_version_id, local_date
),

reported as (
    select
        form_id,
        form_version_id,
        local_date,
        cast(sum(viewed_form) as bigint) as klaviyo_views,
        cast(sum(submits) as bigint) as klaviyo_submits
    from {{ ref('stg_klaviyo__form_series') }}
    where not is_deleted
    group by form_id, form_version_id, local_date
    having sum(viewed_form) > 0 or sum(submits) > 0
),

-- Klaviyo sees visitors who leave no event behind: what it reports stands beside what the events tell.
joined as (
    select
        coalesce(daily.form_id, reported.form_id) as form_id,
        coalesce(daily.form_version_id, nullif(reported.form_version_id, '')) as form_version_id,
        coalesce(daily.local_date, reported.local_date) as local_date,
        daily.views,
        daily.viewers,
        daily.submits,
        daily.submitters,
        daily_outcomes.first_submitters,
        daily_outcomes.new_subscribers,
        daily_outcomes.new_customers,
        reported.klaviyo_views,
        reported.klaviyo_submits
    from daily
    left join daily_outcomes
        on daily.form_id = daily_outcomes.form_id
            and coalesce(daily.form_version_id, '') = coalesce(daily_outcomes.form_version_id, '')
            and daily.local_date = daily_outcomes.local_date
    full outer join reported
        on daily.form_id = reported.form_id
            and coalesce(daily.form_version_id, '') = reported.form_version_id
            and daily.local_date = reported.local_date
),

final as (
    select
        ---------- grain
        joined.form_id,
        joined.form_version_id,
        joined.local_date,

        ---------- what it is
        forms.form_name,
        versions.form_type,
        versions.variation_name,

        ---------- counts
        coalesce(joined.views, 0) as views,
        coalesce(joined.viewers, 0) as viewers,
        coalesce(joined.submits, 0) as submits,
        coalesce(joined.submitters, 0) as submitters,
        coalesce(joined.first_submitters, 0) as first_submitters,
        coalesce(joined.new_subscribers, 0) as new_subscribers,
        coalesce(joined.new_customers, 0) as new_customers,
        joined.klaviyo_views,
        joined.klaviyo_submits,

        ---------- rates
        case
            when joined.klaviyo_views >= joined.klaviyo_submits
                then {{ rate('joined.klaviyo_submits', 'joined.klaviyo_views') }}
        end as klaviyo_submit_rate
    from joined
    left join {{ ref('stg_klaviyo__forms') }} as forms on joined.form_id = forms.form_id
    left join {{ ref('stg_klaviyo__form_versions') }} as versions
        on joined.form_version_id = versions.form_version_id
)

select * from final
