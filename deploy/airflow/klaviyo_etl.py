"""Copy to the folder of DAGs; docs/scheduling.md has the steps."""

from pipelines.schedulers.airflow import dags
from pipelines.schedulers.steps import Job

klaviyo_etl, klaviyo_etl_backfill = dags(Job(destination="duckdb"), schedule="7 * * * *")
