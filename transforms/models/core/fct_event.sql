with

events as (
    select * from {{ ref('int_event') }}
    where not is_deleted
),

metrics as (
    select * from {{ ref('dim_metric') }}
),

account as (
    {{ the_account() }}
),

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

-- `$message` names a campaign's message, in old events the campaign: then its only message is meant.
named_messages as (
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
),

-- In an A/B test of a campaign `$message` names the first message and `$variation` the one that was sent.
resolved as (
    select
        events.event_id,
        events.metric_id,
        events.profile_id,
        coalesce(metrics.event_class, 'other') as event_class,
        metrics.channel,
        events.event_value,
        events.value_currency,
        events.sender_event_id,
        events.sender_order_id,
        events.message_id,
        events.message_name,
        events.subject,
        case
            when events.flow_id is null then coalesce(variations.campaign_id, named_messages.campaign_id)
        end as campaign_id,
        case
            when events.flow_id is not null then null
            when variations.campaign_message_id is not null then variations.campaign_message_id
            when named_messages.named_id is not null then named_messages.campaign_message_id
            when events.message_name is not null then events.message_id
        end as campaign_message_id,
        events.flow_id,
        case when events.flow_id is not null then events.message_id end as flow_message_id,
        events.variation_id,
        events.is_machine_open,
        events.is_bot_click,
        events.bounce_type,
        events.email_domain,
        events.inbox_provider,
        events.client_type,
        events.url,
        events.list_name,
        events.occurred_at
    from events
    left join metrics on events.metric_id = metrics.metric_id
    left join named_messages on events.message_id = named_messages.named_id
    left join messages as variations on events.variation_id = variations.campaign_message_id
),

ranked_attributions as (
    select
        attributions.event_id,
        attributions.attribution_id,
        attributions.attributed_event_id,
        touches.occurred_at as attributed_event_at,
        touches.event_class as attributed_event_class,
        touches.profile_id as attributed_profile_id,
        coalesce(attributions.flow_id, touches.flow_id) as flow_id,
        coalesce(attributions.flow_message_id, touches.flow_message_id) as flow_message_id,
        coalesce(attributions.campaign_id, named_messages.campaign_id, touches.campaign_id) as campaign_id,
        coalesce(attributions.campaign_message_id, touches.campaign_message_id) as campaign_message_id,
        coalesce(attributions.flow_message_variation_id, touches.variation_id) as variation_id,
        coalesce(named_messages.channel, touches.channel, 'unknown') as channel,
        row_number() over (
            partition by attributions.event_id
            order by
                attributions.load_id desc nulls last,
                touches.occurred_at desc nulls last,
                attributions.attribution_id asc
        ) as place
    from attributions
    left join resolved as touches on attributions.attributed_event_id = touches.event_id
    left join named_messages on attributions.campaign_message_id = named_messages.named_id
),

attributed as (
    select
        event_id,
        attribution_id,
        attributed_event_id,
        attributed_event_at,
        attributed_event_class,
        attributed_profile_id,
        flow_id,
        case when flow_id is not null then flow_message_id end as flow_message_id,
        case when flow_id is null then campaign_id end as campaign_id,
        case when flow_id is null then campaign_message_id end as campaign_message_id,
        variation_id,
        channel
    from ranked_attributions
    where place = 1
),

-- An open or a click that is itself what gets the credit, or that names no message, is about the credited message.
credited as (
    select
        resolved.event_id,
        attributed.campaign_id,
        attributed.campaign_message_id,
        attributed.flow_id,
        attributed.flow_message_id,
        attributed.variation_id
    from resolved
    inner join attributed on resolved.event_id = attributed.event_id
    where resolved.event_class in ('opened', 'clicked', 'spam', 'unsubscribed')
        and coalesce(attributed.campaign_message_id, attributed.flow_message_id) is not null
        and (
            attributed.attributed_event_id = resolved.event_id
            or (resolved.message_id is null and resolved.flow_id is null)
        )
),

final as (
    select
        ---------- ids
        resolved.event_id,
        resolved.metric_id,
        resolved.profile_id,

        ---------- what happened
        resolved.event_class,
        resolved.channel,
        cast(
            case
                when resolved.event_class in ('refund', 'cancel') then -abs(resolved.event_value)
                else resolved.event_value
            end as decimal(18, 4)
        ) as event_value,
        case
            when resolved.event_value is null and resolved.event_class not in ('order', 'refund', 'cancel') then null
            when length(trim(resolved.value_currency)) = 3 then upper(trim(resolved.value_currency))
            else account.currency
        end as currency,
        coalesce(
            nullif(trim(resolved.sender_order_id), ''),
            case
                when resolved.event_class in ('order', 'refund', 'cancel')
                    then nullif(trim(resolved.sender_event_id), '')
            end
        ) as order_id,

        ---------- the message it is about
        case when credited.event_id is null then resolved.campaign_id else credited.campaign_id end as campaign_id,
        case
            when credited.event_id is null then resolved.campaign_message_id else credited.campaign_message_id
        end as campaign_message_id,
        case when credited.event_id is null then resolved.flow_id else credited.flow_id end as flow_id,
        case
            when credited.event_id is null then resolved.flow_message_id else credited.flow_message_id
        end as flow_message_id,
        case when credited.event_id is null then resolved.variation_id else credited.variation_id end as variation_id,
        resolved.message_name,
        resolved.subject,

        ---------- the message that gets the credit
        attributed.event_id is not null as is_attributed,
        attributed.attribution_id,
        attributed.attributed_event_id,
        attributed.attributed_event_at,
        attributed.attributed_event_class,
        attributed.attributed_profile_id,
        attributed.channel as attributed_channel,
        attributed.campaign_id as attributed_campaign_id,
        attributed.campaign_message_id as attributed_campaign_message_id,
        attributed.flow_id as attributed_flow_id,
        attributed.flow_message_id as attributed_flow_message_id,
        attributed.variation_id as attributed_variation_id,

        ---------- circumstances
        resolved.is_machine_open,
        resolved.is_bot_click,
        resolved.bounce_type,
        lower(trim(resolved.email_domain)) as email_domain,
        resolved.inbox_provider,
        resolved.client_type,
        resolved.url,
        resolved.list_name,

        ---------- timestamps
        resolved.occurred_at,
        {{ local_date('resolved.occurred_at', 'account.timezone') }} as local_date,
        coalesce(resolved.occurred_at > {{ right_now() }}, false) as is_future
    from resolved
    left join credited on resolved.event_id = credited.event_id
    left join attributed on resolved.event_id = attributed.event_id
    cross join account
)

select * from final
