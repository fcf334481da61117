with

source as (
    select * from {{ source('klaviyo', 'campaign_messages') }}
),

-- From revision 2026-10-15 on, a message's variations say what it said itself before. Most have one; of several, the
-- first stands for all.
numbered as (
    select
        *,
        row_number() over (
            partition by campaign_message_id
            order by created_at, campaign_variation_id
        ) as number,
        count(*) over (partition by campaign_message_id) as variations
    from {{ ref('stg_klaviyo__campaign_variations') }}
    where not is_deleted
),

first_variation as (
    select * from numbered
    where number = 1
),

final as (
    select
        ---------- ids
        source.id as campaign_message_id,
        source.campaign_id,
        source.campaign_audience_id,
        coalesce(source.template_id, first_variation.template_id) as template_id,
        coalesce(source.image_id, first_variation.image_id) as image_id,

        ---------- what it is
        coalesce(source.definition__channel, first_variation.channel) as channel,
        coalesce(source.definition__label, first_variation.variation_name) as label,
        coalesce(source.definition__notification_type, first_variation.notification_type) as notification_type,
        first_variation.variations,
        source.definition__name as message_name,
        source.definition__status as status,

        ---------- content
        coalesce(source.definition__content__subject, first_variation.subject) as subject,
        coalesce(source.definition__content__preview_text, first_variation.preview_text) as preview_text,
        coalesce(source.definition__content__from_email, first_variation.from_email) as from_email,
        coalesce(source.definition__content__from_label, first_variation.from_label) as from_label,
        coalesce(source.definition__content__reply_to_email, first_variation.reply_to_email) as reply_to_email,
        coalesce(source.definition__content__cc_email, first_variation.cc_email) as cc_email,
        coalesce(source.definition__content__bcc_email, first_variation.bcc_email) as bcc_email,
        coalesce(source.definition__content__title, first_variation.title) as title,
        coalesce(source.definition__content__body, first_variation.body) as body,
        source.definition__content__media_url as media_url,
        coalesce(source.definition__content__dynamic_image, first_variation.dynamic_image) as dynamic_image,
        coalesce(source.definition__content__action_buttons, first_variation.action_buttons) as action_buttons,
        coalesce(source.definition__kv_pairs, first_variation.key_values) as key_values,

        ---------- options
        coalesce(
            source.definition__render_options__shorten_links, first_variation.is_shortening_links
        ) as is_shortening_links,
        coalesce(
            source.definition__render_options__add_org_prefix, first_variation.is_prefixed_with_organization
        ) as is_prefixed_with_organization,
        coalesce(
            source.definition__render_options__add_info_link, first_variation.is_info_link_added
        ) as is_info_link_added,
        coalesce(
            source.definition__render_options__add_opt_out_language, first_variation.is_opt_out_added
        ) as is_opt_out_added,
        source.definition__options__on_open__type as on_open,
        coalesce(source.definition__options__on_open__ios_deep_link, first_variation.ios_deep_link) as ios_deep_link,
        coalesce(
            source.definition__options__on_open__android_deep_link, first_variation.android_deep_link
        ) as android_deep_link,
        coalesce(source.definition__options__on_open__web_url, first_variation.web_url) as web_url,
        coalesce(source.definition__options__badge__display, first_variation.is_badge_shown) as is_badge_shown,
        coalesce(
            source.definition__options__badge__badge_options__badge_config, first_variation.badge_change
        ) as badge_change,
        coalesce(source.definition__options__badge__badge_options__value, first_variation.badge_value) as badge_value,
        source.definition__options__badge__badge_options__set_from_property as badge_property,
        coalesce(source.definition__options__play_sound, first_variation.is_sound_played) as is_sound_played,

        ---------- how it is sent
        source.definition__send_options__send_strategy as send_strategy,
        source.definition__send_options__recipient_percentage as recipient_percentage,
        source.definition__send_options__throttling_type as throttling_type,
        source.definition__send_options__throttle_unit as throttle_unit,
        source.definition__send_options__is_ignoring_unsubscribes as is_ignoring_unsubscribes,
        source.definition__tracking_options__is_tracking_opens as is_tracking_opens,
        source.definition__tracking_options__is_tracking_clicks as is_tracking_clicks,
        source.definition__tracking_options__is_add_utm as is_adding_utm_parameters,
        source.definition__ab_test__winner_metric as test_winner_metric,
        source.definition__ab_test__winner_percentage as test_winner_percentage,
        source.definition__ab_test__winner_wait_hours as test_winner_wait_hours,

        ---------- timestamps
        source.definition__send_options__send_time as send_time,
        source.definition__send_options__send_times as variation_send_times,
        source.send_times,
        coalesce(source.created, source.created_at) as created_at,
        coalesce(source.updated, source.updated_at) as updated_at,

        ---------- bookkeeping
        source._deleted_at as deleted_at,
        source._deleted_at is not null as is_deleted,
        source._dlt_load_id as load_id
    from source
    left join first_variation on source.id = first_variation.campaign_message_id
)

select * from final
