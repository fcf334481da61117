{{ config(alias='metric') }}

with

metrics as (
    select * from {{ ref('stg_klaviyo__metrics') }}
),

final as (
    select
        metric_id as id,
        metric_name as name,
        integration_id,
        integration_name,
        integration_category,
        case when integration_id is not null then 'integration' end as integration_object,
        created_at as created,
        updated_at as updated,
        {{ fivetran_columns() }}
    from metrics
)

select * from final
