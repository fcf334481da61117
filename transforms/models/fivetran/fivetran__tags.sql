{{ config(alias='tags') }}

with

tags as (
    select * from {{ ref('stg_klaviyo__tags') }}
),

final as (
    select
        tag_id as id,
        tag_group_id,
        tag_name as name,
        {{ fivetran_columns() }}
    from tags
)

select * from final
