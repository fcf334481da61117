with

source as (
    select * from {{ raw_or_empty('campaign_values', {
        'campaign_id': 'text',
        'campaign_message_id': 'text',
        'variation': 'text',
        'send_channel': 'text',
        'conversion_metric_id': 'text',
        'month': 'date',
        'average_order_value': 'double',
        'bounce_rate': 'double',
        'bounced': 'double',
        'bounced_or_failed': 'double',
        'bounced_or_failed_rate': 'double',
        'click_rate': 'double',
        'click_to_open_rate': 'double',
        'clicks': 'double',
        'clicks_unique': 'double',
        'conversion_rate': 'double',
        'conversion_uniques': 'double',
        'conversion_value': 'double',
        'conversions': 'double',
        'delivered': 'double',
        'delivery_rate': 'double',
        'failed': 'double',
        'failed_rate': 'double',
        'message_segment_count_sum': 'double',
        'open_rate': 'double',
        'opens': 'double',
        'opens_unique': 'double',
        'recipients': 'double',
        'revenue_per_recipient': 'double',
        'spam_complaint_rate': 'double',
        'spam_complaints': 'double',
        'text_message_credit_usage_amount': 'double',
        'text_message_roi': 'double',
        'text_message_spend': 'double',
        'unsubscribe_rate': 'double',
        'unsubscribe_uniques': 'double',
        'unsubscribes': 'double',
        '_deleted_at': 'timestamp',
        '_dlt_load_id': 'text',
    }) }}
),

final as (
    select
        ---------- ids
        campaign_id,
        campaign_message_id,
        nullif(variation, '') as variation_id,
        send_channel,
        conversion_metric_id,

        ---------- period
        {{ reserved('month') }} as month_starts_on,

        ---------- statistics
        average_order_value,
        bounce_rate,
        bounced,
        bounced_or_failed,
        bounced_or_failed_rate,
        click_rate,
        click_to_open_rate,
        clicks,
        clicks_unique,
        conversion_rate,
        conversion_uniques,
        conversion_value,
        conversions,
        delivered,
        delivery_rate,
        failed,
        failed_rate,
        message_segment_count_sum,
        open_rate,
        opens,
        opens_unique,
        recipients,
        revenue_per_recipient,
        spam_complaint_rate,
        spam_complaints,
        text_message_credit_usage_amount,
        text_message_roi,
        text_message_spend,
        unsubscribe_rate,
        unsubscribe_uniques,
        unsubscribes,

        ---------- bookkeeping
        _deleted_at as deleted_at,
        _deleted_at is not null as is_deleted,
        _dlt_load_id as load_id
    from source
)

select * from final
