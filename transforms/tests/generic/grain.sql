{# Fails for every combination of the columns that more than one row holds; nulls are equal here. #}
{% test grain(model, columns) %}

select
  {{ columns | join(', ') }},
  count(*) as row_count
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1

{% endtest %}
