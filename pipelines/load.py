"""Load what is due from Klaviyo into the warehouse."""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

import dlt
import pendulum
import pyarrow as pa
from dlt.common.storages.load_package import create_load_id
from dlt.extract import DltResource
from dlt.pipeline.exceptions import PipelineStepFailed
from pendulum import DateTime

from pipelines import definitions, memberships
from pipelines.absence import ABSENCE_COLUMNS, ABSENCES, mark_vanished
from pipelines.compaction import has_leftovers, leftovers
from pipelines.drift import untold
from pipelines.errors import ConfigurationError, Exit, RunError
from pipelines.forgetting import with_tombstones
from pipelines.history import Looking
from pipelines.identity import claim, refused, whose
from pipelines.journal import write
from pipelines.known import WarehouseRows
from pipelines.lateness import measured
from pipelines.merges import MERGE_COLUMNS, MERGES
from pipelines.policy import changed_tables, refuse_mixture, treat_what_is_gone
from pipelines.progress import Watch
from pipelines.reports import REPORT_NAMES, report_names, reporting
from pipelines.runs import RUN_TABLES, Run, commit, record, states
from pipelines.schema import make_tables
from pipelines.settings import Settings
from pipelines.warehouse import SCHEMA, Tables, Warehouse, chain, destination_errors, explain
from sources.klaviyo import REVISION
from sources.klaviyo.client import Client
from sources.klaviyo.drift import Change
from sources.klaviyo.errors import KlaviyoError, UnknownResource
from sources.klaviyo.extraction import Extraction
from sources.klaviyo.held import Held
from sources.klaviyo.package import Package
from sources.klaviyo.reporting import Reporting
from sources.klaviyo.resources import select
from sources.klaviyo.spec import Resource
from sources.klaviyo.stopping import STOP
from sources.klaviyo.tables import every_table
from sources.klaviyo.tally import Tally
from sources.klaviyo.walk import Walk
from sources.klaviyo.windows import Window

log = logging.getLogger(__name__)

