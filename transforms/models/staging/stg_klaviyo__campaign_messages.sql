with

source as (
    select * from {{ source('klaviyo', 'campaign_messages') }}
),

final as (
    select
        ---------- ids
        id as campaign_message_id,
        campaign_id,
        template_id,
        image_id,

        ---------- what it is
        definition__channel as channel,
        definition__label as label,
        definition__notification_type as notification_type,

        ---------- content
        definition__content__subject as subject,
        definition__content__preview_text as preview_text,
        definition__content__from_email as from_email,
        definition__content__from_label as from_label,
        definition__content__reply_to_email as reply_to_email,
        definition__content__cc_email as cc_email,
        definition__content__bcc_email as bcc_email,
        definition__content__title as title,
        definition__content__body as body,
        definition__content__media_url as media_url,
        definition__content__dynamic_image as dynamic_image,
        definition__content__action_buttons as action_buttons,
        definition__kv_pairs as key_values,

        ---------- options
        definition__render_options__shorten_links as is_shortening_links,
        definition__render_options__add_org_prefix as is_prefixed_with_organization,
        definition__render_options__add_info_link as is_info_link_added,
        definition__render_options__add_opt_out_language as is_opt_out_added,
        definition__options__on_open__type as on_open,
        definition__options__on_open__ios_deep_link as ios_deep_link,
        definition__options__on_open__android_deep_link as android_deep_link,
        definition__options__on_open__web_url as web_url,
        definition__options__badge__display as is_badge_shown,
        definition__options__badge__badge_options__badge_config as badge_change,
        definition__options__badge__badge_options__value as badge_value,
        definition__options__badge__badge_options__set_from_property as badge_property,
        definition__options__play_sound as is_sound_played,

        ---------- timestamps
        send_times,
        created_at,
        updated_at,

        ---------- bookkeeping
        _deleted_at as deleted_at,
        _deleted_at is not null as is_deleted,
        _dlt_load_id as load_id
    from source
)

select * from final
