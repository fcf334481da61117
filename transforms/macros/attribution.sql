{# For how many hours after its receipt a message may be credited with an order; null where a channel or an act gives no credit. #}
{% macro attribution_window(channel, event_class) -%}
  case {{ channel }}
    {%- for name, classes in var('klaviyo_attribution_windows').items() %}
    when '{{ name }}' then
      case {{ event_class }}
        {%- for class, hours in classes.items() %}
        when '{{ class }}' then {{ hours }}
        {%- endfor %}
      end
    {%- endfor %}
  end
{%- endmacro %}


{# The longest of these in days, begun ones counted. #}
{% macro longest_attribution_window() -%}
  {%- set days = [] -%}
  {%- for classes in var('klaviyo_attribution_windows').values() -%}
    {%- for hours in classes.values() -%}
      {%- do days.append((hours / 24) | round(0, 'ceil') | int) -%}
    {%- endfor -%}
  {%- endfor -%}
  {{ return(days | max) }}
{%- endmacro %}
