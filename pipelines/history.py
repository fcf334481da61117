"""What a run adds to history: versions of definitions, and memberships from when to when.

Both are kept after each load, from the rows that it brought or marked. What has been looked at is recorded with the run, once
what there is to write is written: a run that fails leaves its rows to the next one, and to look twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Final

import dlt
import pyarrow as pa
from dlt.extract import DltResource

from pipelines.runs import Progress, Run
from pipelines.schema import LOAD
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

    def last_load(self, tables: Tables) -> str:
        """The id of the latest load."""
        schema = self.pipeline.default_schema_name
        loads = tables.rows(f"SELECT max(load_id) FROM {tables.name('_dlt_loads')} WHERE schema_name = %s", schema)  # noqa: S608 - names are ours
        return str(loads[0][0] or "")

    def note(self, kept_in: str, table: str, before: Progress, through: str, *, sees_all: bool) -> None:
        """Note that the run has looked at all there is of a table, through this load."""
        self.run.progress[kept_in, table] = Progress(
            through=max(before.through, through),
            marked=self.run.started_at,
            whole=self.began if sees_all else before.whole,
        )

    def conditions(self, before: Progress) -> Iterator[str]:
        """The SQL conditions of the rows to look at: those brought since, and others that were found to have vanished."""
        brought = self.brought(before)
        yield brought
        if before.marked:
            marked = min(before.marked, self.run.started_at)
            yield f"({DELETED_AT} >= '{marked.isoformat()}' AND NOT {brought})"

    def brought(self, before: Progress) -> str:
        """The SQL condition of the rows that loads have brought since."""
        if not before.through:
            return "TRUE"
        # Another machine's clock may be behind the one that loaded last.
        return f"({LOAD} > '{before.through}' OR {LOAD} >= '{self.first_load_id or before.through}')"


@dataclass
class SweepLooking(Looking):
    """A sweep that looks at what it has marked or put in. The next run looks at it once more, beside all else."""

    notes: bool = False

    def conditions(self, before: Progress) -> Iterator[str]:  # noqa: ARG002 - it looks at its own rows, whatever was looked at before
        yield f"({DELETED_AT} >= '{self.run.started_at.isoformat()}' OR {LOAD} >= '{self.first_load_id}')"


def with_rows(rows: Iterator[pa.Table], made: Callable[[Iterator[pa.Table]], DltResource]) -> list[DltResource]:
    """What loads the rows, if there are any: a package without rows takes as long as another."""
    first = next(rows, None)
    return [] if first is None else [made(chain([first], rows))]
