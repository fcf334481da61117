{{ config(alias='campaign_tag') }}

with

campaign_tags as (
    select * from {{ ref('stg_klaviyo__campaign_tags') }}
),

final as (
    select
        campaign_id,
        tag_id,
        {{ fivetran_columns() }}
    from campaign_tags
)

select * from final
