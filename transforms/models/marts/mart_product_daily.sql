with

seen as (
    select
        events.local_date,
        events.product_id,
        events.product_name,
        events.sku,
        events.event_class,
        events.profile_id,
        coalesce(events.currency, account.currency, {{ no_currency() }}) as currency
    from {{ ref('fct_event') }} as events
    cross join ({{ the_account() }}) as account
    where events.event_class in ('product_viewed', 'cart_filled')
        and events.product_id is not null
        and events.local_date is not null
        and not events.is_future
),

items as (
    select * from {{ ref('fct_order_item') }}
    where product_id is not null
        and local_date is not null
),

catalog as (
    select
        external_id,
        min(title) as title
    from {{ ref('stg_klaviyo__catalog_items') }}
    where not is_deleted
    group by external_id
),

combined as (
    select
        local_date,
        product_id,
        currency,
        product_name,
        sku,
        case when event_class = 'product_viewed' then 1 else 0 end as views,
        case when event_class = 'cart_filled' then 1 else 0 end as carts,
        0 as lines,
        {{ to_decimal('0') }} as quantity,
        {{ to_decimal('0') }} as revenue,
        {{ to_decimal('0') }} as revenue_attributed
    from seen

    union all

    select
        local_date,
        product_id,
        currency,
        product_name,
        sku,
        0 as views,
        0 as carts,
        1 as lines,
        coalesce(quantity, 1) as quantity,
        amount as revenue,
        case when is_attributed then amount else 0 end as revenue_attributed
    from items
),

final as (
    select
        ---------- grain
        combined.local_date,
        combined.product_id,
        combined.currency,

        ---------- what it is
        coalesce(min(catalog.title), max(combined.product_name)) as product_name,
        max(combined.sku) as sku,

        ---------- counts
        cast(sum(combined.views) as bigint) as views,
        cast(sum(combined.carts) as bigint) as carts,
        cast(sum(combined.lines) as bigint) as order_lines,
        {{ to_decimal('sum(combined.quantity)') }} as quantity,

        ---------- money
        {{ to_decimal('sum(combined.revenue)') }} as revenue,
        {{ to_decimal('sum(combined.revenue_attributed)') }} as revenue_attributed
    from combined
    left join catalog on combined.product_id = catalog.external_id
    group by combined.local_date, combined.product_id, combined.currency
)

select * from final
