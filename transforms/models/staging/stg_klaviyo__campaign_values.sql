{{ staged_report(
    'campaign_values',
    told_by=['campaign_id', 'campaign_message_id', 'variation', 'send_channel', 'conversion_metric_id'],
    period='month',
    statistics=message_statistics(),
) }}
