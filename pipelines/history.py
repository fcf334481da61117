"""What a run adds to history: versions of definitions, and memberships from when to when.

Both are kept after each load, from the rows that it brought or marked. What has been looked at is in dlt's state, committed
with what is written, so that a run that fails leaves its rows to the next one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import dlt

from pipelines.absence import LOAD
from pipelines.runs import Run
from pipelines.warehouse import Tables
from sources.klaviyo.tables import DELETED_AT
from sources.klaviyo.walk import Walk

SHORTLY: Final = timedelta(seconds=10)
"""By how much a look is said to have begun earlier than it did: marks are whole seconds, and clocks differ."""


@dataclass
class Looking:
    """A run that has loaded, and looks at what it has brought."""

    pipeline: dlt.Pipeline
    run: Run
    walks: Sequence[Walk]
    first_load_id: str
    """Older than all loads of this run, newer than any before."""
    whole: bool = True
    """False for a run that was asked for a range only."""
    refreshed: frozenset[str] = frozenset()
    """Tables that were read whole, though they usually are not."""
    notes: bool = True
    """Whether what has been looked at is noted, and not looked at again by the next run."""

    @property
    def began(self) -> datetime:
        return self.run.started_at - SHORTLY

    def is_own(self, load_id: str) -> bool:
        """Whether the run loaded this itself."""
        return bool(self.first_load_id) and load_id >= self.first_load_id

    def loaded_at(self, load_id: str) -> datetime:
        """By when rows of a load were there."""
        return self.run.now if self.is_own(load_id) else datetime.fromtimestamp(float(load_id), UTC)

    def conditions(self, noted: Noted) -> Iterator[str]:
        """The SQL conditions of the rows to look at: those brought since, and others that were found to have vanished."""
        brought = self.brought(noted)
        yield brought
        if noted.marked:
            marked = min(noted.marked, self.run.started_at)
            yield f"({DELETED_AT} >= '{marked.isoformat()}' AND NOT {brought})"

    def brought(self, noted: Noted) -> str:
        """The SQL condition of the rows that loads have brought since."""
        if not noted.through:
            return "TRUE"
        # Another machine's clock may be behind the one that loaded last.
        return f"({LOAD} > '{noted.through}' OR {LOAD} >= '{self.first_load_id or noted.through}')"


@dataclass
class SweepLooking(Looking):
    """A sweep that looks at what it has marked or put in. The next run looks at it once more, beside all else."""

    notes: bool = False

    def conditions(self, noted: Noted) -> Iterator[str]:  # noqa: ARG002 - it looks at its own rows, whatever was looked at before
        yield f"({DELETED_AT} >= '{self.run.started_at.isoformat()}' OR {LOAD} >= '{self.first_load_id}')"


class Noted:
    """What has been looked at of a table, in dlt's state."""

    def __init__(self, state: dict[str, Any], table: str) -> None:
        self.state: dict[str, str] = state.setdefault("looked", {}).setdefault(table, {})

    @property
    def through(self) -> str:
        """The last load whose rows have been looked at; all before, too."""
        return self.state.get("through", "")

    @property
    def marked(self) -> datetime | None:
        """Up to when rows that were marked have been looked at."""
        return self.instant("marked")

    @property
    def whole(self) -> datetime | None:
        """When the last look at all rows began."""
        return self.instant("whole")

    def instant(self, name: str) -> datetime | None:
        noted = self.state.get(name)
        return datetime.fromisoformat(noted) if noted else None

    def add(self, looking: Looking, tables: Tables, *, sees_all: bool) -> None:
        """Note that the run has looked at all there is."""
        schema = looking.pipeline.default_schema_name
        loads = tables.rows(f"SELECT max(load_id) FROM {tables.name('_dlt_loads')} WHERE schema_name = %s", schema)  # noqa: S608 - names are ours
        self.state["through"] = max(self.through, str(loads[0][0] or ""))
        self.state["marked"] = looking.run.started_at.isoformat()
        if sees_all:
            self.state["whole"] = looking.began.isoformat()
