with

source as (
    select * from {{ source('klaviyo', 'campaigns') }}
),

-- From revision 2026-10-15 on, a campaign's messages and audiences say what it said itself before.
messages as (
    select
        campaign_id,
        count(case when status = 'sending' then 1 end) as sending,
        count(case when status = 'scheduled' then 1 end) as scheduled,
        count(case when status = 'sent' then 1 end) as sent,
        count(case when status = 'draft' then 1 end) as drafts,
        count(case when status = 'cancelled' then 1 end) as cancelled,
        min(send_time) as send_time,
        max(case when is_tracking_opens then 1 when not is_tracking_opens then 0 end) = 1 as is_tracking_opens,
        max(case when is_tracking_clicks then 1 when not is_tracking_clicks then 0 end) = 1 as is_tracking_clicks,
        max(case when is_adding_utm_parameters then 1 when not is_adding_utm_parameters then 0 end)
        = 1 as is_adding_utm_parameters
    from {{ ref('stg_klaviyo__campaign_messages') }}
    where not is_deleted
    group by campaign_id
),

only_audiences as (
    select audiences.*
    from {{ ref('stg_klaviyo__campaign_audiences') }} as audiences
    inner join (
        select campaign_id
        from {{ ref('stg_klaviyo__campaign_audiences') }}
        where not is_deleted
        group by campaign_id
        having count(*) = 1
    ) as alone on audiences.campaign_id = alone.campaign_id
    where not audiences.is_deleted
),

final as (
    select
        ---------- ids
        source.id as campaign_id,

        ---------- what it is
        source.name as campaign_name,
        case
            when source.status is not null then source.status
            when messages.sending > 0 or (messages.sent > 0 and messages.scheduled > 0) then 'Sending'
            when messages.scheduled > 0 then 'Scheduled'
            when messages.sent > 0 then 'Sent'
            when messages.drafts > 0 then 'Draft'
            when messages.cancelled > 0 then 'Cancelled'
        end as status,
        case
            when source.send_strategy__method is not null then source.send_strategy__method
            when source.send_settings__send_strategy = 'local_timezone' then 'static'
            when source.send_settings__send_strategy like '%send_time_optimization' then 'smart_send_time'
            when source.send_settings__send_strategy like 'content_variation%' then 'ab_test_campaign'
            else source.send_settings__send_strategy
        end as send_method,
        source.send_strategy__throttle_percentage as throttle_percentage,
        source.builder,
        source.color,
        source.description,

        ---------- audience
        coalesce(source.audiences__included, only_audiences.included_audiences) as included_audiences,
        coalesce(source.audiences__excluded, only_audiences.excluded_audiences) as excluded_audiences,

        ---------- flags
        source.archived as is_archived,
        source.send_options__use_smart_sending as is_smart_sending,
        coalesce(
            source.send_strategy__options__is_local, source.send_settings__send_strategy = 'local_timezone'
        ) as is_sent_at_local_time,
        coalesce(
            source.send_strategy__options__send_past_recipients_immediately,
            source.send_settings__send_passed_rltz_immediately
        ) as is_past_recipients_sent_immediately,
        coalesce(source.tracking_options__is_tracking_opens, messages.is_tracking_opens) as is_tracking_opens,
        coalesce(source.tracking_options__is_tracking_clicks, messages.is_tracking_clicks) as is_tracking_clicks,
        coalesce(
            source.tracking_options__add_tracking_params, messages.is_adding_utm_parameters
        ) as is_adding_utm_parameters,
        source.send_settings__exit_condition_enabled as is_exit_condition_enabled,
        source.send_settings__exit_condition_conversion_metric_id as exit_condition_metric_id,

        ---------- tracking
        source.tracking_options__custom_tracking_params as utm_parameters,

        ---------- timestamps
        source.send_settings__send_timezone as send_timezone,
        source.send_strategy__datetime as planned_send_at,
        source.send_strategy__date as planned_send_on,
        source.scheduled_at,
        coalesce(source.send_time, messages.send_time) as send_time,
        source.created_at,
        source.updated_at,

        ---------- bookkeeping
        source._deleted_at as deleted_at,
        source._deleted_at is not null as is_deleted,
        source._dlt_load_id as load_id
    from source
    left join messages on source.id = messages.campaign_id
    left join only_audiences on source.id = only_audiences.campaign_id
)

select * from final
