{{ config(alias='list_person') }}

with

list_memberships as (
    select * from {{ ref('stg_klaviyo__list_memberships') }}
),

final as (
    select
        list_id,
        profile_id as person_id,
        joined_at as joined_group_at,
        {{ fivetran_columns() }}
    from list_memberships
)

select * from final
