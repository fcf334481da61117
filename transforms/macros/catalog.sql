{# What items and variants of the catalog say alike. #}
{% macro catalog_columns() -%}
        ---------- what it is
        title,
        description,
        url,
        image_full_url as image_url,
        image_thumbnail_url as thumbnail_url,
        images,
        custom_metadata,

        ---------- money
        {{ to_decimal('price') }} as price,

        ---------- flags
        published as is_published,

        ---------- timestamps
        created as created_at,
        updated as updated_at
{%- endmacro %}
