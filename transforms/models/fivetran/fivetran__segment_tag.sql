{{ config(alias='segment_tag') }}

with

segment_tags as (
    select * from {{ ref('stg_klaviyo__segment_tags') }}
),

final as (
    select
        segment_id,
        tag_id,
        {{ fivetran_columns() }}
    from segment_tags
)

select * from final
