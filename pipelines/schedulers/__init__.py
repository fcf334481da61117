"""Entry points for Airflow, Dagster and Prefect: the steps of a run as their tasks. Nothing here is imported unless asked for."""
