{%- set keys = {
    'value_text': '$value',
    'value_currency': '$value_currency',
    'sender_event_id': '$event_id',
    'sender_order_id': 'OrderId',
    'message_id': '$message',
    'flow_id': '$flow',
    'variation_id': '$variation',
    'message_name': 'Campaign Name',
    'subject': 'Subject',
    'machine_open': 'machine_open',
    'bot_click': 'Bot Click',
    'bounce_type': 'Bounce Type',
    'email_domain': 'Email Domain',
    'inbox_provider': 'Inbox Provider',
    'client_type': 'Client Type',
    'url': 'URL',
    'list_name': 'List',
    'list_id': 'list_id',
    'method': 'method',
    'capital_method': 'Method',
    'form_id': 'form_id',
    'form_version_id': 'form_version_id',
    'item_count': 'ItemCount',
    'discount_codes': 'Discount Codes',
    'product_id': 'ProductID',
    'added_product_id': 'AddedItemProductID',
    'product_name': 'ProductName',
    'added_product_name': 'AddedItemProductName',
    'item_name': 'Name',
    'sku': 'SKU',
    'variant_name': 'Variant Name',
    'quantity': 'Quantity',
    'price': 'Price',
    'item_price': 'ItemPrice',
} -%}

with

source as (
    select * from {{ source('klaviyo', 'events') }}
),

lifted as (
    select
        id as event_id,
        metric_id,
        profile_id,
        uuid as event_uuid,
        datetime as occurred_at,
        event_properties,
        _deleted_at as deleted_at,
        _dlt_load_id as load_id,
        {{ json_texts('event_properties', keys) }}
    from source
),

final as (
    select
        ---------- ids
        event_id,
        metric_id,
        profile_id,
        event_uuid,

        ---------- what happened
        {{ money('value_text') }} as event_value,
        value_currency,
        sender_event_id,
        sender_order_id,

        ---------- message
        message_id,
        flow_id,
        variation_id,
        message_name,
        subject,
        {{ is_true('machine_open') }} as is_machine_open,
        {{ is_true('bot_click') }} as is_bot_click,
        bounce_type,

        ---------- circumstances
        email_domain,
        inbox_provider,
        client_type,
        url,
        list_id,
        list_name,
        -- Klaviyo's events of consent spell it small.
        coalesce(method, capital_method) as method,
        form_id,
        form_version_id,

        ---------- products
        coalesce(product_id, added_product_id) as product_id,
        coalesce(product_name, added_product_name, item_name) as product_name,
        sku,
        variant_name,
        {{ money('quantity') }} as quantity,
        {{ money('coalesce(price, item_price)') }} as price,
        {{ money('item_count') }} as item_count,
        discount_codes,
        event_properties,

        ---------- timestamps
        occurred_at,

        ---------- bookkeeping
        deleted_at,
        deleted_at is not null as is_deleted,
        load_id
    from lifted
)

select * from final
