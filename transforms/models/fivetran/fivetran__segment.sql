{{ config(alias='segment') }}

with

segments as (
    select * from {{ ref('stg_klaviyo__segments') }}
),

final as (
    select
        segment_id as id,
        segment_name as name,
        condition_groups as definition,
        created_at as created,
        updated_at as updated,
        {{ fivetran_columns() }}
    from segments
)

select * from final
