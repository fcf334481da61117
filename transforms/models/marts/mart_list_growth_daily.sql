with

lists as (
    select * from {{ ref('dim_list') }}
),

segments as (
    select * from {{ ref('dim_segment') }}
),

account as (
    {{ the_account() }}
),

-- A list's name in an event means a list if no other has that name.
named_lists as (
    select
        lower(trim(list_name)) as list_name,
        min(list_id) as list_id
    from lists
    where list_name is not null
    group by lower(trim(list_name))
    having count(*) = 1
),

events as (
    select
        coalesce(lists.list_id, named_lists.list_id) as list_id,
        events.profile_id,
        events.event_class,
        events.occurred_at
    from {{ ref('fct_event') }} as events
    left join lists on events.list_id = lists.list_id
    left join named_lists on lower(trim(events.list_name)) = named_lists.list_name
    where events.event_class in ('list_joined', 'list_left')
        and events.profile_id is not null
        and events.occurred_at is not null
        and not events.is_future
),

members as (
    select * from {{ ref('stg_klaviyo__list_memberships') }}
    where not is_deleted
),

-- Who is on a list now and since when is known; who was once, from events and from loads that saw it.
statements as (
    select
        'list' as audience_type,
        events.list_id as audience_id,
        events.profile_id,
        case when events.event_class = 'list_joined' then 1 else 0 end as is_in,
        events.occurred_at as stated_at,
        'list_left' as reason
    from events
    left join members
        on events.list_id = members.list_id
            and events.profile_id = members.profile_id
    where events.list_id is not null
        -- Who is on the list has not left it since joining, whatever an event says.
        and (members.joined_at is null or events.event_class = 'list_joined' or events.occurred_at < members.joined_at)

    union all

    select
        'list' as audience_type,
        list_id as audience_id,
        profile_id,
        1 as is_in,
        joined_at as stated_at,
        null as reason
    from {{ ref('stg_klaviyo__list_memberships') }}
    where joined_at is not null

    union all

    select
        'list' as audience_type,
        list_id as audience_id,
        profile_id,
        0 as is_in,
        deleted_at as stated_at,
        'list_left' as reason
    from {{ ref('stg_klaviyo__list_memberships') }}
    where is_deleted

    union all

    select
        'segment' as audience_type,
        segment_id as audience_id,
        profile_id,
        1 as is_in,
        joined_at as stated_at,
        null as reason
    from {{ ref('stg_klaviyo__segment_memberships') }}
    where joined_at is not null

    union all

    select
        'segment' as audience_type,
        segment_id as audience_id,
        profile_id,
        0 as is_in,
        deleted_at as stated_at,
        'segment_left' as reason
    from {{ ref('stg_klaviyo__segment_memberships') }}
    where is_deleted

    union all

    select
        'channel' as audience_type,
        channel as audience_id,
        profile_id,
        case when state = 'subscribed' then 1 else 0 end as is_in,
        valid_from as stated_at,
        state as reason
    from {{ ref('mart_consent_history') }}
),

instants as (
    select
        audience_type,
        audience_id,
        profile_id,
        stated_at,
        min(is_in) as is_in,
        min(case when is_in = 0 then reason end) as reason
    from statements
    group by audience_type, audience_id, profile_id, stated_at
),

turns as (
    select
        instants.*,
        coalesce(
            lag(is_in) over (partition by audience_type, audience_id, profile_id order by stated_at), 0
        ) as was_in,
        lead(stated_at) over (partition by audience_type, audience_id, profile_id order by stated_at) as next_at
    from instants
),

-- Klaviyo takes people off lists without telling it in an event. Who joined a list and was gone when it was first
-- loaded left on a day that nothing tells: it is counted as that of joining.
unseen as (
    select turns.* from turns
    left join members
        on turns.audience_id = members.list_id
            and turns.profile_id = members.profile_id
    where turns.audience_type = 'list'
        and turns.is_in = 1
        and turns.next_at is null
        and members.list_id is null
),

moves as (
    select
        audience_type,
        audience_id,
        stated_at,
        is_in,
        reason
    from turns
    where is_in <> was_in

    union all

    select
        audience_type,
        audience_id,
        stated_at,
        0 as is_in,
        'list_left' as reason
    from unseen
),

changes as (
    select
        moves.audience_type,
        moves.audience_id,
        moves.is_in,
        moves.reason,
        {{ local_date('moves.stated_at', 'account.timezone') }} as local_date
    from moves
    cross join account
),

days as (
    select
        audience_type,
        audience_id,
        local_date,
        {{ count_where('is_in = 1') }} as joined,
        {{ count_where('is_in = 0') }} as departed,
        {{ count_where("is_in = 0 and reason = 'unsubscribed'") }} as unsubscribed,
        {{ count_where("is_in = 0 and reason = 'suppressed'") }} as suppressed
    from changes
    group by audience_type, audience_id, local_date
),

final as (
    select
        ---------- grain
        days.audience_type,
        days.audience_id,
        days.local_date,
        coalesce(lists.list_name, segments.segment_name, days.audience_id) as audience_name,

        ---------- changes
        days.joined,
        days.departed,
        days.unsubscribed,
        days.suppressed,
        days.joined - days.departed as net_growth,
        cast(
            sum(days.joined - days.departed) over (
                partition by days.audience_type, days.audience_id
                order by days.local_date
                rows between unbounded preceding and current row
            ) as bigint
        ) as members
    from days
    left join lists
        on days.audience_id = lists.list_id
            and days.audience_type = 'list'
    left join segments
        on days.audience_id = segments.segment_id
            and days.audience_type = 'segment'
)

select * from final
