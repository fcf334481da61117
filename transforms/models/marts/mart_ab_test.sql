with

campaigns as (
    select * from {{ ref('stg_klaviyo__campaigns') }}
),

messages as (
    select * from {{ ref('dim_message') }}
),

-- Variations of one message are told apart by their id; those of a campaign are messages of their own in some
-- revisions.
variations as (
    select
        coalesce(campaign_id, flow_id) as sender_id,
        case when flow_id is null then 'campaign' else 'flow' end as message_type,
        case when flow_id is null then campaign_id else message_id end as test_id,
        variation_id,
        min(channel) as channel,
        {{ count_where('is_delivered') }} as delivered,
        {{ count_where('is_delivered and opens_human > 0') }} as opened,
        {{ count_where('is_delivered and clicks_human > 0') }} as clicked,
        {{ count_where('is_delivered and conversions > 0') }} as converted
    from {{ ref('fct_message_recipient') }}
    where variation_id is not null
        and profile_id is not null
        and coalesce(campaign_id, flow_id) is not null
    group by
        coalesce(campaign_id, flow_id),
        case when flow_id is null then 'campaign' else 'flow' end,
        case when flow_id is null then campaign_id else message_id end,
        variation_id
),

numbered as (
    select
        variations.*,
        row_number() over (partition by test_id order by variation_id) as place,
        count(*) over (partition by test_id) as variations
    from variations
    where delivered > 0
),

measured as (
    {%- for measure, successes in [
        ('open_rate_human', 'opened'), ('click_rate_human', 'clicked'), ('conversion_rate', 'converted')
    ] %}
    select
        challenger.test_id,
        challenger.sender_id,
        challenger.message_type,
        challenger.channel,
        challenger.variation_id,
        control.variation_id as control_variation_id,
        '{{ measure }}' as measure,
        challenger.delivered,
        challenger.{{ successes }} as successes,
        control.delivered as control_delivered,
        control.{{ successes }} as control_successes,
        cast(challenger.{{ successes }} as {{ raw_type('double') }}) / challenger.delivered as rate,
        cast(control.{{ successes }} as {{ raw_type('double') }}) / control.delivered as control_rate,
        cast(challenger.{{ successes }} + control.{{ successes }} as {{ raw_type('double') }})
        / (challenger.delivered + control.delivered) as pooled_rate
    from numbered as challenger
    inner join numbered as control
        on challenger.test_id = control.test_id
            and control.place = 1
    where challenger.place > 1
        {%- if measure == 'open_rate_human' %}
        and coalesce(challenger.channel, '') <> 'sms'
        {%- elif measure == 'click_rate_human' %}
        and coalesce(challenger.channel, '') <> 'mobile_push'
        {%- endif %}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

scored as (
    select
        measured.*,
        sqrt(pooled_rate * (1 - pooled_rate) * (1.0 / delivered + 1.0 / control_delivered)) as pooled_error,
        sqrt(rate * (1 - rate) / delivered + control_rate * (1 - control_rate) / control_delivered) as error
    from measured
),

tested as (
    select
        scored.*,
        case when pooled_error > 0 then (rate - control_rate) / pooled_error end as z_score
    from scored
),

judged as (
    select
        tested.*,
        {{ two_sided_p('z_score') }} as p_value,
        -- The normal distribution is a fair picture from five of each outcome on either side.
        successes >= 5 and delivered - successes >= 5
        and control_successes >= 5 and control_delivered - control_successes >= 5 as is_sample_large_enough
    from tested
),

final as (
    select
        ---------- grain
        judged.test_id,
        judged.variation_id,
        judged.measure,

        ---------- what is tested
        judged.message_type,
        judged.sender_id,
        case
            when judged.message_type = 'campaign' then campaigns.campaign_name else messages.message_name
        end as test_name,
        judged.channel,
        judged.control_variation_id,

        ---------- counts
        judged.delivered,
        judged.successes,
        judged.control_delivered,
        judged.control_successes,

        ---------- outcome
        judged.rate,
        judged.control_rate,
        judged.rate - judged.control_rate as difference,
        judged.rate - judged.control_rate - 1.959963984540054 * judged.error as difference_low,
        judged.rate - judged.control_rate + 1.959963984540054 * judged.error as difference_high,
        case when judged.control_rate > 0 then (judged.rate - judged.control_rate) / judged.control_rate end as lift,
        judged.z_score,
        judged.p_value,
        judged.is_sample_large_enough,
        coalesce(judged.is_sample_large_enough and judged.p_value < 0.05, false) as is_significant,
        case
            when not coalesce(judged.is_sample_large_enough and judged.p_value < 0.05, false) then null
            when judged.rate > judged.control_rate then judged.variation_id
            else judged.control_variation_id
        end as winner_variation_id
    from judged
    left join campaigns on judged.test_id = campaigns.campaign_id
    left join messages on judged.test_id = messages.message_id
)

select * from final
