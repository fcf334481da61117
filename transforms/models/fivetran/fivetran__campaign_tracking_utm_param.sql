{{ config(alias='campaign_tracking_utm_param') }}
{%- set keys = {'parameter': 'name', 'kind': 'type', 'content': 'value'} %}

with

campaigns as (
    select * from {{ ref('stg_klaviyo__campaigns') }}
),

items as (
    {{ fivetran_items('campaigns', 'utm_parameters') }}
),

told as (
    select
        items.*,
        {{- json_texts('item', keys) }}
    from items
),

-- Of a name that comes twice the first counts.
ranked as (
    select
        told.*,
        row_number() over (partition by campaign_id, parameter order by place asc) as nth
    from told
    where parameter is not null
),

final as (
    select
        parameter as name,
        campaign_id,
        kind as type,
        content as value,
        {{ fivetran_columns() }}
    from ranked
    where nth = 1
)

select * from final
