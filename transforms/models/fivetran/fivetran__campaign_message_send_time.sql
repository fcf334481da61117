{{ config(alias='campaign_message_send_time') }}
{%- set keys = {'sent_at': 'datetime', 'local': 'is_local'} %}

with

campaign_messages as (
    select * from {{ ref('stg_klaviyo__campaign_messages') }}
),

items as (
    {{ fivetran_items('campaign_messages', 'send_times') }}
),

told as (
    select
        campaign_message_id,
        place,
        is_deleted,
        deleted_at,
        load_id,
        {{- json_texts('item', keys) }}
    from items
),

timed as (
    select
        campaign_message_id,
        cast(sent_at as {{ raw_type('timestamp') }}) as sent_at,
        {{ is_true('local') }} as is_local,
        place,
        is_deleted,
        deleted_at,
        load_id
    from told
    where sent_at is not null

    union all

    -- From revision 2026-10-15 on a message has one time, and its campaign knows whose time zone that is in.
    select
        campaign_message_id,
        send_time as sent_at,
        cast(null as boolean) as is_local,
        0 as place,
        is_deleted,
        deleted_at,
        load_id
    from campaign_messages
    where send_time is not null
        and send_times is null
),

-- Of a time that is named twice the first counts.
ranked as (
    select
        timed.*,
        row_number() over (partition by campaign_message_id, sent_at order by place asc) as nth
    from timed
),

final as (
    select
        campaign_message_id,
        sent_at as {{ reserved('datetime') }},
        is_local,
        {{ fivetran_columns() }}
    from ranked
    where nth = 1
)

select * from final
