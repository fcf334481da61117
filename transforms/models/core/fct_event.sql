{{ config(materialized='view') }}

with

events as (
    select * from {{ ref('int_event') }}
    where not is_deleted
),

attributions as (
    select * from {{ ref('int_attribution') }}
),

account as (
    {{ the_account() }}
),

-- An open or a click that is itself what gets the credit, or that names no message, is about the credited message.
joined as (
    select
        events.*,
        attributions.event_id is not null as is_attributed,
        attributions.attribution_id,
        attributions.attributed_event_id,
        attributions.attributed_event_at,
        attributions.attributed_event_class,
        attributions.attributed_profile_id,
        attributions.attributed_channel,
        attributions.attributed_campaign_id,
        attributions.attributed_campaign_message_id,
        attributions.attributed_flow_id,
        attributions.attributed_flow_message_id,
        attributions.attributed_variation_id,
        coalesce(attributions.attributed_campaign_message_id, attributions.attributed_flow_message_id) is not null
        and events.event_class in ('opened', 'clicked', 'spam', 'unsubscribed')
        and (
            attributions.attributed_event_id = events.event_id
            or (events.message_id is null and events.flow_id is null)
        ) as is_credited
    from events
    left join attributions on events.event_id = attributions.event_id
),

final as (
    select
        ---------- ids
        joined.event_id,
        joined.metric_id,
        joined.profile_id,

        ---------- what happened
        joined.event_class,
        joined.channel,
        {{ to_decimal("
            case
                when joined.event_class in ('refund', 'cancel') then -abs(joined.event_value)
                else joined.event_value
            end
        ") }} as event_value,
        case
            when joined.event_value is null and joined.event_class not in ('order', 'refund', 'cancel') then null
            when length(trim(joined.value_currency)) = 3 then upper(trim(joined.value_currency))
            else account.currency
        end as currency,
        coalesce(
            nullif(trim(joined.sender_order_id), ''),
            case
                when joined.event_class in ('order', 'refund', 'cancel')
                    then nullif(trim(joined.sender_event_id), '')
            end
        ) as order_id,

        ---------- the message it is about
        case when joined.is_credited then joined.attributed_campaign_id else joined.campaign_id end as campaign_id,
        case
            when joined.is_credited then joined.attributed_campaign_message_id else joined.campaign_message_id
        end as campaign_message_id,
        case when joined.is_credited then joined.attributed_flow_id else joined.flow_id end as flow_id,
        case
            when joined.is_credited then joined.attributed_flow_message_id
            when joined.flow_id is not null then joined.message_id
        end as flow_message_id,
        case when joined.is_credited then joined.attributed_variation_id else joined.variation_id end as variation_id,
        joined.message_name,
        joined.subject,

        ---------- the message that gets the credit
        joined.is_attributed,
        joined.attribution_id,
        joined.attributed_event_id,
        joined.attributed_event_at,
        joined.attributed_event_class,
        joined.attributed_profile_id,
        joined.attributed_channel,
        joined.attributed_campaign_id,
        joined.attributed_campaign_message_id,
        joined.attributed_flow_id,
        joined.attributed_flow_message_id,
        joined.attributed_variation_id,

        ---------- circumstances
        joined.is_machine_open,
        joined.is_bot_click,
        joined.bounce_type,
        lower(trim(joined.email_domain)) as email_domain,
        joined.inbox_provider,
        joined.client_type,
        joined.url,
        joined.list_id,
        joined.list_name,
        joined.method,
        joined.form_id,
        joined.form_version_id,

        ---------- products
        joined.product_id,
        joined.product_name,
        joined.sku,
        joined.variant_name,
        joined.quantity,
        joined.price,
        joined.item_count,
        joined.discount_codes,

        ---------- timestamps
        joined.occurred_at,
        joined.local_date,
        coalesce(joined.occurred_at > {{ right_now() }}, false) as is_future,

        ---------- bookkeeping
        joined.load_id
    from joined
    cross join account
)

select * from final
