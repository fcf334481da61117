{{ config(alias='flow_action_tracking_utm_param') }}
{%- set keys = {'parameter': 'param', 'content': 'value'} %}

with

flow_messages as (
    select * from {{ ref('stg_klaviyo__flow_messages') }}
),

items as (
    {{ fivetran_items('flow_messages', 'utm_parameters') }}
),

told as (
    select
        items.*,
        {{- json_texts('item', keys) }}
    from items
),

-- Of a name that comes twice, as in the variations of a test, the first counts.
ranked as (
    select
        told.*,
        row_number() over (
            partition by flow_action_id, parameter
            order by is_deleted asc, created_at asc nulls last, flow_message_id asc, place asc
        ) as nth
    from told
    where parameter is not null
),

final as (
    select
        parameter as name,
        flow_action_id,
        content as value,
        {{ fivetran_columns() }}
    from ranked
    where nth = 1
)

select * from final
