"""Serves the flow from where it runs; docs/scheduling.md has the steps."""

from pipelines.schedulers.prefect import serve
from pipelines.schedulers.steps import Job

if __name__ == "__main__":
    serve(Job(destination="duckdb"), cron="7 * * * *")
