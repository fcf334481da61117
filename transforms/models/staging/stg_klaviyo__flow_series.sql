{{ staged_report(
    'flow_series',
    told_by=['flow_id', 'flow_message_id', 'variation', 'send_channel', 'conversion_metric_id'],
    period='day',
    statistics=message_statistics(),
) }}
