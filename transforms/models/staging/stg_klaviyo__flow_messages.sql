with

source as (
    select * from {{ source('klaviyo', 'flow_messages') }}
),

final as (
    select
        ---------- ids
        id as flow_message_id,
        flow_action_id,
        coalesce(template_id, definition__template_id) as template_id,
        definition__id as definition_id,
        definition__image_id as image_id,
        definition__video_asset_id as video_asset_id,
        definition__conversion_metric_id as conversion_metric_id,
        definition__vendor_id as vendor_id,

        ---------- what it is
        -- Klaviyo spells it otherwise than for campaigns: `Email`.
        case when lower(channel) like '%push%' then 'mobile_push' else lower(channel) end as channel,
        definition__name as message_name,
        definition__push_type as notification_type,

        ---------- content
        definition__subject_line as subject,
        definition__preview_text as preview_text,
        definition__from_email as from_email,
        definition__from_label as from_label,
        definition__reply_to_email as reply_to_email,
        definition__cc_email as cc_email,
        definition__bcc_email as bcc_email,
        definition__to_emails as to_emails,
        definition__title as title,
        definition__body as body,
        definition__dynamic_image as dynamic_image,
        definition__action_buttons as action_buttons,
        definition__kv_pairs as key_values,
        definition__message_hierarchy as message_hierarchy,
        definition__url as url,
        definition__headers as headers,
        definition__custom_tracking_params as utm_parameters,
        definition__additional_filters__condition_groups as filter_groups,

        ---------- options
        definition__smart_sending_enabled as is_smart_sending,
        definition__transactional as is_transactional,
        definition__add_tracking_params as is_adding_utm_parameters,
        definition__shorten_links as is_shortening_links,
        definition__add_org_prefix as is_prefixed_with_organization,
        definition__add_info_link as is_info_link_added,
        definition__add_opt_out_language as is_opt_out_added,
        definition__include_contact_card as is_contact_card_included,
        definition__sms_quiet_hours_enabled as is_quiet_at_night,
        definition__sound as is_sound_played,
        definition__badge as is_badge_shown,
        definition__badge_options__badge_config as badge_change,
        definition__badge_options__value as badge_value,
        definition__badge_options__set_from_property as badge_property,
        definition__on_open as on_open,
        definition__ios_link as ios_deep_link,
        definition__android_link as android_deep_link,
        definition__web_url as web_url,

        ---------- timestamps
        created as created_at,
        updated as updated_at,

        ---------- bookkeeping
        _deleted_at as deleted_at,
        _deleted_at is not null as is_deleted,
        _dlt_load_id as load_id
    from source
)

select * from final
