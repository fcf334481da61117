{{ config(alias='form') }}

with

forms as (
    select * from {{ ref('stg_klaviyo__forms') }}
),

final as (
    select
        form_id as id,
        form_name as name,
        status,
        is_ab_test as ab_test,
        created_at,
        updated_at,
        {{ fivetran_columns() }}
    from forms
)

select * from final
