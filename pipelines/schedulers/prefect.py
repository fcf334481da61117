"""Prefect: a flow of three tasks, a deployment that runs it by the hour and one that reads what it is told again.

    serve(Job(destination="postgres"))

Each step is a task; the flow takes the slot while it works.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

import prefect
from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.concurrency.sync import concurrency
from prefect.logging import get_run_logger
from prefect.tasks import exponential_backoff
from prefect.types.entrypoint import EntrypointType

from pipelines.errors import RunError
from pipelines.schedulers.steps import HOURLY, NAME, PAUSE, RETRIES, Ended, Job, settle


def may_pass(_task: object, _run: object, state: Any) -> bool:  # noqa: ANN401 - Prefect's own
    """Whether another try may come to something else."""
    error = state.result(raise_on_failure=False)
    return not isinstance(error, RunError) or error.exit.passes


AGAIN: Final[dict[str, Any]] = {
    "retries": RETRIES,
    "retry_delay_seconds": exponential_backoff(PAUSE.seconds),
    "retry_condition_fn": may_pass,
}


@task(**AGAIN)
def load(job: Job, start: str, end: str, full_refresh: str) -> Ended:
    ended = job.load(start=start, end=end, full_refresh=full_refresh)
    create_table_artifact([{"table": table, **what} for table, what in ended["tables"].items()], key="klaviyo-tables")
    return ended


@task(**AGAIN)
def verify(job: Job) -> Ended:
    return job.verify()


@task(**AGAIN)
def build_marts(job: Job) -> str:
    return job.build()


@flow(name=NAME, log_prints=True)
def klaviyo_etl(  # noqa: PLR0917 - the parameters that Prefect shows
    destination: str = "duckdb",
    account: str = "",
    select: str = "",
    start: str = "",
    end: str = "",
    full_refresh: str = "",
) -> None:
    """Load what is due or what is told, verify once a day, build the marts that have changed."""
    job = Job(destination=destination, account=account, select=select)
    # A lease that cannot be renewed for a while is no reason to end hours of reading.
    with concurrency(job.slot, raise_on_lease_renewal_failure=False):
        loaded = load(job, start, end, full_refresh)
        verified = verify(job)
        get_run_logger().info(build_marts(job))
    settle(loaded, verified)


def serve(job: Job, *, cron: str = HOURLY) -> None:
    """Serve both deployments until interrupted, and see to it that the job's slot is there, once.

    A scheduled run that finds another one under way is cancelled: the next one reads whatever is due.
    """
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name(job.slot, 1)
    prefect.serve(*deployments(job, cron))


def deployments(job: Job, cron: str) -> list[Any]:
    account = job.account or "account"
    return [
        klaviyo_etl.to_deployment(
            name=name,
            parameters=asdict(job),
            concurrency_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=strategy),
            # A path would be one on the machine that serves.
            entrypoint_type=EntrypointType.MODULE_PATH,
            **when,
        )
        for name, strategy, when in (
            (account, ConcurrencyLimitStrategy.CANCEL_NEW, {"cron": cron}),
            (f"{account}-backfill", ConcurrencyLimitStrategy.ENQUEUE, {}),
        )
    ]
