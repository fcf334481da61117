{{ staged_report(
    'form_series',
    told_by=['form_id', 'form_version_id'],
    period='day',
    statistics=form_statistics(),
) }}
