{{ staged_report(
    'flow_values',
    told_by=['flow_id', 'flow_message_id', 'variation', 'send_channel', 'conversion_metric_id'],
    period='month',
    statistics=message_statistics(),
) }}
