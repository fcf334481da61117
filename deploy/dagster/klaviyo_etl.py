"""A code location for Dagster; docs/scheduling.md has the steps."""

from pipelines.schedulers.dagster import definitions
from pipelines.schedulers.steps import Job

defs = definitions(Job(destination="duckdb"), cron="7 * * * *", since="2024-01-01")
