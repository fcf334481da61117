"""When each resource is swept: how its last sweep came out, from when on the next one is due, and what it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any, Final

import pendulum
from pendulum import DateTime

from pipelines.runs import RUNS
from pipelines.settings import Sweeps
from pipelines.warehouse import Tables
from sources.klaviyo import ledger
from sources.klaviyo.contract import Contract, Endpoint
from sources.klaviyo.ledger import State
from sources.klaviyo.spec import Resource
from sources.klaviyo.sweeping import BEGAN, Sweep
from sources.klaviyo.tables import DELETED_AT
from sources.klaviyo.windows import BEGINNING

SWEEPS: Final = "etl_sweeps"
DRIFT: Final = timedelta(hours=4)
"""By how much a schedule may be early and a sweep still due."""
USUAL_PAGE: Final = 10
"""Rows, where the contract names no size of a page."""


@dataclass(frozen=True)
class Last:
    """The last sweep that came to its end."""

    finished_at: datetime
    status: str
    marked: int
    missed: int
    note: str | None


@dataclass(frozen=True)
class Turn:
    """One resource's."""

    resource: str
    last: Last | None
    under_way: bool
    """Whether an earlier run has begun it, and left the rest."""
    due_at: datetime | None
    """None where a setting says that it is never swept."""
    requests: int
    """That what is left takes, beside one for each 100 ids that are not seen."""
    endpoint: Endpoint

    def is_due(self, now: datetime) -> bool:
        return self.due_at is not None and (self.under_way or self.due_at <= now)


def turns(
    tables: Tables,
    there: Mapping[str, State],
    resources: Sequence[Resource],
    facts: Contract,
    settings: Sweeps,
) -> list[Turn]:
    """Of those that have been loaded."""
    last, began = last_of_each(tables), last_sweeps(tables)
    found = []
    for one in resources:
        if read_until(there, one):
            sweep = Sweep(one, facts)
            before = began.get(one.name, began.get(""))
            days = settings.days(one)
            found.append(
                Turn(
                    resource=one.name,
                    last=last.get(one.name),
                    under_way=BEGAN in there.get(sweep.resource.name, {}),
                    due_at=due_at(before, days) if days else None,
                    requests=requests(tables, sweep),
                    endpoint=facts.collection(one.endpoint),
                )
            )
    return found


def due_at(before: datetime | None, days: float) -> datetime:
    """From when on; at once where no run is known."""
    if before is None:
        return BEGINNING
    return pendulum.instance(before).in_timezone("UTC") + timedelta(days=days) - DRIFT


def last_of_each(tables: Tables) -> dict[str, Last]:
    name = tables.name(SWEEPS)
    rows: list[Sequence[Any]] = tables.rows(
        f"SELECT resource, finished_at, status, marked, missed, note FROM {name} one WHERE began_at = "  # noqa: S608 - names are ours
        f"(SELECT max(began_at) FROM {name} other WHERE other.resource = one.resource) ORDER BY finished_at"
    )
    return {resource: Last(*told) for resource, *told in rows}


def last_sweeps(tables: Tables, *, only_complete: bool = False) -> dict[str, datetime]:
    """When the last sweep of each resource began; under '', when the first run did."""
    which = "WHERE status = 'complete'" if only_complete else ""
    rows = tables.rows(f"SELECT resource, max(began_at) FROM {tables.name(SWEEPS)} {which} GROUP BY 1")  # noqa: S608 - names are ours
    first = tables.rows(f"SELECT '', min(started_at) FROM {tables.name(RUNS)}")  # noqa: S608 - names are ours
    return {name: at for name, at in (*rows, *first) if at}


def requests(tables: Tables, sweep: Sweep) -> int:
    """That the rest of a sweep takes: the pages of what is held and was not seen yet, one at least of each query and parent."""
    page = sweep.contract.collection(sweep.of.endpoint).page_size or USUAL_PAGE
    held = live(tables, sweep.of.name, sweep.table.parent)
    seen = live(tables, sweep.resource.name, sweep.table.parent)
    left = {parent: max(rows - seen.get(parent, 0), 0) for parent, rows in held.items()}
    pages = sum(max(ceil(rows / page), 1) for rows in left.values())
    if sweep.of.per is None:
        return max(pages, len(sweep.of.partitions))
    listing = sweep.contract.collection(sweep.of.per.endpoint).page_size or USUAL_PAGE
    parents = sum(live(tables, sweep.of.per.name).values())
    return pages + max(parents - len(held), 0) + max(ceil(parents / listing), 1)


def live(tables: Tables, table: str, parent: str | None = None) -> dict[str, int]:
    """Rows that Klaviyo shows as far as is known, by parent."""
    by, grouped = (tables.column(parent), "GROUP BY 1") if parent else ("''", "")
    return {
        group: int(rows)
        for group, rows in tables.rows(
            f"SELECT {by}, count(*) FROM {tables.name(table)} WHERE {DELETED_AT} IS NULL {grouped}"  # noqa: S608 - names are ours
        )
    }


def read_until(there: Mapping[str, State], of: Resource) -> dict[str, DateTime]:
    """Up to when a resource has been read, by parent, or under ''; nothing while its first load is not over."""
    state = there.get(of.name, {})
    if of.per:
        read = {parent: ledger.windows(windows) for parent, windows in state.get("windows_read_of", {}).items()}
    else:
        read = {"": ledger.windows(state.get("windows_read", {}).get(of.name, ()))}
    return {parent: windows[-1].end for parent, windows in read.items() if windows}
