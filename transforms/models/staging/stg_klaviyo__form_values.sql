{{ staged_report(
    'form_values',
    told_by=['form_id', 'form_version_id'],
    period='month',
    statistics=form_statistics(),
) }}
