with

source as (
    select * from {{ source('klaviyo', 'tracking_settings') }}
),

final as (
    select
        ---------- ids
        id as account_id,

        ---------- tags
        utm_source__flow__type as flow_utm_source_type,
        utm_source__flow__value as flow_utm_source,
        utm_source__campaign__type as campaign_utm_source_type,
        utm_source__campaign__value as campaign_utm_source,
        utm_medium__flow__type as flow_utm_medium_type,
        utm_medium__flow__value as flow_utm_medium,
        utm_medium__campaign__type as campaign_utm_medium_type,
        utm_medium__campaign__value as campaign_utm_medium,
        utm_campaign__flow__type as flow_utm_campaign_type,
        utm_campaign__flow__value as flow_utm_campaign,
        utm_campaign__campaign__type as campaign_utm_campaign_type,
        utm_campaign__campaign__value as campaign_utm_campaign,
        utm_id__flow__type as flow_utm_id_type,
        utm_id__flow__value as flow_utm_id,
        utm_id__campaign__type as campaign_utm_id_type,
        utm_id__campaign__value as campaign_utm_id,
        utm_term__flow__type as flow_utm_term_type,
        utm_term__flow__value as flow_utm_term,
        utm_term__campaign__type as campaign_utm_term_type,
        utm_term__campaign__value as campaign_utm_term,
        custom_parameters,

        ---------- flags
        auto_add_parameters as is_adding_utm_parameters,

        ---------- bookkeeping
        _deleted_at as deleted_at,
        _deleted_at is not null as is_deleted,
        _dlt_load_id as load_id
    from source
)

select * from final
