{{ staged_report(
    'segment_values',
    told_by=['segment_id'],
    period='month',
    statistics=segment_statistics(),
) }}
