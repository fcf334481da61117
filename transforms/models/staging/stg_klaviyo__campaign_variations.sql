with

source as (
    select * from {{ source('klaviyo', 'campaign_variations') }}
),

-- What is empty here was null before revision 2026-10-15.
final as (
    select
        ---------- ids
        id as campaign_variation_id,
        campaign_message_id,
        definition__details__template_id as template_id,
        image_id,
        translation_id,

        ---------- what it is
        definition__name as variation_name,
        case
            when definition__details__channel = 'push' then 'mobile_push' else definition__details__channel
        end as channel,

        ---------- content
        nullif(definition__details__subject, '') as subject,
        nullif(definition__details__preview_text, '') as preview_text,
        nullif(definition__details__from_email, '') as from_email,
        nullif(definition__details__from_label, '') as from_label,
        nullif(definition__details__reply_to_email, '') as reply_to_email,
        nullif(definition__details__cc_email, '') as cc_email,
        nullif(definition__details__bcc_email, '') as bcc_email,
        nullif(definition__details__title, '') as title,
        nullif(definition__details__body, '') as body,
        nullif(definition__details__dynamic_media_template, '') as dynamic_image,
        nullif(definition__details__mms_dynamic_image_template, '') as mms_dynamic_image,
        definition__details__mms_static_image_asset_id as mms_image_asset_id,
        definition__details__static_asset_id as image_asset_id,
        definition__details__video_asset_id as video_asset_id,
        definition__details__action_buttons as action_buttons,
        definition__details__kv_pairs as key_values,
        definition__details__message_hierarchy as message_hierarchy,

        ---------- options
        definition__details__text_message_type as text_message_type,
        definition__details__cost as cost,
        definition__details__shorten_links as is_shortening_links,
        definition__details__add_org_prefix as is_prefixed_with_organization,
        definition__details__add_info_link as is_info_link_added,
        definition__details__add_opt_out_language as is_opt_out_added,
        definition__details__include_contact_card as is_contact_card_included,
        definition__details__push_type as notification_type,
        definition__details__open_action as open_action,
        definition__details__ios_deep_link as ios_deep_link,
        definition__details__android_deep_link as android_deep_link,
        definition__details__web_url as web_url,
        definition__details__badge as is_badge_shown,
        case
            when definition__details__badge then replace(definition__details__badge_config, '-', '_')
        end as badge_change,
        case when definition__details__badge then definition__details__badge_value end as badge_value,
        definition__details__sound as is_sound_played,
        nullif(definition__details__sound_file_name, '') as sound_file,
        definition__details__content_available as is_content_available,
        definition__details__mutable_content as is_content_mutable,

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
