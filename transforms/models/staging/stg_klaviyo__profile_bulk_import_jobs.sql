with

source as (
    select * from {{ source('klaviyo', 'profile_bulk_import_jobs') }}
),

final as (
    select
        ---------- ids
        id as job_id,

        ---------- what became of it
        status,
        total_count,
        completed_count,
        failed_count,

        ---------- timestamps
        created_at,
        started_at,
        completed_at,
        expires_at,

        ---------- bookkeeping
        _deleted_at as deleted_at,
        _deleted_at is not null as is_deleted,
        _dlt_load_id as load_id
    from source
)

select * from final
