{{ config(alias='flow_action') }}

with

actions as (
    select * from {{ ref('stg_klaviyo__flow_actions') }}
),

-- The variations of a test are sent in one way.
numbered_messages as (
    select
        *,
        row_number() over (
            partition by flow_action_id
            order by is_deleted asc, created_at asc nulls last, flow_message_id asc
        ) as number
    from {{ ref('stg_klaviyo__flow_messages') }}
),

first_messages as (
    select * from numbered_messages
    where number = 1
),

final as (
    select
        actions.flow_action_id as id,
        actions.flow_id,
        actions.action_type,
        actions.status,
        first_messages.is_info_link_added as render_options_add_info_link,
        first_messages.is_opt_out_added as render_options_add_opt_out_language,
        first_messages.is_prefixed_with_organization as render_options_add_org_prefix,
        first_messages.is_contact_card_included as render_options_include_contact_card,
        first_messages.is_shortening_links as render_options_shorten_links,
        first_messages.is_transactional as send_options_is_transactional,
        first_messages.is_smart_sending as send_options_use_smart_sending,
        first_messages.is_adding_utm_parameters as tracking_options_add_utm,
        actions.created_at as created,
        actions.updated_at as updated,
        {{ fivetran_columns('actions') }}
    from actions
    left join first_messages on actions.flow_action_id = first_messages.flow_action_id
)

select * from final
