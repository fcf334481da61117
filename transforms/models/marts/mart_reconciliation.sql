{#
  What the marts and Klaviyo's reports both tell. `otherwise` is the same thing counted as Klaviyo may count it: where that
  agrees, `because` is the cause of the difference.
-#}
{%- set statistics = {
    'delivered': {'otherwise': 'receipts', 'because': 'a person who got it more than once counts once here'},
    'bounced': {'otherwise': 'bounces', 'because': 'a person for whom it bounced more than once counts once here'},
    'failed': {'otherwise': 'failures', 'because': 'dropped e-mails count as failed here'},
    'recipients': {'otherwise': 'sends', 'because': 'dropped e-mails count here, and a person counts once'},
    'opens': {},
    'opens_unique': {'otherwise': 'openers', 'because': 'only those to whom it was delivered count here'},
    'clicks': {},
    'clicks_unique': {'otherwise': 'clickers', 'because': 'only those to whom it was delivered count here'},
    'unsubscribes': {},
    'unsubscribe_uniques': {'otherwise': 'unsubscribers', 'because': 'only those to whom it was delivered count here'},
    'spam_complaints': {'otherwise': 'complaints', 'because': 'a complainer counts once here'},
    'conversions': {
        'otherwise': 'told_conversions', 'because': 'an order that two integrations tell of counts once here'
    },
    'conversion_uniques': {
        'otherwise': 'told_converters', 'because': 'an order that two integrations tell of counts once here'
    },
    'conversion_value': {
        'otherwise': 'told_value', 'because': 'orders told twice and in other currencies are left out here'
    },
} -%}
{%- set conversions = ['conversions', 'conversion_uniques', 'conversion_value'] -%}

with

metrics as (
    select * from {{ ref('dim_metric') }}
),

history as (
    select {{ month_of('min(local_date)') }} as first_month from {{ ref('fct_event') }}
    where event_class in ('received', 'bounced')
),

today as (
    select {{ month_of('max(local_date)') }} as this_month from {{ ref('dim_date') }}
    where is_today
),

reports as (
    select
        'campaign' as message_type,
        campaign_id as sender_id,
        campaign_message_id as message_id,
        variation_id,
        conversion_metric_id,
        month_starts_on,
        {{ statistics | join(', ') }}
    from {{ ref('stg_klaviyo__campaign_values') }}
    where not is_deleted

    union all

    select
        'flow' as message_type,
        flow_id as sender_id,
        flow_message_id as message_id,
        variation_id,
        conversion_metric_id,
        month_starts_on,
        {{ statistics | join(', ') }}
    from {{ ref('stg_klaviyo__flow_values') }}
    where not is_deleted
),

-- A message may go out on several channels, which are rows of their own.
reported as (
    select
        message_type,
        coalesce(variation_id, message_id) as subject_id,
        month_starts_on,
        conversion_metric_id,
        min(sender_id) as sender_id,
        min(message_id) as message_id,
        min(variation_id) as variation_id,
        {%- for statistic in statistics %}
        sum(coalesce({{ statistic }}, 0)) as {{ statistic }}{%- if not loop.last %},{% endif %}
        {%- endfor %}
    from reports
    group by message_type, coalesce(variation_id, message_id), month_starts_on, conversion_metric_id
),

-- Of messages that the reports tell of: there may be none.
events as (
    select
        events.*,
        coalesce(events.variation_id, events.message_id) as subject_id,
        {{ month_of('events.send_date') }} as send_month
    from {{ ref('int_message_event') }} as events
    where events.send_date is not null
        and events.message_id is not null
        and coalesce(events.variation_id, events.message_id) in (select reported.subject_id from reported)
),

people as (
    select
        subject_id,
        send_month,
        profile_id,
        max(case when event_class = 'bounced' then 1 else 0 end) as is_bounced,
        max(case when event_class in ('dropped', 'failed') then 1 else 0 end) as is_failed,
        count(case when event_class = 'received' then 1 end) as receipts,
        count(case when event_class = 'bounced' then 1 end) as bounces,
        count(case when event_class = 'failed' then 1 end) as failures,
        count(case when event_class = 'opened' then 1 end) as opens,
        count(case when event_class = 'clicked' then 1 end) as clicks,
        count(case when event_class = 'unsubscribed' then 1 end) as unsubscribes,
        count(case when event_class = 'spam' then 1 end) as complaints
    from events
    where event_class not in ('order', 'order_repeated', 'refund', 'cancel')
    group by subject_id, send_month, profile_id
),

engagement as (
    select
        subject_id,
        send_month,
        count(profile_id) as recipients,
        count(case when is_bounced = 0 and is_failed = 0 then profile_id end) as delivered,
        count(case when is_bounced = 1 then profile_id end) as bounced,
        count(case when is_bounced = 0 and is_failed = 1 then profile_id end) as failed,
        sum(opens) as opens,
        count(case when opens > 0 and is_bounced = 0 and is_failed = 0 then profile_id end) as opens_unique,
        sum(clicks) as clicks,
        count(case when clicks > 0 and is_bounced = 0 and is_failed = 0 then profile_id end) as clicks_unique,
        sum(unsubscribes) as unsubscribes,
        count(case when unsubscribes > 0 and is_bounced = 0 and is_failed = 0 then profile_id end)
            as unsubscribe_uniques,
        count(case when complaints > 0 and is_bounced = 0 and is_failed = 0 then profile_id end) as spam_complaints,
        sum(receipts) as receipts,
        sum(bounces) as bounces,
        sum(failures) as failures,
        sum(receipts + bounces + failures) as sends,
        count(case when opens > 0 then 1 end) as openers,
        count(case when clicks > 0 then 1 end) as clickers,
        count(case when unsubscribes > 0 then 1 end) as unsubscribers,
        sum(complaints) as complaints
    from people
    group by subject_id, send_month
),

-- By the marts' own rules, and by metric as Klaviyo asks: every event of the metric that it credits.
counted_orders as (
    select
        subject_id,
        send_month,
        count(*) as conversions,
        count(distinct profile_id) as conversion_uniques,
        sum(case when is_account_currency then amount else 0 end) as conversion_value
    from events
    where event_class = 'order'
    group by subject_id, send_month
),

told_orders as (
    select
        subject_id,
        send_month,
        metric_id,
        count(*) as told_conversions,
        count(distinct profile_id) as told_converters,
        sum(coalesce(amount, 0)) as told_value
    from events
    where event_class in ('order', 'order_repeated')
    group by subject_id, send_month, metric_id
),

-- A report of several conversion metrics tells all the rest once for each.
first_metrics as (
    select min(conversion_metric_id) as conversion_metric_id from reported
),

compared as (
    {%- for statistic, told in statistics.items() %}
    {%- set otherwise = 'coalesce(engagement.' ~ told.otherwise ~ ', 0)' if told.otherwise else 'null' %}
    select
        reported.message_type,
        reported.subject_id,
        reported.month_starts_on,
        reported.conversion_metric_id,
        reported.sender_id,
        reported.message_id,
        reported.variation_id,
        '{{ statistic }}' as statistic,
        cast(reported.{{ statistic }} as {{ raw_type('double') }}) as klaviyo,
        {%- if statistic in conversions %}
        cast(coalesce(counted_orders.{{ statistic }}, 0) as {{ raw_type('double') }}) as ours,
        cast(coalesce(told_orders.{{ told.otherwise }}, 0) as {{ raw_type('double') }}) as otherwise,
        {%- else %}
        cast(coalesce(engagement.{{ statistic }}, 0) as {{ raw_type('double') }}) as ours,
        cast({{ otherwise }} as {{ raw_type('double') }}) as otherwise,
        {%- endif %}
        '{{ told.because or '' }}' as because,
        engagement.subject_id is not null as is_known
    from reported
    left join engagement
        on reported.subject_id = engagement.subject_id
            and reported.month_starts_on = engagement.send_month
    {%- if statistic in conversions %}
    inner join metrics
        on reported.conversion_metric_id = metrics.metric_id
            and metrics.event_class = 'order'
    left join counted_orders
        on reported.subject_id = counted_orders.subject_id
            and reported.month_starts_on = counted_orders.send_month
    left join told_orders
        on reported.subject_id = told_orders.subject_id
            and reported.month_starts_on = told_orders.send_month
            and reported.conversion_metric_id = told_orders.metric_id
    {%- else %}
    inner join first_metrics on reported.conversion_metric_id = first_metrics.conversion_metric_id
    {%- endif %}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

final as (
    select
        ---------- grain
        compared.message_type,
        compared.message_id,
        compared.variation_id,
        compared.month_starts_on,
        compared.statistic,
        compared.conversion_metric_id,

        ---------- what is compared
        compared.sender_id,
        compared.klaviyo,
        compared.ours,
        compared.ours - compared.klaviyo as difference,
        case
            when compared.klaviyo <> 0 then (compared.ours - compared.klaviyo) / compared.klaviyo
        end as relative_difference,
        abs(compared.ours - compared.klaviyo) < 0.005 as is_equal,
        case
            when abs(compared.ours - compared.klaviyo) < 0.005 then null
            when abs(compared.otherwise - compared.klaviyo) < 0.005 then compared.because
            when compared.month_starts_on < history.first_month then 'sent before the loaded history begins'
            when not compared.is_known then 'no event of the message is loaded'
            when compared.month_starts_on = today.this_month then 'the month is not over'
            else 'unexplained'
        end as cause
    from compared
    cross join history
    cross join today
)

select * from final
