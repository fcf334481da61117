with

source as (
    select * from {{ source('klaviyo', 'campaign_audiences') }}
),

final as (
    select
        ---------- ids
        id as campaign_audience_id,
        campaign_id,

        ---------- what it is
        definition__name as audience_name,
        definition__priority as priority,

        ---------- audience
        definition__included as included_audiences,
        definition__excluded as excluded_audiences,

        ---------- timestamps
        created as created_at,
        updated as updated_at,

        ---------- bookkeeping
        _deleted_at as deleted_at,
        _deleted_at is not null as is_deleted,
        _dlt_load_id as load_id
    from source
)

select * from final
