{{ config(alias='list_exclusion') }}

with

profile_list_suppressions as (
    select * from {{ ref('stg_klaviyo__profile_list_suppressions') }}
),

final as (
    select
        profile_id as id,
        list_id,
        suppressed_at as created,
        reason,
        {{ fivetran_columns() }}
    from profile_list_suppressions
)

select * from final
