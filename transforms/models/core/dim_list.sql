with

lists as (
    select * from {{ ref('stg_klaviyo__lists') }}
),

memberships as (
    select * from {{ ref('stg_klaviyo__list_memberships') }}
    where not is_deleted
),

members as (
    select
        list_id,
        cast(count(*) as bigint) as members,
        max(joined_at) as last_joined_at
    from memberships
    group by list_id
),

tag_names as (
    select
        list_tags.list_id,
        {{ listed('tags.tag_name') }} as tags
    from {{ ref('stg_klaviyo__list_tags') }} as list_tags
    inner join {{ ref('stg_klaviyo__tags') }} as tags on list_tags.tag_id = tags.tag_id
    where not list_tags.is_deleted
        and not tags.is_deleted
    group by list_tags.list_id
),

final as (
    select
        lists.list_id,
        lists.list_name,
        lists.opt_in_process,
        tag_names.tags,
        coalesce(members.members, 0) as members,
        members.last_joined_at,
        lists.created_at,
        lists.updated_at,
        lists.is_deleted
    from lists
    left join members on lists.list_id = members.list_id
    left join tag_names on lists.list_id = tag_names.list_id
)

select * from final
