{{ config(alias='global_exclusion') }}

with

profile_suppressions as (
    select * from {{ ref('stg_klaviyo__profile_suppressions') }}
),

final as (
    select
        profile_id as person_id,
        reason,
        suppressed_at as {{ reserved('timestamp') }},
        {{ fivetran_columns() }}
    from profile_suppressions
)

select * from final
