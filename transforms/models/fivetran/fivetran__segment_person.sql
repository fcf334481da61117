{{ config(alias='segment_person') }}

with

segment_memberships as (
    select * from {{ ref('stg_klaviyo__segment_memberships') }}
),

final as (
    select
        segment_id,
        profile_id as person_id,
        {{ fivetran_columns() }}
    from segment_memberships
)

select * from final
