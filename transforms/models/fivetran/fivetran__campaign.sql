{{ config(alias='campaign') }}

with

campaigns as (
    select * from {{ ref('stg_klaviyo__campaigns') }}
),

numbered_messages as (
    select
        *,
        row_number() over (
            partition by campaign_id
            order by is_deleted asc, created_at asc nulls last, campaign_message_id asc
        ) as number
    from {{ ref('stg_klaviyo__campaign_messages') }}
),

first_messages as (
    select * from numbered_messages
    where number = 1
),

final as (
    select
        campaigns.campaign_id as id,
        campaigns.campaign_name as name,
        campaigns.status,
        cast(null as {{ raw_type('text') }}) as status_id,
        campaigns.status as status_label,
        first_messages.channel as campaign_type,
        first_messages.subject,
        first_messages.from_email,
        first_messages.from_label as from_name,
        first_messages.template_id as email_template_id,
        campaigns.is_archived as archived,
        first_messages.is_ignoring_unsubscribes as send_option_ignore_unsubscribes,
        campaigns.is_smart_sending as send_option_use_smart_sending,
        campaigns.send_method as send_strategy_method,
        campaigns.planned_send_at as send_strategy_datetime,
        campaigns.is_sent_at_local_time as send_strategy_options_is_local,
        campaigns.is_past_recipients_sent_immediately as send_strategy_options_send_past_recipients_immediately,
        case when campaigns.send_method = 'static' then campaigns.planned_send_at end
            as send_strategy_options_static_datetime,
        case when campaigns.send_method = 'static' then campaigns.is_sent_at_local_time end
            as send_strategy_options_static_is_local,
        case when campaigns.send_method = 'static' then campaigns.is_past_recipients_sent_immediately end
            as send_strategy_options_static_send_past_recipients_immediately,
        case when campaigns.send_method = 'smart_send_time' then campaigns.planned_send_on end
            as send_strategy_options_sto_date,
        case when campaigns.send_method = 'throttled' then campaigns.planned_send_at end
            as send_strategy_options_throttled_datetime,
        campaigns.throttle_percentage as send_strategy_options_throttled_throttle_percentage,
        campaigns.is_adding_utm_parameters as tracking_options_add_tracking_params,
        campaigns.is_adding_utm_parameters as tracking_options_is_add_utm,
        campaigns.is_tracking_clicks as tracking_options_is_tracking_clicks,
        campaigns.is_tracking_opens as tracking_options_is_tracking_opens,
        campaigns.scheduled_at as scheduled,
        campaigns.send_time,
        case when campaigns.status = 'Sent' then campaigns.send_time end as sent_at,
        campaigns.created_at as created,
        campaigns.updated_at as updated,
        {{ fivetran_columns('campaigns') }}
    from campaigns
    left join first_messages on campaigns.campaign_id = first_messages.campaign_id
)

select * from final