JOURNAL: Final = {**RUN_TABLES, ABSENCES: ABSENCE_COLUMNS, MERGES: MERGE_COLUMNS}
"""What every warehouse has beside what Klaviyo keeps."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a run is asked to load."""

    resources: tuple[Resource, ...]
    reports: tuple[str, ...] | None = None
    """Their names; by default those that the settings name."""
    start: DateTime | None = None
    end: DateTime | None = None
    full_refresh: frozenset[str] = frozenset()
    again: tuple[Window, ...] = ()
    """Read these and nothing else, and mark what is no longer in them."""
    now: DateTime = field(default_factory=lambda: pendulum.now("UTC"))
    """When the run is: rows up to shortly before are read, and what it finds out is dated so."""
    where: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By resource, conditions: read what meets one of them and nothing else."""

    def __post_init__(self) -> None:
        if self.start and self.end and self.end <= self.start:
            raise ConfigurationError(f"--end ({self.end}) must lie after --start ({self.start})")
        if self.full_refresh and (self.start or self.end):
            raise ConfigurationError("--full-refresh reads everything: leave --start and --end out")

    @property
    def refreshed(self) -> frozenset[str]:
        """Of what, in the windows read, every row that Klaviyo shows is loaded anew."""
        return frozenset(resource.name for resource in self.resources) if self.again else self.full_refresh

    @property
    def description(self) -> dict[str, Any]:
        return {
            "resources": [resource.name for resource in self.resources],
            "reports": self.reports,
            "start": str(self.start) if self.start else None,
            "end": str(self.end) if self.end else None,
            "full_refresh": sorted(self.full_refresh),
            "again": [str(window) for window in self.again],
            "where": {name: len(conditions) for name, conditions in self.where.items()},
        }


def named(names: Sequence[str] | None, revision: str = REVISION) -> tuple[Resource, ...]:
    """The named resources, all by default; reports go by themselves. Raises ConfigurationError for unknown names."""
    reports = report_names(names or ())
    if reports and not {*(names or ())} - {*reports}:
        return ()
    try:
        return select([name for name in names if name not in reports] if names else None, revision)
    except UnknownResource as error:
        raise ConfigurationError(f"{error}, {', '.join(REPORT_NAMES)}") from None


def load(settings: Settings, warehouse: Warehouse, request: Request, watch: Watch) -> Run:
    """Read, load, mark what vanished, and record the run. Raises RunError; what it says has then happened is recorded."""
    run = Run(request.description, settings.revision, started_at=request.now)
    try:
        pipeline = warehouse.pipeline()
        with destination_errors(warehouse):
            make_tables(pipeline, every_table(settings.revision).values(), JOURNAL)
        held = WarehouseRows(pipeline)
        settings = replace(settings, policy=with_tombstones(pipeline, settings.policy))
        extraction = extract(settings, request, held)
        if not (request.again or request.where):  # else a part of something that knows already
            claim(pipeline, warehouse, whose(extraction.parents))
        extraction.changed = changed_tables(pipeline, settings.policy, extraction.walks)
        refuse_mixture(extraction.changed, extraction.walks, request.full_refresh)
        reports = inquire(settings, request, extraction.client, held)
        run.tallies = [*extraction.tallies, *reports.tallies]
        watch.reading(run.tallies)
        run.first_load_id = load_packages(pipeline, warehouse, extraction)
        with destination_errors(warehouse), pipeline.sql_client() as client:
            tables = Tables(client)
            index_times(tables, extraction.walks)
            for walk in extraction.walks:
                run.policies |= settle_policy(pipeline, tables, extraction, walk, run.first_load_id)
            run.vanished = mark_vanished(tables, extraction.walks, run.first_load_id, run.started_at, request.refreshed)
            run.rereads = measured(tables, extraction.walks, request.now)
        # Slow as their limits are, they come when everything else is safe.
        load_packages(pipeline, warehouse, reports)
        run.vanished |= reports.vanished
        with destination_errors(warehouse):
            if run.policies:
                write(pipeline, leftovers(run.started_at, "a new field policy"))
            run.changes, run.has_leftovers = told_first(pipeline)
            run.finish(*outcome(run.tallies))
            looking = Looking(
                pipeline,
                run,
                extraction.walks,
                run.first_load_id,
                whole=not (request.start or request.end or request.again or request.where),
                refreshed=request.refreshed,
            )
            # Where nothing has ever been loaded there is nothing to look at.
            if pipeline.schema_names:
                commit(pipeline, *definitions.resources(looking), *memberships.resources(looking))
            record(pipeline, run)
    except (RunError, OSError) as error:
        failure = explain(error, warehouse)
        run.finish(failure.exit if isinstance(failure, RunError) else Exit.FAILED, str(failure))
        record_failure(warehouse, run)
        if failure is error:
            raise
        raise failure from error
    return run


def told_first(pipeline: dlt.Pipeline) -> tuple[list[Change], bool]:
    """What of the schema this run is the first to tell, and whether there is something to clear away."""
    with pipeline.sql_client() as client:
        tables = Tables(client)
        return untold(tables, states(pipeline)), has_leftovers(tables)


def settle_policy(
    pipeline: dlt.Pipeline, tables: Tables, extraction: Extraction, walk: Walk, first_load_id: str
) -> dict[str, str]:
    """Once a walk has been read whole under a new field policy, treat the rows that it has not brought, too."""
    changed = [table.name for table in walk.tables if table.name in (extraction.changed or ())]
    if not changed or walk.tally.status != "complete":
        return {}
    treat_what_is_gone(tables, pipeline.default_schema, extraction.policy, walk, first_load_id)
    return {name: extraction.policy.fingerprint(name) for name in changed}


def extract(settings: Settings, request: Request, held: Held) -> Extraction:
    return Extraction(
        settings.client(),
        request.resources,
        start_date=settings.start_date,
        start=request.start,
        end=request.end,
        full_refresh=request.full_refresh,
        again=request.again,
        held=held,
        where=request.where,
        now=request.now,
        policy=settings.policy,
        tiers=settings.tiers,
        max_lanes=settings.max_lanes,
        package=Package(settings.package_rows, settings.package_megabytes, settings.package_minutes),
    )


def inquire(settings: Settings, request: Request, client: Client, held: Held) -> Reporting:
    return reporting(
        settings,
        client,
        request.reports,
        now=request.now,
        start=request.start,
        end=request.end,
        full_refresh=request.full_refresh,
        held=held,
    )


def load_packages(
    pipeline: dlt.Pipeline,
    warehouse: Warehouse,
    extraction: Extraction | Reporting,
    enough: Callable[[], bool] = lambda: False,
) -> str:
    """Read everything, in load packages of bounded size, each committed with what has then been read.

    After `enough`, no further package is begun. An id that is older than those of the packages, and newer than that of any
    before them.
    """
    # One thread per walk or report: it waits for its lanes or its limit most of its time.
    dlt.config["extract.workers"] = dlt.config["extract.max_parallel_items"] = len(extraction.tallies)

    @dlt.source(name=SCHEMA, max_table_nesting=0)
    def account() -> list[DltResource]:
        return extraction.resources()

    share_arenas()
    before_all = create_load_id()
    try:
        while not extraction.finished:
            extraction.package.begin()
            pipeline.run(account())
            give_memory_back()
            if enough():
                break
    except PipelineStepFailed as error:
        raise reason(error, warehouse) from error
    finally:
        extraction.close()
    return before_all


def index_times(tables: Tables, walks: Sequence[Walk]) -> None:
    """Let rows be found by the time that they are read again by: without an index that takes a look at all of them."""
    for walk in walks:
        if walk.host.cursor and walk.tables[0].resource is walk.host:
            tables.index(walk.host.name, walk.host.cursor.field)


M_ARENA_MAX: Final = -8


def share_arenas() -> None:
    """Keep glibc from giving each lane a heap of its own, which all grow to the size of the largest page."""
    with suppress(OSError, AttributeError):  # another C library than glibc
        ctypes.CDLL("libc.so.6").mallopt(M_ARENA_MAX, 2)


def give_memory_back() -> None:
    """Return what a package used to the system: allocators keep it, and packages are of different shapes."""
    pa.default_memory_pool().release_unused()
    with suppress(OSError, AttributeError):  # as above
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def reason(error: PipelineStepFailed, warehouse: Warehouse) -> BaseException:
    """What ended the package, as one message with its exit code."""
    for cause in chain(error):
        if isinstance(cause, KlaviyoError):
            return refused(cause)
    return explain(error, warehouse)


def outcome(tallies: Sequence[Tally]) -> tuple[Exit, str]:
    """The exit code that the walks add up to, and why."""
    if STOP.is_set():
        return Exit.STOPPED, "told to stop; the next run goes on from here"
    for status, code in (("failed", Exit.FAILED), ("not_permitted", Exit.NEEDS_A_PERSON)):
        errors = [f"{tally.resource}: {tally.error}" for tally in tallies if tally.status == status]
        if errors:
            return code, "; ".join(errors)
    return Exit.DONE, ""


def record_failure(warehouse: Warehouse, run: Run) -> None:
    """Leave word of a failed run in the warehouse, if that can still be written."""
    try:
        record(warehouse.pipeline(), run)
    except Exception as error:  # noqa: BLE001 - whatever this is, the failure that we were about to report matters more
        log.warning("the failed run could not be recorded: %s", type(error).__name__)
