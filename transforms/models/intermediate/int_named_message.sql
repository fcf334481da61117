with

messages as (
    select * from {{ ref('stg_klaviyo__campaign_messages') }}
),

attributions as (
    select * from {{ ref('stg_klaviyo__event_attributions') }}
    where not is_deleted
),

-- Klaviyo stops listing a campaign that somebody deletes; attributions still know whose its messages were.
unlisted_messages as (
    select
        attributions.campaign_message_id,
        min(attributions.campaign_id) as campaign_id
    from attributions
    left join messages on attributions.campaign_message_id = messages.campaign_message_id
    where attributions.campaign_message_id is not null
        and messages.campaign_message_id is null
    group by attributions.campaign_message_id
),

final as (
    select
        campaign_message_id as named_id,
        campaign_message_id,
        campaign_id,
        channel
    from messages

    union all

    select
        campaign_message_id as named_id,
        campaign_message_id,
        campaign_id,
        null as channel
    from unlisted_messages

    union all

    -- In old events the campaign: then its only message is meant.
    select
        campaigns.campaign_id as named_id,
        case when count(*) = 1 then min(campaigns.campaign_message_id) end as campaign_message_id,
        campaigns.campaign_id,
        min(campaigns.channel) as channel
    from messages as campaigns
    left join messages as namesakes on campaigns.campaign_id = namesakes.campaign_message_id
    left join unlisted_messages on campaigns.campaign_id = unlisted_messages.campaign_message_id
    where campaigns.campaign_id is not null
        and namesakes.campaign_message_id is null
        and unlisted_messages.campaign_message_id is null
    group by campaigns.campaign_id
)

select * from final
