with

source as (
    select * from {{ source('klaviyo', 'campaigns') }}
),

final as (
    select
        ---------- ids
        id as campaign_id,

        ---------- what it is
        name as campaign_name,
        status,
        send_strategy__method as send_method,
        send_strategy__throttle_percentage as throttle_percentage,

        ---------- audience
        audiences__included as included_audiences,
        audiences__excluded as excluded_audiences,

        ---------- flags
        archived as is_archived,
        send_options__use_smart_sending as is_smart_sending,
        send_strategy__options__is_local as is_sent_at_local_time,
        send_strategy__options__send_past_recipients_immediately as is_past_recipients_sent_immediately,
        tracking_options__is_tracking_opens as is_tracking_opens,
        tracking_options__is_tracking_clicks as is_tracking_clicks,
        tracking_options__add_tracking_params as is_adding_utm_parameters,

        ---------- tracking
        tracking_options__custom_tracking_params as utm_parameters,

        ---------- timestamps
        send_strategy__datetime as planned_send_at,
        send_strategy__date as planned_send_on,
        scheduled_at,
        send_time,
        created_at,
        updated_at,

        ---------- bookkeeping
        _deleted_at as deleted_at,
        _deleted_at is not null as is_deleted,
        _dlt_load_id as load_id
    from source
)

select * from final
