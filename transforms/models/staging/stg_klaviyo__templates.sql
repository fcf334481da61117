with

source as (
    select * from {{ source('klaviyo', 'templates') }}
),

final as (
    select
        ---------- ids
        id as template_id,

        ---------- what it is
        name as template_name,
        editor_type,

        ---------- content
        html as html_body,
        {{ reserved('text') }} as text_body,
        amp as amp_body,

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
