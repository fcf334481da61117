{{ config(alias='tag_group') }}

with

tag_groups as (
    select * from {{ ref('stg_klaviyo__tag_groups') }}
),

final as (
    select
        tag_group_id as id,
        tag_group_name as name,
        is_default as {{ reserved('default') }},
        is_exclusive as exclusive,
        {{ fivetran_columns() }}
    from tag_groups
)

select * from final
