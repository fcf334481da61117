"""Dagster: an asset for each table with its rows, then their verification and the marts; a job that fills months in.

    defs = definitions(Job(destination="postgres"))

Each step is an asset or many, and takes the slot while it works.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import dagster as dg

from pipelines.errors import RunError
from pipelines.schedulers.steps import HOURLY, PAUSE, RETRIES, Ended, Job, Table, settle

AGAIN: Final = dg.RetryPolicy(max_retries=RETRIES, delay=PAUSE.total_seconds(), backoff=dg.Backoff.EXPONENTIAL)
CHECK: Final = "needs_nobody"
UNDER_WAY: Final = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


def definitions(job: Job, *, cron: str = HOURLY, since: str = "2020-01-01") -> dg.Definitions:
    """A job of assets with its schedule, and a job by months since a date. Raises ConfigurationError.

    The job's slot is a pool, whose limit should be one. A table that was not read to its end is not materialized.
    """
    everything = dg.define_asset_job(
        job.name, selection=dg.AssetSelection.groups(job.name), executor_def=dg.in_process_executor
    )
    return dg.Definitions(
        assets=[*assets(job)], jobs=[everything, by_month(job, since)], schedules=[one_at_a_time(job.name, cron)]
    )


def assets(job: Job) -> Iterator[dg.AssetsDefinition]:
    """Steps in a row, one asset or many each: tables and `etl_runs`, `etl_verifications`, the marts."""
    tables = {key(table): grain for table, grain in job.tables().items()}
    runs, verifications = dg.AssetKey([job.dataset, "etl_runs"]), dg.AssetKey([job.dataset, "etl_verifications"])
    step: dict[str, Any] = {"pool": job.slot, "retry_policy": AGAIN}
    about: dict[str, Any] = {"group_name": job.name, "kinds": {job.destination}}

    @dg.multi_asset(
        name=f"{job.name}_load",
        specs=[
            *(dg.AssetSpec(table, description=grain, skippable=True, **about) for table, grain in tables.items()),
            dg.AssetSpec(runs, description="one row per run", **about),
        ],
        check_specs=[check(runs)],
        can_subset=True,
        **step,
    )
    def load(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        chosen = context.selected_asset_keys
        whole = runs in chosen
        with in_words_of_dagster():
            ended = job.load(select="" if whole else ",".join(one.path[-1] for one in chosen))
        for table, what in ended["tables"].items():
            if key(table) in chosen and what["status"] == "complete":
                yield dg.MaterializeResult(key(table), metadata=told(what))
        if whole:
            yield dg.MaterializeResult(runs, check_results=[checked(runs, ended)])

    @dg.asset(
        key=verifications,
        description="one row per count that was compared with Klaviyo's",
        deps=[runs],
        check_specs=[check(verifications)],
        **about,
        **step,
    )
    def verify() -> dg.MaterializeResult:
        with in_words_of_dagster():
            return dg.MaterializeResult(check_results=[checked(verifications, job.verify())])

    @dg.asset(key=f"{job.dataset}_marts", description="staging views and marts", deps=[verifications], **about, **step)
    def marts() -> dg.MaterializeResult:
        with in_words_of_dagster():
            return dg.MaterializeResult(metadata={"built": job.build()})

    yield from (load, verify, marts)


def by_month(job: Job, since: str) -> dg.JobDefinition:
    """Reads a month again; what it brings is told of the tables' assets."""
    step: dict[str, Any] = {"pool": job.slot, "retry_policy": AGAIN}

    # Plain data have a type for the type checker only.
    ended, given = dg.Out(dict), {"loaded": dg.In(dict)}

    @dg.op(name=f"{job.name}_load_month", out=ended, **step)
    def load(context: dg.OpExecutionContext) -> Ended:
        month = context.partition_time_window
        with in_words_of_dagster():
            ended = job.load(start=month.start.isoformat(), end=month.end.isoformat())
        for table, what in ended["tables"].items():
            if what["status"] == "complete":
                context.log_event(dg.AssetMaterialization(key(table), metadata=told(what)))
        return ended

    @dg.op(name=f"{job.name}_marts_of_month", ins=given, out=ended, **step)
    def marts(context: dg.OpExecutionContext, loaded: Ended) -> Ended:
        with in_words_of_dagster():
            context.log.info(job.build())
        return loaded

    @dg.op(name=f"{job.name}_needs_nobody", ins=given)
    def needs_nobody(loaded: Ended) -> None:
        with in_words_of_dagster():
            settle(loaded)

    @dg.job(
        name=f"{job.name}_backfill",
        partitions_def=dg.MonthlyPartitionsDefinition(start_date=since),
        executor_def=dg.in_process_executor,
        resource_defs={"io_manager": dg.mem_io_manager},
    )
    def backfill() -> None:
        needs_nobody(marts(load()))

    return backfill


def one_at_a_time(job: str, cron: str) -> dg.ScheduleDefinition:
    """Hours that pass while a run is under way need none of their own: the next run reads whatever is due."""

    @dg.schedule(name=f"{job}_schedule", job_name=job, cron_schedule=cron)
    def due(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if context.instance.get_runs(dg.RunsFilter(job_name=job, statuses=UNDER_WAY), limit=1):
            return dg.SkipReason("the run before is under way")
        return dg.RunRequest()

    return due


def key(table: str) -> dg.AssetKey:
    return dg.AssetKey(table.split("."))


def told(what: Table) -> dict[str, int]:
    return {"dagster/row_count": what["rows"], "loaded": what["loaded"], "vanished": what["vanished"]}


def check(one: dg.AssetKey) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(CHECK, asset=one, description="Nothing was left that only a person can decide or permit.")


def checked(one: dg.AssetKey, ended: Ended) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=not ended["said"], asset_key=one, check_name=CHECK, description=ended["said"] or None
    )


@contextmanager
def in_words_of_dagster() -> Iterator[None]:
    """Fail without a retry where that would come to the same."""
    try:
        yield
    except RunError as error:
        raise dg.Failure(str(error), allow_retries=error.exit.passes) from None
