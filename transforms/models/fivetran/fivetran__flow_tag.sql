{{ config(alias='flow_tag') }}

with

flow_tags as (
    select * from {{ ref('stg_klaviyo__flow_tags') }}
),

final as (
    select
        flow_id,
        tag_id,
        {{ fivetran_columns() }}
    from flow_tags
)

select * from final
