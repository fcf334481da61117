{{ config(alias='flow') }}

with

flows as (
    select * from {{ ref('stg_klaviyo__flows') }}
),

final as (
    select
        flow_id as id,
        flow_name as name,
        status,
        is_archived as archived,
        trigger_type,
        created_at as created,
        updated_at as updated,
        {{ fivetran_columns() }}
    from flows
)

select * from final
