{{ config(alias='flow_message') }}

with

flow_messages as (
    select * from {{ ref('stg_klaviyo__flow_messages') }}
),

final as (
    select
        flow_message_id as id,
        flow_action_id,
        template_id,
        message_name as name,
        channel,
        subject as content_subject,
        preview_text as content_preview_text,
        from_email as content_from_email,
        from_label as content_from_label,
        reply_to_email as content_reply_to_email,
        cc_email as content_cc_email,
        bcc_email as content_bcc_email,
        created_at as created,
        updated_at as updated,
        {{ fivetran_columns() }}
    from flow_messages
)

select * from final
