with

source as (
    select * from {{ source('klaviyo', 'form_versions') }}
),

final as (
    select
        ---------- ids
        id as form_version_id,
        form_id,

        ---------- what it is
        form_type,
        variation_name,
        ab_test__variation_name as test_variation_name,
        status,

        ---------- timestamps
        created_at,
        updated_at,

        ---------- bookkeeping
        _deleted_at as deleted_at,
        _deleted_at is not null as is_deleted,
        _dlt_load_id as load_id
    from source
)

select * from final
