{{ config(alias='campaign_message') }}

with

campaign_messages as (
    select * from {{ ref('stg_klaviyo__campaign_messages') }}
),

final as (
    select
        campaign_message_id as id,
        campaign_id,
        template_id,
        channel,
        label,
        subject as content_subject,
        preview_text as content_preview_text,
        from_email as content_from_email,
        from_label as content_from_label,
        reply_to_email as content_reply_to_email,
        cc_email as content_cc_email,
        bcc_email as content_bcc_email,
        body as content_body,
        media_url as content_media_url,
        is_info_link_added as render_options_add_info_link,
        is_opt_out_added as render_options_add_opt_out_language,
        is_prefixed_with_organization as render_options_add_org_prefix,
        is_shortening_links as render_options_shorten_links,
        created_at as created,
        updated_at as updated,
        {{ fivetran_columns() }}
    from campaign_messages
)

select * from final
