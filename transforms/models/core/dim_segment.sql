with

segments as (
    select * from {{ ref('stg_klaviyo__segments') }}
),

memberships as (
    select * from {{ ref('stg_klaviyo__segment_memberships') }}
    where not is_deleted
),

members as (
    select
        segment_id,
        cast(count(*) as bigint) as members,
        max(joined_at) as last_joined_at
    from memberships
    group by segment_id
),

tag_names as (
    select
        segment_tags.segment_id,
        {{ listed('tags.tag_name') }} as tags
    from {{ ref('stg_klaviyo__segment_tags') }} as segment_tags
    inner join {{ ref('stg_klaviyo__tags') }} as tags on segment_tags.tag_id = tags.tag_id
    where not segment_tags.is_deleted
        and not tags.is_deleted
    group by segment_tags.segment_id
),

final as (
    select
        segments.segment_id,
        segments.segment_name,
        segments.is_active,
        segments.is_starred,
        tag_names.tags,
        coalesce(members.members, 0) as members,
        members.last_joined_at,
        segments.created_at,
        segments.updated_at,
        segments.is_deleted
    from segments
    left join members on segments.segment_id = members.segment_id
    left join tag_names on segments.segment_id = tag_names.segment_id
)

select * from final
