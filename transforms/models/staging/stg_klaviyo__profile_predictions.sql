with

source as (
    select * from {{ raw_or_empty('profile_predictions', {
        'id': 'text',
        'predictive_analytics__historic_clv': 'double',
        'predictive_analytics__predicted_clv': 'double',
        'predictive_analytics__total_clv': 'double',
        'predictive_analytics__historic_number_of_orders': 'double',
        'predictive_analytics__predicted_number_of_orders': 'double',
        'predictive_analytics__average_days_between_orders': 'double',
        'predictive_analytics__average_order_value': 'double',
        'predictive_analytics__churn_probability': 'double',
        'predictive_analytics__expected_date_of_next_order': 'timestamp',
        'predictive_analytics__ranked_channel_affinity': 'json',
        '_deleted_at': 'timestamp',
        '_dlt_load_id': 'text',
    }) }}
),

final as (
    select
        ---------- ids
        id as profile_id,

        ---------- expectations
        predictive_analytics__historic_clv as historic_clv,
        predictive_analytics__predicted_clv as predicted_clv,
        predictive_analytics__total_clv as total_clv,
        predictive_analytics__historic_number_of_orders as historic_number_of_orders,
        predictive_analytics__predicted_number_of_orders as predicted_number_of_orders,
        predictive_analytics__average_days_between_orders as average_days_between_orders,
        predictive_analytics__average_order_value as average_order_value,
        predictive_analytics__churn_probability as churn_probability,
        predictive_analytics__expected_date_of_next_order as next_order_expected_at,
        predictive_analytics__ranked_channel_affinity as channel_affinity,

        ---------- bookkeeping
        _deleted_at as deleted_at,
        _deleted_at is not null as is_deleted,
        _dlt_load_id as load_id
    from source
)

select * from final
