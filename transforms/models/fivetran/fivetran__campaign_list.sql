{{ config(alias='campaign_list') }}

with

campaigns as (
    select * from {{ ref('stg_klaviyo__campaigns') }}
),

audiences as (
    select list_id as audience_id from {{ ref('stg_klaviyo__lists') }}

    union all

    select segment_id as audience_id from {{ ref('stg_klaviyo__segments') }}
),

-- An audience names its lists and segments by their ids, in an array.
named as (
    {%- for column, role in {'included_audiences': 'included', 'excluded_audiences': 'excluded'}.items() %}
    select
        campaigns.*,
        audiences.audience_id,
        '{{ role }}' as list_included_or_excluded
    from campaigns
    inner join audiences
        on {{ json_names('campaigns.' ~ column, 'audiences.audience_id') }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

final as (
    select
        campaign_id,
        audience_id as list_id,
        list_included_or_excluded,
        {{ fivetran_columns() }}
    from named
)

select * from final
