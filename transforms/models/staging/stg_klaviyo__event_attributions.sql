with

source as (
    select * from {{ source('klaviyo', 'event_attributions') }}
),

final as (
    select
        ---------- ids
        id as attribution_id,
        event_id,
        attributed_event_id,
        campaign_id,
        campaign_message_id,
        flow_id,
        flow_message_id,
        flow_message_variation_id,

        ---------- bookkeeping
        _deleted_at as deleted_at,
        _deleted_at is not null as is_deleted,
        _dlt_load_id as load_id
    from source
)

select * from final
