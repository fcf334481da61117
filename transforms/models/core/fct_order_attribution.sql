with

orders as (
    select * from {{ ref('fct_order') }}
),

customers as (
    select distinct profile_id from orders
    where profile_id is not null
        and ordered_at is not null
),

-- What a person did, or a delivery where that alone gives credit; machines give none. A window opens at the receipt.
touches as (
    select
        touches.event_id,
        touches.profile_id,
        touches.campaign_id,
        touches.flow_id,
        touches.message_id,
        touches.variation_id,
        touches.channel,
        touches.event_class,
        touches.occurred_at,
        touches.sent_at,
        {{ attribution_window('touches.channel', 'touches.event_class') }} as window_hours,
        {{ local_date('touches.sent_at', "'UTC'") }} as sent_on
    from {{ ref('int_message_event') }} as touches
    inner join customers on touches.profile_id = customers.profile_id
    where touches.event_class in ('received', 'opened', 'clicked')
        and not touches.is_machine_open
        and not touches.is_bot_click
        and touches.sent_at is not null
        and coalesce(touches.message_id, touches.campaign_id, touches.flow_id) is not null
),

-- An order can only be credited to a touch of the days before it: one row for each of these days, so that both sides
-- meet by person and day, and no two people's or years' are ever compared.
days as (
    select
        touches.*,
        {{ add_days('touches.sent_on', 'numbers.number') }} as credited_on
    from touches
    cross join {{ numbers(2) }}
    where touches.window_hours is not null
        and numbers.number <= {{ longest_attribution_window() }}
),

credited as (
    select
        orders.order_event_id,
        orders.gross_amount,
        orders.ordered_at,
        days.event_id as touch_event_id,
        days.campaign_id,
        days.flow_id,
        days.message_id,
        days.variation_id,
        days.channel,
        days.event_class,
        days.occurred_at,
        row_number() over (
            partition by
                orders.order_event_id,
                coalesce(days.message_id, days.campaign_id, days.flow_id),
                coalesce(days.variation_id, '')
            order by
                case when days.event_class = 'clicked' then 0 when days.event_class = 'opened' then 1 else 2 end asc,
                days.occurred_at desc,
                days.event_id asc
        ) as place_by_strength,
        row_number() over (
            partition by
                orders.order_event_id,
                coalesce(days.message_id, days.campaign_id, days.flow_id),
                coalesce(days.variation_id, '')
            order by days.occurred_at desc, days.event_id asc
        ) as place_by_time
    from orders
    inner join days
        on orders.profile_id = days.profile_id
            and {{ local_date('orders.ordered_at', "'UTC'") }} = days.credited_on
    where days.occurred_at <= orders.ordered_at
        and {{ hours_between('days.sent_at', 'orders.ordered_at') }} <= days.window_hours
),

-- Each message once per order, by its last touch.
messages as (
    select
        credited.*,
        row_number() over (
            partition by order_event_id order by occurred_at desc, touch_event_id asc
        ) as place_from_last,
        row_number() over (
            partition by order_event_id order by occurred_at asc, touch_event_id asc
        ) as place_from_first,
        count(*) over (partition by order_event_id) as messages,
        power(
            cast(2 as {{ raw_type('double') }}),
            -{{ hours_between('occurred_at', 'ordered_at') }} / {{ var('klaviyo_attribution_half_life_hours') }}
        ) as decayed
    from credited
    where place_by_time = 1
),

clicks as (
    select
        credited.*,
        row_number() over (
            partition by order_event_id order by occurred_at desc, touch_event_id asc
        ) as place_from_last
    from credited
    where place_by_strength = 1
        and event_class = 'clicked'
),

weighed as (
    {%- set one = "cast(1 as " ~ raw_type("double") ~ ")" %}
    {%- set decayed = "decayed / sum(decayed) over (partition by order_event_id)" %}
    {%- for model, touches, weight, condition in [
        ("last_touch", "messages", one, "place_from_last = 1"),
        ("first_touch", "messages", one, "place_from_first = 1"),
        ("linear", "messages", one ~ " / messages", "true"),
        ("time_decay", "messages", decayed, "true"),
        ("last_click", "clicks", one, "place_from_last = 1"),
    ] %}
    select
        order_event_id, '{{ model }}' as model, touch_event_id, campaign_id, flow_id, message_id, variation_id, channel,
        event_class, occurred_at, gross_amount, {{ weight }} as weight
    from {{ touches }}
    where {{ condition }}

    union all
    {% endfor %}
    select
        order_event_id, 'klaviyo' as model, attributed_event_id as touch_event_id,
        attributed_campaign_id as campaign_id, attributed_flow_id as flow_id, attributed_message_id as message_id,
        attributed_variation_id as variation_id, attributed_channel as channel, attributed_event_class as event_class,
        attributed_event_at as occurred_at, gross_amount, {{ one }} as weight
    from orders
    where is_attributed
),

-- Rounding must not make the parts more than the whole: the last of an order's touches takes what the others leave.
shared as (
    select
        weighed.*,
        {{ to_decimal('gross_amount * weight') }} as share,
        row_number() over (
            partition by order_event_id, model order by occurred_at desc nulls last, touch_event_id asc
        ) as place
    from weighed
),

final as (
    select
        ---------- grain
        shared.order_event_id,
        shared.model,
        shared.touch_event_id,

        ---------- the message that gets the credit
        shared.channel,
        shared.campaign_id,
        shared.flow_id,
        shared.message_id,
        shared.variation_id,
        shared.event_class as touch_class,

        ---------- credit
        shared.weight,
        {{ to_decimal('
            case
                when shared.place = 1
                    then
                        shared.gross_amount
                        - (sum(shared.share) over (partition by shared.order_event_id, shared.model) - shared.share)
                else shared.share
            end
        ') }} as credited_amount,
        orders.currency,
        orders.is_account_currency,

        ---------- timestamps
        shared.occurred_at as touched_at,
        {{ hours_between('shared.occurred_at', 'orders.ordered_at') }} as hours_to_order,
        orders.ordered_at,
        orders.local_date
    from shared
    inner join orders on shared.order_event_id = orders.order_event_id
)

select * from final
