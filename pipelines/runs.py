"""The run tables: what each run asked, got, skipped and retried, and which windows are complete."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import reduce
from typing import Any, Final
from uuid import uuid4

import dlt
import pendulum
from dlt.extract import DltResource
from pendulum import DateTime

from pipelines.drift import CHANGE_COLUMNS, SCHEMA_CHANGES, change_row
from pipelines.errors import Exit
from pipelines.journal import Entries, write
from pipelines.lateness import REREAD_COLUMNS, REREADS, Reread
from pipelines.warehouse import SCHEMA, Tables, utc
from sources.klaviyo import ledger
from sources.klaviyo.drift import Change
from sources.klaviyo.extraction import FIELD_POLICIES
from sources.klaviyo.sweeping import PREFIX
from sources.klaviyo.tables import Column
from sources.klaviyo.tally import Tally
from sources.klaviyo.windows import Window, intersection

RUNS: Final = "etl_runs"
RUN_RESOURCES: Final = "etl_run_resources"
WINDOWS: Final = "etl_windows"
LOOKS: Final = "etl_looks"

RUN_COLUMNS: Final = (
    Column("run_id", "text"),
    Column("started_at", "timestamp"),
    Column("finished_at", "timestamp"),
    Column("exit_code", "bigint"),
    Column("message", "text"),
    Column("revision", "text"),
    Column("asked", "json"),
    Column("first_load_id", "text"),
)
RUN_RESOURCE_COLUMNS: Final = (
    Column("run_id", "text"),
    Column("resource", "text"),
    Column("status", "text"),
    Column("error", "text"),
    Column("note", "text"),
    Column("questions_left", "bigint"),
    Column("windows", "json"),
    Column("requests", "bigint"),
    Column("retries", "bigint"),
    Column("throttled", "bigint"),
    Column("waited_seconds", "double"),
    Column("bytes", "bigint"),
    Column("pages", "bigint"),
    Column("received", "bigint"),
    Column("unchanged", "bigint"),
    Column("parents_gone", "bigint"),
    Column("loaded", "json"),
    Column("vanished", "json"),
)
WINDOW_COLUMNS: Final = (
    Column("resource", "text"),
    Column("window_start", "timestamp"),
    Column("window_end", "timestamp"),
)
LOOK_COLUMNS: Final = (
    Column("kept_in", "text"),
    Column("table_name", "text"),
    Column("through", "text"),
    Column("marked_at", "timestamp"),
    Column("whole_at", "timestamp"),
)

RUN_TABLES: Final = {
    RUNS: RUN_COLUMNS,
    RUN_RESOURCES: RUN_RESOURCE_COLUMNS,
    REREADS: REREAD_COLUMNS,
    SCHEMA_CHANGES: CHANGE_COLUMNS,
    WINDOWS: WINDOW_COLUMNS,
    LOOKS: LOOK_COLUMNS,
}


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How much of a table has been looked at for history."""

    through: str = ""
    """The last load whose rows have been looked at; all before, too."""
    marked: datetime | None = None
    """Up to when rows that were marked have been looked at."""
    whole: datetime | None = None
    """When the last look at all rows began."""


@dataclass
class Run:
    """One run, as it goes and as it ended."""

    asked: dict[str, Any]
    revision: str
    id: str = field(default_factory=lambda: uuid4().hex)
    started_at: DateTime = field(default_factory=lambda: pendulum.now("UTC"))
    finished_at: DateTime | None = None
    exit: Exit = Exit.FAILED
    message: str = ""
    seconds: float = 0.0
    first_load_id: str = ""
    """Of dlt's load packages: rows with it or a later one were brought by this run or a later one."""
    tallies: list[Tally] = field(default_factory=list)
    vanished: dict[str, int] = field(default_factory=dict)
    policies: dict[str, str] = field(default_factory=dict)
    """Tables of which all rows are now treated alike, after a change of the field policy, and the policy's fingerprint."""
    has_leftovers: bool = False
    """Whether this run, or one before that did not get so far, has left something to clear away."""
    rereads: list[Reread] = field(default_factory=list)
    """What was read again, and found late."""
    changes: list[Change] = field(default_factory=list)
    """What Klaviyo sends otherwise than the contract tells, and was not told before."""
    progress: dict[tuple[str, str], Progress] = field(default_factory=dict)
    """Of history, by the table in which it is kept and the one of which."""

    def __post_init__(self) -> None:
        self.began = time.monotonic()

    @property
    def now(self) -> DateTime:
        """As far as the run's own clock has come."""
        return self.started_at.add(seconds=time.monotonic() - self.began)

    def finish(self, exit_code: Exit, message: str = "") -> None:
        self.finished_at, self.exit, self.message = self.now, exit_code, message
        self.seconds = (self.finished_at - self.started_at).total_seconds()


