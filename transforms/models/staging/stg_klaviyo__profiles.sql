with

source as (
    select * from {{ source('klaviyo', 'profiles') }}
),

final as (
    select
        ---------- ids
        id as profile_id,
        external_id,

        ---------- person
        email,
        phone_number,
        first_name,
        last_name,
        organization,
        title as job_title,
        locale,
        image as image_url,
        properties,

        ---------- place
        location__address1 as address1,
        location__address2 as address2,
        location__city as city,
        location__region as region,
        location__zip as zip,
        location__country as country,
        location__latitude as latitude,
        location__longitude as longitude,
        location__timezone as timezone,
        location__ip as ip_address,

        ---------- e-mail marketing
        subscriptions__email__marketing__can_receive_email_marketing as can_receive_email,
        subscriptions__email__marketing__consent as email_consent,
        subscriptions__email__marketing__consent_timestamp as email_consented_at,
        subscriptions__email__marketing__last_updated as email_consent_updated_at,
        subscriptions__email__marketing__method as email_consent_method,
        subscriptions__email__marketing__method_detail as email_consent_method_detail,
        subscriptions__email__marketing__custom_method_detail as email_consent_custom_method_detail,
        subscriptions__email__marketing__double_optin as is_email_double_opt_in,
        subscriptions__email__marketing__suppression as email_suppressions,
        subscriptions__email__marketing__list_suppressions as email_list_suppressions,

        ---------- tracking of opens
        subscriptions__email__open_tracking__consent as open_tracking_consent,
        subscriptions__email__open_tracking__consent_timestamp as open_tracking_consented_at,
        subscriptions__email__open_tracking__last_updated as open_tracking_consent_updated_at,
        subscriptions__email__open_tracking__created_timestamp as open_tracking_consent_created_at,
        subscriptions__email__open_tracking__metadata as open_tracking_consent_metadata,
        subscriptions__email__open_tracking__can_receive as can_receive_open_tracking,
        subscriptions__email__open_tracking__valid_until as open_tracking_consent_valid_until,

        ---------- sms marketing
        subscriptions__sms__marketing__can_receive_sms_marketing as can_receive_sms,
        subscriptions__sms__marketing__consent as sms_consent,
        subscriptions__sms__marketing__consent_timestamp as sms_consented_at,
        subscriptions__sms__marketing__last_updated as sms_consent_updated_at,
        subscriptions__sms__marketing__method as sms_consent_method,
        subscriptions__sms__marketing__method_detail as sms_consent_method_detail,

        ---------- sms about orders
        {{ long_named('subscriptions__sms__transactional__can_receive_sms_transactional') }}
            as can_receive_sms_transactional,
        subscriptions__sms__transactional__consent as sms_transactional_consent,
        subscriptions__sms__transactional__consent_timestamp as sms_transactional_consented_at,
        subscriptions__sms__transactional__last_updated as sms_transactional_consent_updated_at,
        subscriptions__sms__transactional__method as sms_transactional_consent_method,
        subscriptions__sms__transactional__method_detail as sms_transactional_consent_method_detail,

        ---------- push marketing
        {{ long_named('subscriptions__mobile_push__marketing__can_receive_push_marketing') }}
            as can_receive_push,
        subscriptions__mobile_push__marketing__consent as push_consent,
        subscriptions__mobile_push__marketing__consent_timestamp as push_consented_at,

        ---------- whatsapp marketing
        subscriptions__whatsapp__marketing__consent as whatsapp_consent,
        subscriptions__whatsapp__marketing__consent_timestamp as whatsapp_consented_at,
        subscriptions__whatsapp__marketing__last_updated as whatsapp_consent_updated_at,
        subscriptions__whatsapp__marketing__created_timestamp as whatsapp_consent_created_at,
        subscriptions__whatsapp__marketing__metadata as whatsapp_consent_metadata,
        subscriptions__whatsapp__marketing__can_receive as can_receive_whatsapp,
        subscriptions__whatsapp__marketing__valid_until as whatsapp_consent_valid_until,
        subscriptions__whatsapp__marketing__phone_number as whatsapp_phone_number,

        ---------- whatsapp about orders
        subscriptions__whatsapp__transactional__consent as whatsapp_transactional_consent,
        subscriptions__whatsapp__transactional__consent_timestamp as whatsapp_transactional_consented_at,
        subscriptions__whatsapp__transactional__last_updated as whatsapp_transactional_consent_updated_at,
        subscriptions__whatsapp__transactional__created_timestamp as whatsapp_transactional_consent_created_at,
        subscriptions__whatsapp__transactional__metadata as whatsapp_transactional_consent_metadata,
        subscriptions__whatsapp__transactional__can_receive as can_receive_whatsapp_transactional,
        subscriptions__whatsapp__transactional__valid_until as whatsapp_transactional_consent_valid_until,
        subscriptions__whatsapp__transactional__phone_number as whatsapp_transactional_phone_number,

        ---------- whatsapp conversations
        subscriptions__whatsapp__conversational__consent as whatsapp_conversational_consent,
        subscriptions__whatsapp__conversational__consent_timestamp as whatsapp_conversational_consented_at,
        subscriptions__whatsapp__conversational__last_updated as whatsapp_conversational_consent_updated_at,
        subscriptions__whatsapp__conversational__created_timestamp as whatsapp_conversational_consent_created_at,
        subscriptions__whatsapp__conversational__metadata as whatsapp_conversational_consent_metadata,
        subscriptions__whatsapp__conversational__can_receive as can_receive_whatsapp_conversational,
        subscriptions__whatsapp__conversational__valid_until as whatsapp_conversational_consent_valid_until,
        subscriptions__whatsapp__conversational__phone_number as whatsapp_conversational_phone_number,

        ---------- timestamps
        created as created_at,
        updated as updated_at,
        last_event_date as last_event_at,

        ---------- bookkeeping
        _deleted_at as deleted_at,
        _deleted_at is not null as is_deleted,
        _dlt_load_id as load_id
    from source
)

select * from final
