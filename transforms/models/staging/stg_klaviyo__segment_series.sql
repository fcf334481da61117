with

source as (
    select * from {{ raw_or_empty('segment_series', {
        'segment_id': 'text',
        'day': 'date',
        'members_added': 'double',
        'members_removed': 'double',
        'net_members_changed': 'double',
        'total_members': 'double',
        '_deleted_at': 'timestamp',
        '_dlt_load_id': 'text',
    }) }}
),

final as (
    select
        ---------- ids
        segment_id,

        ---------- period
        {{ reserved('day') }} as local_date,

        ---------- statistics
        members_added,
        members_removed,
        net_members_changed,
        total_members,

        ---------- bookkeeping
        _deleted_at as deleted_at,
        _deleted_at is not null as is_deleted,
        _dlt_load_id as load_id
    from source
)

select * from final