def record(pipeline: dlt.Pipeline, run: Run, *more: Entries) -> None:
    """Add the run to the run tables, say anew which windows are complete, and what else the run has to tell."""
    commit_policies(pipeline, run)
    write(
        pipeline,
        Entries(RUNS, RUN_COLUMNS, [run_row(run)]),
        Entries(RUN_RESOURCES, RUN_RESOURCE_COLUMNS, [tally_row(run, tally) for tally in run.tallies]),
        Entries(REREADS, REREAD_COLUMNS, [one.row(run.id, run.started_at) for one in run.rereads]),
        Entries(SCHEMA_CHANGES, CHANGE_COLUMNS, [change_row(one, run.id, run.started_at) for one in run.changes]),
        Entries(WINDOWS, WINDOW_COLUMNS, window_rows(pipeline), instead_of="TRUE"),
        Entries(LOOKS, LOOK_COLUMNS, [look_row(*of, one) for of, one in run.progress.items()], of_any(run.progress)),
        *more,
    )


def commit_policies(pipeline: dlt.Pipeline, run: Run) -> None:
    """Commit, in dlt's state, what a change of the field policy has come to."""
    if not run.policies:
        return

    def policies() -> Iterator[Any]:
        dlt.current.source_state().setdefault(FIELD_POLICIES, {}).update(run.policies)
        yield from ()

    commit(pipeline, dlt.resource(policies, name="field_policies"))


def commit(pipeline: dlt.Pipeline, *resources: DltResource) -> None:
    """Load what is not asked of Klaviyo, as one package, with the state that it leaves."""

    @dlt.source(name=SCHEMA, max_table_nesting=0)
    def ours() -> list[DltResource]:
        return [*resources]

    if resources:
        pipeline.run(ours())


def progress(tables: Tables, kept_in: str) -> dict[str, Progress]:
    """What runs before have looked at, by table."""
    rows = tables.rows(
        f"SELECT table_name, through, marked_at, whole_at FROM {tables.name(LOOKS)} WHERE kept_in = %s",  # noqa: S608 - names are ours
        kept_in,
    )
    return {
        name: Progress(through=through, marked=utc(marked), whole=utc(whole)) for name, through, marked, whole in rows
    }


def of_any(histories: Iterable[tuple[str, str]]) -> str:
    """The SQL condition of what has been noted of these."""
    return " OR ".join(f"(kept_in = '{kept_in}' AND table_name = '{table}')" for kept_in, table in histories)


def look_row(kept_in: str, table: str, told: Progress) -> dict[str, Any]:
    return {
        "kept_in": kept_in,
        "table_name": table,
        "through": told.through,
        "marked_at": told.marked,
        "whole_at": told.whole,
    }


def run_row(run: Run) -> dict[str, Any]:
    return {
        "run_id": run.id,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "exit_code": int(run.exit),
        "message": run.message,
        "revision": run.revision,
        "asked": json.dumps(run.asked),
        "first_load_id": run.first_load_id or None,
    }


def tally_row(run: Run, tally: Tally) -> dict[str, Any]:
    return {
        "run_id": run.id,
        "resource": tally.resource,
        "status": tally.status,
        "error": tally.error,
        "note": tally.note,
        "questions_left": tally.left,
        "windows": json.dumps([str(window) for window in tally.windows]),
        "requests": tally.requests,
        "retries": tally.retries,
        "throttled": tally.throttled,
        "waited_seconds": tally.waited,
        "bytes": tally.bytes,
        "pages": tally.pages,
        "received": tally.received,
        "unchanged": tally.unchanged,
        "parents_gone": tally.gone,
        "loaded": json.dumps(tally.rows),
        "vanished": json.dumps({table: count for table, count in run.vanished.items() if table in tally.tables}),
    }


def states(pipeline: dlt.Pipeline) -> dict[str, dict[str, Any]]:
    """What dlt's state, as committed, holds of each resource."""
    resources: dict[str, dict[str, Any]] = pipeline.state.get("sources", {}).get(SCHEMA, {}).get("resources", {})
    return resources


def window_rows(pipeline: dlt.Pipeline) -> list[dict[str, Any]]:
    """The windows that have been read."""
    return [
        {"resource": name, "window_start": window.start, "window_end": window.end}
        for host, state in states(pipeline).items()
        if not host.startswith(PREFIX)
        for name, windows in [*of_tables(state), *of_parents(host, state)]
        for window in windows
    ]


def of_tables(state: dict[str, Any]) -> Iterator[tuple[str, list[Window]]]:
    for name, read in state.get("windows_read", {}).items():
        yield name, ledger.windows(read)


def of_parents(host: str, state: dict[str, Any]) -> Iterator[tuple[str, list[Window]]]:
    """What has been read of all parents."""
    if read := [ledger.windows(one) for one in state.get("windows_read_of", {}).values()]:
        yield host, reduce(intersection, read)
