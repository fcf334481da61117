{# A relation with one column, `number`: 0, 1, … up to 10 to the power of `digits`, less one. #}
{% macro numbers(digits) -%}
(
    select
        {% for digit in range(digits) %}{{ ' + ' if not loop.first }}digit_{{ digit }}.digit * {{ 10 ** digit }}{% endfor %} as number
    from
        {% for digit in range(digits) %}{{ ' cross join ' if not loop.first }}(
            {% for value in range(10) %}{{ ' union all ' if not loop.first }}select {{ value }} as digit{% endfor %}
        ) as digit_{{ digit }}{% endfor %}
) as numbers
{%- endmacro %}
