"""Serves the flow from where it runs; docs/scheduling.md has the steps."""

from pipelines.schedulers.prefect import serve

if __name__ == "__main__":
    serve(destination="duckdb", cron="7 * * * *")
