with recursive

actions as (
    select * from {{ ref('stg_klaviyo__flow_actions') }}
    where not is_deleted
),

-- What reaches a person counts as a step: a message, or the variations of one that an A/B test sends.
senders as (
    select distinct flow_action_id from {{ ref('stg_klaviyo__flow_messages') }}
    where channel in ('email', 'sms', 'mobile_push', 'whatsapp')
),

-- Steps by the id that other steps of the flow call them by.
steps as (
    select
        actions.flow_action_id,
        actions.flow_id,
        coalesce(actions.definition_id, actions.flow_action_id) as step_id,
        actions.next_id,
        actions.next_if_true_id,
        actions.next_if_false_id,
        case when senders.flow_action_id is null then 0 else 1 end as sends,
        case
            when actions.action_type <> 'time-delay' then 0
            when actions.delay_unit = 'days' then coalesce(actions.delay_value, 0) * 24
            when actions.delay_unit = 'hours' then coalesce(actions.delay_value, 0)
            when actions.delay_unit = 'minutes' then coalesce(actions.delay_value, 0) / 60
            else 0
        end as hours
    from actions
    left join senders on actions.flow_action_id = senders.flow_action_id
),

links as (
    select distinct
        flow_id,
        step_id as from_id,
        to_id
    from (
        {%- for link in ['next_id', 'next_if_true_id', 'next_if_false_id'] %}
        select
            flow_id,
            step_id,
            {{ link }} as to_id
        from steps
        where {{ link }} is not null
        {{ 'union all' if not loop.last }}
        {%- endfor %}
    ) as each_link
),

entries as (
    select steps.* from steps
    left join links
        on steps.flow_id = links.flow_id
            and steps.step_id = links.to_id
    where links.to_id is null
),

paths{{ '' if target.type == 'bigquery' else ' (flow_id, step_id, flow_action_id, step, delay_hours, depth)' }} as (
    select
        flow_id,
        step_id,
        flow_action_id,
        sends as step,
        cast(hours as {{ raw_type('double') }}) as delay_hours,
        1 as depth
    from entries

    union all

    select
        paths.flow_id,
        steps.step_id,
        steps.flow_action_id,
        paths.step + steps.sends as step,
        paths.delay_hours + cast(steps.hours as {{ raw_type('double') }}) as delay_hours,
        paths.depth + 1 as depth
    from paths
    inner join links
        on paths.flow_id = links.flow_id
            and paths.step_id = links.from_id
    inner join steps
        on links.flow_id = steps.flow_id
            and links.to_id = steps.step_id
    -- No flow is so long: what is longer runs in a circle.
    where paths.depth < 500
),

placed as (
    select
        flow_action_id,
        cast(min(step) as bigint) as step,
        min(delay_hours) as delay_hours
    from paths
    group by flow_action_id
),

campaigns as (
    select * from {{ ref('stg_klaviyo__campaigns') }}
),

campaign_messages as (
    select * from {{ ref('stg_klaviyo__campaign_messages') }}
),

flows as (
    select * from {{ ref('stg_klaviyo__flows') }}
),

flow_messages as (
    select * from {{ ref('stg_klaviyo__flow_messages') }}
),

flow_actions as (
    select * from {{ ref('stg_klaviyo__flow_actions') }}
),

templates as (
    select
        template_id,
        template_name
    from {{ ref('stg_klaviyo__templates') }}
),

account as (
    {{ the_account() }}
),

campaign_tags as (
    select
        campaign_tags.campaign_id,
        {{ listed('tags.tag_name') }} as tags
    from {{ ref('stg_klaviyo__campaign_tags') }} as campaign_tags
    inner join {{ ref('stg_klaviyo__tags') }} as tags on campaign_tags.tag_id = tags.tag_id
    where not campaign_tags.is_deleted
        and not tags.is_deleted
    group by campaign_tags.campaign_id
),

flow_tags as (
    select
        flow_tags.flow_id,
        {{ listed('tags.tag_name') }} as tags
    from {{ ref('stg_klaviyo__flow_tags') }} as flow_tags
    inner join {{ ref('stg_klaviyo__tags') }} as tags on flow_tags.tag_id = tags.tag_id
    where not flow_tags.is_deleted
        and not tags.is_deleted
    group by flow_tags.flow_id
),

-- What events and attributions know of messages, of which some are no longer listed.
told as (
    select
        message_id,
        min(campaign_id) as campaign_id,
        min(flow_id) as flow_id,
        min(channel) as channel,
        min(message_name) as message_name,
        min(subject) as subject,
        min(sent_at) as first_sent_at,
        max(sent_at) as last_sent_at
    from {{ ref('int_message_event') }}
    where message_id is not null
    group by message_id
),

