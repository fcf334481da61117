{{ config(alias='integration') }}

with

metrics as (
    select * from {{ ref('stg_klaviyo__metrics') }}
),

final as (
    select
        integration_id as id,
        max(integration_name) as name,
        max(integration_category) as category,
        count(case when not is_deleted then 1 end) = 0 as _fivetran_deleted,
        max(coalesce(deleted_at, {{ load_time('load_id') }})) as _fivetran_synced
    from metrics
    where integration_id is not null
    group by integration_id
)

select * from final
