{{ config(alias='list') }}

with

lists as (
    select * from {{ ref('stg_klaviyo__lists') }}
),

final as (
    select
        list_id as id,
        list_name,
        created_at as created,
        updated_at as updated,
        {{ fivetran_columns() }}
    from lists
)

select * from final
