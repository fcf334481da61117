with

accounts as (
    select * from {{ ref('stg_klaviyo__accounts') }}
),

ranked as (
    select
        accounts.*,
        row_number() over (order by is_deleted, account_id) as place
    from accounts
),

final as (
    select
        account_id,
        organization_name,
        website_url,
        industry,
        locale,
        coalesce(nullif(timezone, ''), 'UTC') as timezone,
        coalesce(nullif(upper(preferred_currency), ''), {{ no_currency() }}) as currency,
        is_test_account
    from ranked
    where place = 1
)

select * from final
