with

source as (
    select * from {{ raw_or_empty('form_series', {
        'form_id': 'text',
        'form_version_id': 'text',
        'day': 'date',
        'closed_form': 'double',
        'closed_form_uniques': 'double',
        'qualified_form': 'double',
        'qualified_form_uniques': 'double',
        'submit_rate': 'double',
        'submits': 'double',
        'submitted_form_step': 'double',
        'submitted_form_step_uniques': 'double',
        'viewed_form': 'double',
        'viewed_form_step': 'double',
        'viewed_form_step_uniques': 'double',
        'viewed_form_uniques': 'double',
        '_deleted_at': 'timestamp',
        '_dlt_load_id': 'text',
    }) }}
),

final as (
    select
        ---------- ids
        form_id,
        form_version_id,

        ---------- period
        {{ reserved('day') }} as local_date,

        ---------- statistics
        closed_form,
        closed_form_uniques,
        qualified_form,
        qualified_form_uniques,
        submit_rate,
        submits,
        submitted_form_step,
        submitted_form_step_uniques,
        viewed_form,
        viewed_form_step,
        viewed_form_step_uniques,
        viewed_form_uniques,

        ---------- bookkeeping
        _deleted_at as deleted_at,
        _deleted_at is not null as is_deleted,
        _dlt_load_id as load_id
    from source
)

select * from final