listed as (
    select
        campaign_messages.campaign_message_id as message_id,
        'campaign' as message_type,
        campaign_messages.channel,
        campaign_messages.campaign_id,
        campaigns.campaign_name,
        cast(null as {{ raw_type('text') }}) as flow_id,
        cast(null as {{ raw_type('text') }}) as flow_name,
        cast(null as {{ raw_type('text') }}) as trigger_type,
        cast(null as bigint) as step,
        cast(null as {{ raw_type('double') }}) as delay_hours,
        coalesce(campaign_messages.label, campaign_messages.message_name, campaigns.campaign_name) as message_name,
        coalesce(campaign_messages.subject, campaign_messages.title) as subject,
        campaign_messages.preview_text,
        campaign_messages.from_email,
        campaign_messages.from_label,
        campaign_messages.template_id,
        campaigns.status,
        campaign_tags.tags,
        campaigns.is_smart_sending,
        false as is_transactional,
        campaigns.is_adding_utm_parameters,
        campaigns.is_archived,
        campaigns.send_time,
        campaign_messages.created_at,
        campaign_messages.updated_at,
        campaign_messages.is_deleted
    from campaign_messages
    left join campaigns on campaign_messages.campaign_id = campaigns.campaign_id
    left join campaign_tags on campaign_messages.campaign_id = campaign_tags.campaign_id

    union all

    select
        flow_messages.flow_message_id as message_id,
        'flow' as message_type,
        flow_messages.channel,
        cast(null as {{ raw_type('text') }}) as campaign_id,
        cast(null as {{ raw_type('text') }}) as campaign_name,
        flow_actions.flow_id,
        flows.flow_name,
        flows.trigger_type,
        placed.step,
        placed.delay_hours,
        flow_messages.message_name,
        coalesce(flow_messages.subject, flow_messages.title) as subject,
        flow_messages.preview_text,
        flow_messages.from_email,
        flow_messages.from_label,
        flow_messages.template_id,
        flows.status,
        flow_tags.tags,
        flow_messages.is_smart_sending,
        flow_messages.is_transactional,
        flow_messages.is_adding_utm_parameters,
        flows.is_archived,
        cast(null as {{ raw_type('timestamp') }}) as send_time,
        flow_messages.created_at,
        flow_messages.updated_at,
        flow_messages.is_deleted
    from flow_messages
    left join flow_actions on flow_messages.flow_action_id = flow_actions.flow_action_id
    left join flows on flow_actions.flow_id = flows.flow_id
    left join flow_tags on flow_actions.flow_id = flow_tags.flow_id
    left join placed on flow_messages.flow_action_id = placed.flow_action_id
),

final as (
    select
        ---------- ids
        coalesce(listed.message_id, told.message_id) as message_id,
        coalesce(
            listed.message_type, case when told.flow_id is null then 'campaign' else 'flow' end
        ) as message_type,
        coalesce(listed.campaign_id, told.campaign_id) as campaign_id,
        coalesce(listed.flow_id, told.flow_id) as flow_id,
        listed.template_id,

        ---------- what it is
        coalesce(listed.channel, told.channel) as channel,
        coalesce(listed.campaign_name, campaigns.campaign_name) as campaign_name,
        coalesce(listed.flow_name, flows.flow_name) as flow_name,
        coalesce(listed.trigger_type, flows.trigger_type) as trigger_type,
        listed.step,
        listed.delay_hours,
        coalesce(listed.message_name, told.message_name) as message_name,
        coalesce(listed.subject, told.subject) as subject,
        listed.preview_text,
        listed.from_email,
        listed.from_label,
        templates.template_name,
        listed.tags,
        coalesce(listed.status, campaigns.status, flows.status) as status,

        ---------- flags
        listed.is_smart_sending,
        listed.is_transactional,
        listed.is_adding_utm_parameters,
        listed.is_archived,
        coalesce(listed.is_deleted, true) as is_deleted,

        ---------- timestamps
        listed.send_time,
        {{ local_date('listed.send_time', 'account.timezone') }} as send_date,
        told.first_sent_at,
        told.last_sent_at,
        listed.created_at,
        listed.updated_at
    from listed
    full outer join told on listed.message_id = told.message_id
    left join campaigns on told.campaign_id = campaigns.campaign_id
    left join flows on told.flow_id = flows.flow_id
    left join templates on listed.template_id = templates.template_id
    cross join account
)

select * from final
