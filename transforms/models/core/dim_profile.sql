with

profiles as (
    select * from {{ ref('stg_klaviyo__profiles') }}
),

predictions as (
    select * from {{ ref('stg_klaviyo__profile_predictions') }}
    where not is_deleted
),

suppressions as (
    select
        profile_id,
        min(reason) as reason,
        min(suppressed_at) as suppressed_at
    from {{ ref('stg_klaviyo__profile_suppressions') }}
    where not is_deleted
    group by profile_id
),

orders as (
    select
        profile_id,
        cast(count(*) as bigint) as orders,
        {{ to_decimal('sum(case when is_account_currency then net_amount else 0 end)') }} as net_revenue,
        min(local_date) as first_order_date,
        max(local_date) as last_order_date
    from {{ ref('fct_order') }}
    where profile_id is not null
    group by profile_id
),

final as (
    select
        ---------- ids
        profiles.profile_id,
        profiles.external_id,

        ---------- who it is
        profiles.email,
        lower(nullif(trim({{ piece('profiles.email', '@', 2) }}), '')) as email_domain,
        profiles.phone_number,
        profiles.first_name,
        profiles.last_name,
        nullif(
            trim(coalesce(trim(profiles.first_name), '') || ' ' || coalesce(trim(profiles.last_name), '')), ''
        ) as full_name,
        profiles.organization,
        profiles.job_title,
        profiles.city,
        profiles.region,
        profiles.zip,
        profiles.country,
        profiles.timezone,
        profiles.locale,

        ---------- consent
        profiles.email_consent,
        profiles.email_consented_at,
        profiles.email_consent_method,
        profiles.can_receive_email,
        profiles.sms_consent,
        profiles.sms_consented_at,
        profiles.can_receive_sms,
        profiles.push_consent,
        profiles.can_receive_push,
        profiles.whatsapp_consent,
        profiles.can_receive_whatsapp,
        suppressions.profile_id is not null as is_suppressed,
        suppressions.reason as suppression_reason,
        suppressions.suppressed_at,

        ---------- orders
        coalesce(orders.orders, 0) as orders,
        {{ to_decimal('coalesce(orders.net_revenue, 0)') }} as net_revenue,
        orders.first_order_date,
        orders.last_order_date,

        ---------- what Klaviyo expects
        predictions.historic_clv,
        predictions.predicted_clv,
        predictions.total_clv,
        predictions.churn_probability,
        predictions.next_order_expected_at,

        ---------- timestamps
        profiles.created_at,
        profiles.updated_at,
        profiles.last_event_at,
        profiles.is_deleted
    from profiles
    left join predictions on profiles.profile_id = predictions.profile_id
    left join suppressions on profiles.profile_id = suppressions.profile_id
    left join orders on profiles.profile_id = orders.profile_id
)

select * from final
