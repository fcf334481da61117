{{ staged_report(
    'segment_series',
    told_by=['segment_id'],
    period='day',
    statistics=segment_statistics(),
) }}
