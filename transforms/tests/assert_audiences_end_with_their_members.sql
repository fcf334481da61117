-- Counting joins and departures leads to those who are on a list, or subscribed to a channel, now; never below none.
with

growth as (
    select
        audience_type,
        audience_id,
        sum(net_growth) as members,
        min(members) as fewest
    from {{ ref('mart_list_growth_daily') }}
    group by audience_type, audience_id
),

lists as (
    select
        list_id,
        count(*) as members
    from {{ ref('stg_klaviyo__list_memberships') }}
    where not is_deleted
        and joined_at is not null
    group by list_id
),

subscribers as (
    select
        channel,
        count(*) as members
    from {{ ref('mart_consent_history') }}
    where is_current
        and state = 'subscribed'
    group by channel
),

final as (
    select
        growth.audience_id,
        growth.members,
        coalesce(lists.members, subscribers.members, 0) as members_now
    from growth
    left join lists on growth.audience_id = lists.list_id
    left join subscribers on growth.audience_id = subscribers.channel
    where growth.fewest < 0
        or (growth.audience_type <> 'segment' and growth.members <> coalesce(lists.members, subscribers.members, 0))
)

select * from final
