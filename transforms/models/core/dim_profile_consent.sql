{#
  What staging calls the consent of each channel to each purpose. A column that a channel does not have is left out.
#}
{%- set consents = [
    {
        'channel': 'email', 'purpose': 'marketing', 'status': 'email_consent', 'allowed': 'can_receive_email',
        'consented_at': 'email_consented_at', 'updated_at': 'email_consent_updated_at',
        'method': 'email_consent_method', 'method_detail': 'email_consent_method_detail',
        'custom_method_detail': 'email_consent_custom_method_detail', 'double_opt_in': 'is_email_double_opt_in',
    },
    {
        'channel': 'email', 'purpose': 'open_tracking', 'status': 'open_tracking_consent',
        'allowed': 'can_receive_open_tracking', 'consented_at': 'open_tracking_consented_at',
        'updated_at': 'open_tracking_consent_updated_at', 'valid_until': 'open_tracking_consent_valid_until',
    },
    {
        'channel': 'sms', 'purpose': 'marketing', 'status': 'sms_consent', 'allowed': 'can_receive_sms',
        'consented_at': 'sms_consented_at', 'updated_at': 'sms_consent_updated_at',
        'method': 'sms_consent_method', 'method_detail': 'sms_consent_method_detail',
    },
    {
        'channel': 'sms', 'purpose': 'transactional', 'status': 'sms_transactional_consent',
        'allowed': 'can_receive_sms_transactional', 'consented_at': 'sms_transactional_consented_at',
        'updated_at': 'sms_transactional_consent_updated_at', 'method': 'sms_transactional_consent_method',
        'method_detail': 'sms_transactional_consent_method_detail',
    },
    {
        'channel': 'mobile_push', 'purpose': 'marketing', 'status': 'push_consent', 'allowed': 'can_receive_push',
        'consented_at': 'push_consented_at',
    },
    {
        'channel': 'whatsapp', 'purpose': 'marketing', 'status': 'whatsapp_consent',
        'allowed': 'can_receive_whatsapp', 'consented_at': 'whatsapp_consented_at',
        'updated_at': 'whatsapp_consent_updated_at', 'valid_until': 'whatsapp_consent_valid_until',
    },
    {
        'channel': 'whatsapp', 'purpose': 'transactional', 'status': 'whatsapp_transactional_consent',
        'allowed': 'can_receive_whatsapp_transactional', 'consented_at': 'whatsapp_transactional_consented_at',
        'updated_at': 'whatsapp_transactional_consent_updated_at',
        'valid_until': 'whatsapp_transactional_consent_valid_until',
    },
    {
        'channel': 'whatsapp', 'purpose': 'conversational', 'status': 'whatsapp_conversational_consent',
        'allowed': 'can_receive_whatsapp_conversational', 'consented_at': 'whatsapp_conversational_consented_at',
        'updated_at': 'whatsapp_conversational_consent_updated_at',
        'valid_until': 'whatsapp_conversational_consent_valid_until',
    },
] -%}
{#- Nulls of the types that the other channels have. -#}
{%- set unsaid = 'case when 1 = 0 then email_consent end' -%}
{%- set unknown = 'case when 1 = 0 then can_receive_email end' -%}
{%- set never = 'case when 1 = 0 then created_at end' -%}
with

profiles as (
    select * from {{ ref('stg_klaviyo__profiles') }}
),

suppressions as (
    select * from {{ ref('stg_klaviyo__profile_suppressions') }}
),

consents as (
    {% for consent in consents %}
    select
        profile_id,
        '{{ consent.channel }}' as channel,
        '{{ consent.purpose }}' as purpose,
        {{ consent.status }} as consent_status,
        {{ consent.allowed }} as is_sending_allowed,
        {{ consent.method or unsaid }} as method,
        {{ consent.method_detail or unsaid }} as method_detail,
        {{ consent.custom_method_detail or unsaid }} as custom_method_detail,
        {{ consent.double_opt_in or unknown }} as is_double_opt_in,
        {{ consent.consented_at }} as consented_at,
        {{ consent.updated_at or never }} as updated_at,
        {{ consent.valid_until or never }} as valid_until
    from profiles
    where
        not is_deleted
        and ({{ consent.status }} is not null or {{ consent.allowed }} is not null)
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

-- What a suppression keeps from being sent is told by columns: conditions on the consents alone make DuckDB compare
-- all pairs.
latest as (
    select
        profile_id,
        'email' as channel,
        'marketing' as purpose,
        reason,
        suppressed_at,
        count(*) over (partition by profile_id) as reasons,
        row_number() over (partition by profile_id order by suppressed_at desc nulls last, reason asc) as place
    from suppressions
    where not is_deleted
),

final as (
    select
        consents.*,
        latest.reason as suppression_reason,
        latest.suppressed_at,
        cast(coalesce(latest.reasons, 0) as bigint) as suppression_count
    from consents
    left join latest
        on
            consents.profile_id = latest.profile_id
            and consents.channel = latest.channel
            and consents.purpose = latest.purpose
            and latest.place = 1
)

select * from final
