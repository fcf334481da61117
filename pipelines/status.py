"""What the warehouse says of itself: the last runs, the windows read, the rows of each table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from pipelines.definitions import VERSIONS
from pipelines.drift import last_changes
from pipelines.lateness import Lateness, lateness
from pipelines.reports import REPORT_NAMES, Spending, all_spending
from pipelines.runs import RUN_RESOURCES, RUNS, states, window_rows
from pipelines.schedule import Turn, turns
from pipelines.settings import Sweeps
from pipelines.verify import Last, last_verification
from pipelines.warehouse import Tables, Warehouse
from sources.klaviyo import contract
from sources.klaviyo.resources import ALL_NAMES, at
from sources.klaviyo.sweeping import is_swept
from sources.klaviyo.tables import DELETED_AT

CHANGES: Final = 10
KEPT: Final = (VERSIONS, "list_membership_intervals", "segment_membership_intervals")
"""What runs keep of the past."""


@dataclass(frozen=True)
class Status:
    runs: list[Sequence[Any]]
    """Newest first: started_at, finished_at, exit code, message, rows received, requests."""
    tables: list[tuple[str, int, int | None]]
    """Table, rows that Klaviyo shows, rows marked as vanished; tables that were never loaded are left out. Of what is kept of the past, all rows."""
    windows: Sequence[Sequence[Any]]
    """Resource, start, end."""
    spending: list[Spending]
    """Of the reports' daily allowances."""
    waiting: Sequence[Sequence[Any]]
    """Report, and what the last run has left of it."""
    verified: Last | None
    lateness: Lateness | None
    sweeps: Sequence[Turn]
    changes: Sequence[Sequence[Any]]
    """Of the schema, the last that were told: when, resource, attribute, kind, detail."""


def status(warehouse: Warehouse, revision: str, share: float, runs: int = 5, sweeps: Sweeps | None = None) -> Status:
    """Read the run tables and count the rows. Works from any machine that reaches the warehouse."""
    with replace(warehouse, read_only=True).onlooker() as pipeline, pipeline.sql_client() as client:
        tables = Tables(client)
        return Status(
            verified=last_verification(tables),
            lateness=lateness(tables),
            sweeps=turns(
                tables,
                states(pipeline),
                [one for one in at(revision) if is_swept(one)],
                contract.load(revision),
                sweeps or Sweeps(),
            ),
            changes=last_changes(tables, CHANGES),
            runs=tables.rows(
                f"SELECT r.started_at, r.finished_at, r.exit_code, r.message, "  # noqa: S608 - names are ours
                f"coalesce(sum(w.received), 0), coalesce(sum(w.requests), 0) FROM {tables.name(RUNS)} r "
                f"LEFT JOIN {tables.name(RUN_RESOURCES)} w ON w.run_id = r.run_id "
                f"GROUP BY r.run_id, r.started_at, r.finished_at, r.exit_code, r.message "
                f"ORDER BY r.started_at DESC LIMIT {runs}"
            ),
            tables=[
                *((name, *counts) for name in (*ALL_NAMES, *REPORT_NAMES) if (counts := count(tables, name))),
                *((name, tables.count(name, "TRUE"), None) for name in KEPT if tables.exists(name)),
            ],
            windows=sorted(tuple(row.values()) for row in window_rows(pipeline)),
            spending=all_spending(states(pipeline), revision, share),
            waiting=tables.rows(
                f"SELECT w.resource, w.note FROM {tables.name(RUN_RESOURCES)} w "  # noqa: S608 - names are ours
                f"JOIN {tables.name(RUNS)} r ON r.run_id = w.run_id "
                f"JOIN (SELECT v.resource, max(s.started_at) AS last_started_at FROM {tables.name(RUN_RESOURCES)} v "
                f"JOIN {tables.name(RUNS)} s ON s.run_id = v.run_id GROUP BY v.resource) last_run "
                f"ON last_run.resource = w.resource AND last_run.last_started_at = r.started_at "
                f"WHERE w.questions_left > 0 ORDER BY w.resource"
            ),
        )


def count(tables: Tables, name: str) -> tuple[int, int] | None:
    rows = tables.rows(f"SELECT count(*), count({DELETED_AT}) FROM {tables.name(name)}")  # noqa: S608 - names are ours
    return (int(rows[0][0]) - int(rows[0][1]), int(rows[0][1])) if rows else None
