"""Airflow: a DAG that runs, one that fills months in, and an asset with its rows for each table.

    klaviyo_etl, klaviyo_etl_backfill = dags(Job(destination="postgres"))

Each step is a task, and takes the slot while it works.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from airflow.sdk import DAG, Asset, AssetAlias, CronDataIntervalTimetable, Param, task
from airflow.sdk.exceptions import AirflowFailException

from pipelines.errors import RunError
from pipelines.schedulers.steps import HOURLY, PAUSE, RETRIES, Ended, Job, settle

FOUNDED: Final = datetime(2012, 1, 1, tzinfo=UTC)
"""Months before Klaviyo was cannot be filled in."""


def dags(job: Job, *, schedule: str = HOURLY) -> tuple[DAG, DAG]:
    """The DAG that loads what is due, and the one that reads a month again: by `airflow backfill`, or by hand.

    The job's slot is a pool that has to exist, with one slot. Each table that was read to its end is an asset of the same
    name, whose event tells its rows.
    """
    asked = {option: Param("", type="string") for option in ("start", "end", "full_refresh")}
    with DAG(job.name, schedule=schedule, params=asked, **habits(job)) as scheduled:
        steps(job, *(f"{{{{ params.{option} }}}}" for option in asked))
    monthly = CronDataIntervalTimetable("@monthly", timezone="UTC")
    with DAG(f"{job.name}_backfill", schedule=monthly, **habits(job)) as backfill:
        steps(job, "{{ data_interval_start }}", "{{ data_interval_end }}")
    return scheduled, backfill


def habits(job: Job) -> dict[str, Any]:
    return {
        "start_date": FOUNDED,
        # A run reads whatever is due since the last one that ended well: hours that were missed need none of their own.
        "catchup": False,
        "max_active_runs": 1,
        "tags": ["klaviyo"],
        "default_args": {
            "pool": job.slot,
            "retries": RETRIES,
            "retry_delay": PAUSE,
            "retry_exponential_backoff": 2,
        },
    }


def steps(job: Job, start: str, end: str, full_refresh: str = "") -> None:
    tables = AssetAlias(job.name)

    @task(outlets=[tables])
    def load(start: str, end: str, full_refresh: str, outlet_events: Any = None) -> Ended:  # noqa: ANN401 - from its context
        with in_words_of_airflow():
            ended = job.load(start=start, end=end, full_refresh=full_refresh)
        for table, what in ended["tables"].items():
            if what["status"] == "complete":
                outlet_events[tables].add(Asset(table, uri=f"klaviyo-etl://{job.destination}/{table}"), extra={**what})
        return ended

    @task
    def verify() -> Ended:
        with in_words_of_airflow():
            return job.verify()

    @task
    def build_marts() -> str:
        with in_words_of_airflow():
            return job.build()

    @task
    def needs_nobody(loaded: Ended, verified: Ended) -> None:
        with in_words_of_airflow():
            settle(loaded, verified)

    loaded, verified = load(start, end, full_refresh), verify()
    loaded >> verified >> build_marts() >> needs_nobody(loaded, verified)


@contextmanager
def in_words_of_airflow() -> Iterator[None]:
    """Fail without a retry where that would come to the same."""
    # The variable `dlt_secrets_toml` may hold settings. Beside it, dlt would ask for one by each name that a setting could
    # have, a thousand times a run.
    os.environ.setdefault("PROVIDERS__AIRFLOW_SECRETS__ONLY_TOML_FRAGMENTS", "true")
    try:
        yield
    except RunError as error:
        if error.exit.passes:
            raise
        raise AirflowFailException(str(error)) from None
