{{ config(alias='email_template') }}

with

templates as (
    select * from {{ ref('stg_klaviyo__templates') }}
),

final as (
    select
        template_id as id,
        template_name as name,
        editor_type,
        html_body as html,
        text_body as {{ reserved('text') }},
        created_at as created,
        updated_at as updated,
        {{ fivetran_columns() }}
    from templates
)

select * from final
