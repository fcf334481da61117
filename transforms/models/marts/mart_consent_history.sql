with

events as (
    select
        events.event_id,
        events.profile_id,
        events.channel,
        events.event_class,
        events.occurred_at,
        coalesce(events.campaign_message_id, events.flow_message_id) as message_id,
        events.method,
        events.form_id
    from {{ ref('fct_event') }} as events
    where events.event_class in ('subscribed', 'unsubscribed')
        and events.channel is not null
        and events.profile_id is not null
        and events.occurred_at is not null
        and not events.is_future
),

consents as (
    select * from {{ ref('dim_profile_consent') }}
    where purpose = 'marketing'
),

suppressions as (
    select * from {{ ref('stg_klaviyo__profile_suppressions') }}
    where not is_deleted
        and suppressed_at is not null
),

account as (
    {{ the_account() }}
),

-- Events tell how it came about; the profile tells how it stands, also where no event does.
statements as (
    select
        profile_id,
        channel,
        event_class as state,
        occurred_at as stated_at,
        'event' as source,
        1 as rank,
        event_id,
        message_id,
        form_id,
        method,
        cast(null as {{ raw_type('text') }}) as suppression_reason
    from events

    union all

    select
        profile_id,
        channel,
        case when upper(consent_status) = 'SUBSCRIBED' then 'subscribed' else 'unsubscribed' end as state,
        coalesce(consented_at, updated_at) as stated_at,
        'profile' as source,
        2 as rank,
        cast(null as {{ raw_type('text') }}) as event_id,
        cast(null as {{ raw_type('text') }}) as message_id,
        cast(null as {{ raw_type('text') }}) as form_id,
        method,
        cast(null as {{ raw_type('text') }}) as suppression_reason
    from consents
    where upper(consent_status) in ('SUBSCRIBED', 'UNSUBSCRIBED')
        and coalesce(consented_at, updated_at) is not null

    union all

    select
        profile_id,
        'email' as channel,
        case when reason = 'UNSUBSCRIBE' then 'unsubscribed' else 'suppressed' end as state,
        suppressed_at as stated_at,
        'suppression' as source,
        3 as rank,
        cast(null as {{ raw_type('text') }}) as event_id,
        cast(null as {{ raw_type('text') }}) as message_id,
        cast(null as {{ raw_type('text') }}) as form_id,
        cast(null as {{ raw_type('text') }}) as method,
        reason as suppression_reason
    from suppressions
),

strengthened as (
    select
        statements.*,
        max(rank) over (partition by profile_id, channel, stated_at, state) as strength
    from statements
),

-- Of what is stated of one instant, a suppression is stronger than the profile, and that than an event; of those that
-- state the same, an event has most to tell.
last_of_an_instant as (
    select
        strengthened.*,
        row_number() over (
            partition by profile_id, channel, stated_at
            order by strength desc, rank asc, state desc, event_id asc
        ) as place
    from strengthened
),

turns as (
    select
        last_of_an_instant.*,
        lag(state) over (partition by profile_id, channel order by stated_at) as state_before
    from last_of_an_instant
    where place = 1
),

periods as (
    select
        turns.*,
        lead(stated_at) over (partition by profile_id, channel order by stated_at) as valid_to
    from turns
    where state_before is null
        or state <> state_before
),

final as (
    select
        ---------- grain
        periods.profile_id,
        periods.channel,
        periods.stated_at as valid_from,

        ---------- state
        periods.valid_to,
        periods.valid_to is null as is_current,
        periods.state,
        periods.state_before,

        ---------- how it came about
        periods.source,
        periods.method,
        periods.suppression_reason,
        periods.event_id,
        periods.message_id,
        periods.form_id,
        {{ local_date('periods.stated_at', 'account.timezone') }} as local_date
    from periods
    cross join account
)

select * from final
