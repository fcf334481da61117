with

profiles as (
    select * from {{ ref('dim_profile') }}
    where not is_deleted
),

orders as (
    select * from {{ ref('fct_order') }}
    where profile_id is not null
        and local_date is not null
),

account as (
    {{ the_account() }}
),

today as (
    select {{ local_date(right_now(), 'account.timezone') }} as today
    from account
),

acts as (
    select
        events.profile_id,
        case
            when events.event_class = 'opened' and events.is_machine_open then 'opened_by_machine'
            when events.event_class = 'clicked' and events.is_bot_click then 'clicked_by_bot'
            when events.event_class in ('product_viewed', 'cart_filled', 'checkout_started') then 'site_visited'
            else events.event_class
        end as act,
        events.local_date,
        {{ days_between('events.local_date', 'today.today') }} as days_ago
    from {{ ref('fct_event') }} as events
    cross join today
    where events.profile_id is not null
        and events.local_date is not null
        and not events.is_future
        and events.event_class in (
            'received', 'opened', 'clicked', 'site_visited', 'product_viewed', 'cart_filled', 'checkout_started'
        )
),

engaged as (
    select
        profile_id,
        {{ count_where("act = 'received' and days_ago < 30") }} as received_30d,
        {{ count_where("act = 'received' and days_ago < 90") }} as received_90d,
        {{ count_where("act = 'received' and days_ago < 365") }} as received_365d,
        {{ count_where("act = 'opened' and days_ago < 30") }} as opened_30d,
        {{ count_where("act = 'opened' and days_ago < 90") }} as opened_90d,
        {{ count_where("act = 'opened' and days_ago < 365") }} as opened_365d,
        {{ count_where("act = 'clicked' and days_ago < 30") }} as clicked_30d,
        {{ count_where("act = 'clicked' and days_ago < 90") }} as clicked_90d,
        {{ count_where("act = 'clicked' and days_ago < 365") }} as clicked_365d,
        {{ count_where("act = 'received' and days_ago < " ~ var('klaviyo_sunset_days')) }} as received_lately,
        max(case when act = 'received' then local_date end) as last_received_date,
        max(case when act = 'opened' then local_date end) as last_opened_date,
        max(case when act = 'clicked' then local_date end) as last_clicked_date,
        max(case when act = 'site_visited' then local_date end) as last_site_date
    from acts
    group by profile_id
),

spent as (
    select
        profile_id,
        cast(count(*) as bigint) as orders,
        max(local_date) as last_order_date,
        {{ to_decimal('sum(case when is_account_currency then net_amount else 0 end)') }} as net_revenue,
        {{ to_decimal('sum(case when is_account_currency and is_attributed then net_amount else 0 end)') }}
            as net_revenue_attributed
    from orders
    group by profile_id
),

scored as (
    select
        spent.*,
        {{ fifth('last_order_date') }} as recency_score,
        {{ fifth('orders') }} as frequency_score,
        {{ fifth('net_revenue') }} as monetary_score
    from spent
),

joined as (
    select
        profiles.profile_id,
        profiles.email,
        profiles.email_consent,
        profiles.can_receive_email,
        engaged.received_30d,
        engaged.received_90d,
        engaged.received_365d,
        engaged.opened_30d,
        engaged.opened_90d,
        engaged.opened_365d,
        engaged.clicked_30d,
        engaged.clicked_90d,
        engaged.clicked_365d,
        engaged.received_lately,
        engaged.last_received_date,
        engaged.last_opened_date,
        engaged.last_clicked_date,
        engaged.last_site_date,
        scored.orders,
        scored.last_order_date,
        scored.net_revenue,
        scored.net_revenue_attributed,
        scored.recency_score,
        scored.frequency_score,
        scored.monetary_score,
        today.today,
        {{ latest_of(['engaged.last_opened_date', 'engaged.last_clicked_date', 'engaged.last_site_date',
            'scored.last_order_date']) }} as last_engaged_date
    from profiles
    cross join today
    left join engaged on profiles.profile_id = engaged.profile_id
    left join scored on profiles.profile_id = scored.profile_id
),

aged as (
    select
        joined.*,
        {{ days_between('last_engaged_date', 'today') }} as days_since_engaged
    from joined
),

final as (
    select
        ---------- grain
        profile_id,
        email,

        ---------- messages
        coalesce(received_30d, 0) as received_30d,
        coalesce(received_90d, 0) as received_90d,
        coalesce(received_365d, 0) as received_365d,
        coalesce(opened_30d, 0) as opened_30d,
        coalesce(opened_90d, 0) as opened_90d,
        coalesce(opened_365d, 0) as opened_365d,
        coalesce(clicked_30d, 0) as clicked_30d,
        coalesce(clicked_90d, 0) as clicked_90d,
        coalesce(clicked_365d, 0) as clicked_365d,

        ---------- when last
        last_received_date,
        last_opened_date,
        last_clicked_date,
        last_site_date,
        last_order_date,
        last_engaged_date,
        days_since_engaged,

        ---------- where the person stands
        case
            when days_since_engaged is null then 'never'
            when days_since_engaged <= 30 then 'engaged'
            when days_since_engaged <= 90 then 'active'
            when days_since_engaged <= 180 then 'at_risk'
            else 'lapsed'
        end as engagement_tier,
        coalesce(can_receive_email, false)
        and upper(coalesce(email_consent, '')) = 'SUBSCRIBED'
        and coalesce(received_lately, 0) >= {{ var('klaviyo_sunset_messages') }}
        and coalesce(days_since_engaged, {{ var('klaviyo_sunset_days') }}) >= {{ var('klaviyo_sunset_days') }}
            as is_sunset_candidate,

        ---------- orders
        coalesce(orders, 0) as orders,
        {{ to_decimal('coalesce(net_revenue, 0)') }} as net_revenue,
        {{ to_decimal('coalesce(net_revenue_attributed, 0)') }} as net_revenue_attributed,
        recency_score,
        frequency_score,
        monetary_score,
        case
            when recency_score is null then null
            when recency_score >= 4 and frequency_score >= 4 then 'champion'
            when recency_score >= 4 and orders = 1 then 'new'
            when recency_score >= 3 then 'loyal'
            when frequency_score >= 4 then 'cannot_lose'
            when recency_score = 2 then 'at_risk'
            else 'lost'
        end as rfm_segment
    from aged
)

select * from final
