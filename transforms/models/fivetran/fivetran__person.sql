{{ config(alias='person') }}

with

profiles as (
    select * from {{ ref('stg_klaviyo__profiles') }}
),

predictions as (
    select * from {{ ref('stg_klaviyo__profile_predictions') }}
),

final as (
    select
        profiles.profile_id as id,
        profiles.external_id,
        profiles.email,
        profiles.phone_number,
        profiles.first_name,
        profiles.last_name,
        profiles.organization,
        profiles.job_title as title,
        profiles.image_url as image,
        profiles.address1 as address_1,
        profiles.address2 as address_2,
        profiles.city,
        profiles.region,
        profiles.zip,
        profiles.country,
        profiles.latitude,
        profiles.longitude,
        profiles.timezone,
        profiles.ip_address as ip,
        profiles.can_receive_email as subscriptions_email_marketing_can_receive_email_marketing,
        profiles.email_consent as subscriptions_email_marketing_consent,
        profiles.email_consented_at as subscriptions_email_marketing_timestamp,
        profiles.email_consent_updated_at as subscriptions_email_marketing_last_updated,
        profiles.email_consent_method as subscriptions_email_marketing_method,
        profiles.email_consent_method_detail as subscriptions_email_marketing_method_detail,
        profiles.email_consent_custom_method_detail as subscriptions_email_marketing_custom_method_detail,
        profiles.is_email_double_opt_in as subscriptions_email_marketing_double_optin,
        profiles.can_receive_sms as subscriptions_sms_marketing_can_receive_sms_marketing,
        profiles.sms_consent as subscriptions_sms_marketing_consent,
        profiles.sms_consented_at as subscriptions_sms_marketing_timestamp,
        profiles.sms_consent_updated_at as subscriptions_sms_marketing_last_updated,
        profiles.sms_consent_method as subscriptions_sms_marketing_method,
        profiles.sms_consent_method_detail as subscriptions_sms_marketing_method_detail,
        predictions.average_days_between_orders as predictive_analytics_average_days_between_orders,
        predictions.average_order_value as predictive_analytics_average_order_value,
        predictions.churn_probability as predictive_analytics_churn_probability,
        predictions.next_order_expected_at as predictive_analytics_expected_date_of_next_order,
        predictions.historic_clv as predictive_analytics_historic_clv,
        predictions.historic_number_of_orders as predictive_analytics_historic_number_of_orders,
        predictions.predicted_clv as predictive_analytics_predicted_clv,
        predictions.predicted_number_of_orders as predictive_analytics_predicted_number_of_orders,
        predictions.total_clv as predictive_analytics_total_clv,
        profiles.properties as custom_fields,
        {{- fivetran_properties('klaviyo_fivetran_person_columns', 'profiles.properties') }}
        profiles.created_at as created,
        profiles.updated_at as updated,
        profiles.last_event_at as last_event_date,
        {{ fivetran_columns('profiles') }}
    from profiles
    left join predictions on profiles.profile_id = predictions.profile_id
)

select * from final
