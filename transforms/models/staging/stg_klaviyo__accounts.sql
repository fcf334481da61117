with

source as (
    select * from {{ source('klaviyo', 'accounts') }}
),

final as (
    select
        ---------- ids
        id as account_id,

        ---------- settings
        timezone,
        preferred_currency,
        locale,
        industry,
        public_api_key,
        test_account as is_test_account,

        ---------- contact
        contact_information__organization_name as organization_name,
        contact_information__default_sender_name as default_sender_name,
        contact_information__default_sender_email as default_sender_email,
        contact_information__website_url as website_url,
        contact_information__street_address__address1 as address1,
        contact_information__street_address__address2 as address2,
        contact_information__street_address__city as city,
        contact_information__street_address__region as region,
        contact_information__street_address__country as country,
        contact_information__street_address__zip as zip,

        ---------- bookkeeping
        _deleted_at as deleted_at,
        _deleted_at is not null as is_deleted,
        _dlt_load_id as load_id
    from source
)

select * from final
