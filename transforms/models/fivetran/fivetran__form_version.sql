{{ config(alias='form_version') }}

with

form_versions as (
    select * from {{ ref('stg_klaviyo__form_versions') }}
),

final as (
    select
        form_version_id as id,
        form_id,
        form_type,
        status,
        test_variation_name as ab_test_variation_name,
        created_at,
        updated_at,
        {{ fivetran_columns() }}
    from form_versions
)

select * from final
