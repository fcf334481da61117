-- All that Klaviyo still lists: events without a metric, a profile, a time or any message included.
with

loaded as (
    select count(*) as event_count
    from {{ ref('stg_klaviyo__events') }}
    where not is_deleted
),

facts as (
    select count(*) as event_count from {{ ref('fct_event') }}
),

final as (
    select
        loaded.event_count as loaded_count,
        facts.event_count as fact_count
    from loaded
    cross join facts
    where loaded.event_count <> facts.event_count
)

select * from final
