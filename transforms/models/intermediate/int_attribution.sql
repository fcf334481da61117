{{
    config(
        materialized=kept(),
        incremental_strategy='append',
        on_schema_change='sync_all_columns',
        pre_hook='{{ empty_before_it_is_filled() }}',
    )
}}

with

attributions as (
    select * from {{ ref('stg_klaviyo__event_attributions') }}
    where not is_deleted
),

touches as (
    select * from {{ ref('int_event') }}
    where not is_deleted
),

named_messages as (
    select * from {{ ref('int_named_message') }}
),

ranked as (
    select
        attributions.event_id,
        attributions.attribution_id,
        attributions.attributed_event_id,
        touches.occurred_at as attributed_event_at,
        touches.event_class as attributed_event_class,
        touches.profile_id as attributed_profile_id,
        coalesce(named_messages.channel, touches.channel, 'unknown') as channel,
        coalesce(attributions.flow_id, touches.flow_id) as flow_id,
        coalesce(
            attributions.flow_message_id, case when touches.flow_id is not null then touches.message_id end
        ) as flow_message_id,
        coalesce(attributions.campaign_id, named_messages.campaign_id, touches.campaign_id) as campaign_id,
        coalesce(attributions.campaign_message_id, touches.campaign_message_id) as campaign_message_id,
        coalesce(attributions.flow_message_variation_id, touches.variation_id) as variation_id,
        row_number() over (
            partition by attributions.event_id
            order by
                attributions.load_id desc nulls last,
                touches.occurred_at desc nulls last,
                attributions.attribution_id asc
        ) as place
    from attributions
    left join touches on attributions.attributed_event_id = touches.event_id
    left join named_messages on attributions.campaign_message_id = named_messages.named_id
),

final as (
    select
        event_id,
        attribution_id,
        attributed_event_id,
        attributed_event_at,
        attributed_event_class,
        attributed_profile_id,
        channel as attributed_channel,
        case when flow_id is null then campaign_id end as attributed_campaign_id,
        case when flow_id is null then campaign_message_id end as attributed_campaign_message_id,
        flow_id as attributed_flow_id,
        case when flow_id is not null then flow_message_id end as attributed_flow_message_id,
        variation_id as attributed_variation_id
    from ranked
    where place = 1
)

select * from final
