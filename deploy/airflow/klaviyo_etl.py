"""Copy to the folder of DAGs; docs/scheduling.md has the steps."""

from pipelines.schedulers.airflow import dags

klaviyo_etl, klaviyo_etl_backfill = dags(destination="duckdb", schedule="7 * * * *")
