{# ISO 4217's own code for amounts that are in no currency. #}
{% macro no_currency() %}'XXX'{% endmacro %}
