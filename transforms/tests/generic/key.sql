{# Fails for every value that more than one row holds, and for rows without one: `unique` and `not_null` by one query. #}
{% test key(model, column_name) %}

select
  {{ column_name }},
  count(*) as row_count
from {{ model }}
group by {{ column_name }}
having count(*) > 1 or {{ column_name }} is null

{% endtest %}
