{{ config(alias='event') }}

with

events as (
    select * from {{ ref('int_event') }}
),

documents as (
    select
        event_id,
        event_uuid,
        event_properties
    from {{ ref('stg_klaviyo__events') }}
),

facts as (
    select * from {{ ref('fct_event') }}
),

metrics as (
    select * from {{ ref('stg_klaviyo__metrics') }}
),

attributions as (
    select * from {{ ref('stg_klaviyo__event_attributions') }}
),

-- Attributions come late, and with them the event is another.
attribution_loads as (
    select
        event_id,
        max(load_id) as load_id
    from attributions
    group by event_id
),

final as (
    select
        events.event_id as id,
        facts.campaign_id,
        facts.flow_id,
        facts.flow_message_id,
        events.metric_id,
        events.profile_id as person_id,
        events.variation_id as _variation,
        metrics.metric_name as type,
        documents.event_uuid as uuid,
        events.occurred_at as {{ reserved('datetime') }},
        events.occurred_at as {{ reserved('timestamp') }},
        cast(events.event_value as {{ raw_type('text') }}) as property_value,
        case
            when attributions.attributed_event_id is not null
                then
                    '{"type":"attribution","id":"' || attributions.attribution_id || '","relationships":{'
                    || '"attributed-event":{"data":{"type":"event","id":"' || attributions.attributed_event_id || '"}}'
                    || {{ fivetran_relationship('event', 'event', 'attributions.event_id') }}
                    || {{ fivetran_relationship('campaign', 'campaign', 'attributions.campaign_id') }}
                    || {{ fivetran_relationship(
                        'campaign-message', 'campaign-message', 'attributions.campaign_message_id'
                    ) }}
                    || {{ fivetran_relationship('flow', 'flow', 'attributions.flow_id') }}
                    || {{ fivetran_relationship('flow-message', 'flow-message', 'attributions.flow_message_id') }}
                    || {{ fivetran_relationship(
                        'flow-message-variation', 'flow-message-variation', 'attributions.flow_message_variation_id'
                    ) }}
                    || '}}'
        end as property_attribution,
        documents.event_properties as custom_property_fields,
        {{- fivetran_properties('klaviyo_fivetran_event_columns', 'documents.event_properties') }}
        events.is_deleted as _fivetran_deleted,
        case
            when events.deleted_at is not null then events.deleted_at
            when attribution_loads.load_id > events.load_id then {{ load_time('attribution_loads.load_id') }}
            else {{ load_time('events.load_id') }}
        end as _fivetran_synced
    from events
    inner join documents on events.event_id = documents.event_id
    left join facts on events.event_id = facts.event_id
    left join metrics on events.metric_id = metrics.metric_id
    left join attributions on facts.attribution_id = attributions.attribution_id
    left join attribution_loads on events.event_id = attribution_loads.event_id
)

select * from final
