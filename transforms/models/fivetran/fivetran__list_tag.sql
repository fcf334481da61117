{{ config(alias='list_tag') }}

with

list_tags as (
    select * from {{ ref('stg_klaviyo__list_tags') }}
),

final as (
    select
        list_id,
        tag_id,
        {{ fivetran_columns() }}
    from list_tags
)

select * from final
