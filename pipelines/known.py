"""Rows that the warehouse already holds, so that a re-read loads only what is new or changed, and marks what is gone."""

from __future__ import annotations

import threading
from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

import dlt

from pipelines.schema import LOAD
from pipelines.warehouse import Tables, schema_of
from sources.klaviyo.reports import ReportTable, Row
from sources.klaviyo.tables import DELETED_AT, ROW_HASH, Table
from sources.klaviyo.windows import Window


def known(tables: Tables) -> str:
    """The SQL condition of rows that need no loading as long as they stay as they are."""
    ended = f"SELECT load_id FROM {tables.name('_dlt_loads')} WHERE status = 0"  # noqa: S608 - names are ours
    return f"{DELETED_AT} IS NULL AND {LOAD} IN ({ended})"


class Hashes:
    """A set of 64-bit integers at eight bytes each."""

    def __init__(self, sorted_hashes: array[int]) -> None:
        self.hashes = sorted_hashes

    def __len__(self) -> int:
        return len(self.hashes)

    def __contains__(self, value: object) -> bool:
        assert isinstance(value, int)
        place = bisect_left(self.hashes, value)
        return place < len(self.hashes) and self.hashes[place] == value


class WarehouseRows:
    """What the warehouse holds. It is asked by one caller after the other, over one connection while others wait.

    It does not stay open: DuckDB keeps the memory of a load for as long as one does. Rows marked as vanished are not known: seen again, they
    are loaded and so unmarked. Nor are those of a load that did not come to its end: what belongs to them may be lacking in other tables.
    """

    def __init__(self, pipeline: dlt.Pipeline) -> None:
        self.pipeline = pipeline
        self.lock = threading.Lock()
        self.callers = 0
        self.counting = threading.Lock()
        self.tables: Tables | None = None
        # As it is before the run, which adds to it while we are asked.
        schema = schema_of(pipeline)
        self.normalized = schema.naming.normalize_path
        self.columns = defaultdict(set, {name: {*table["columns"]} for name, table in schema.tables.items()})

    @contextmanager
    def asked(self) -> Iterator[Tables]:
        with self.counting:
            self.callers += 1
        with self.lock:
            try:
                if self.tables is None:
                    self.tables = Tables(self.pipeline.sql_client())
                    self.tables.client.open_connection()
                yield self.tables
            finally:
                with self.counting:
                    self.callers -= 1
                    last = not self.callers
                if last and self.tables is not None:
                    self.tables.client.close_connection()
                    self.tables = None

    def has(self, table: Table | ReportTable) -> bool:
        """As far as dlt made it."""
        return {self.normalized(column.name) for column in table.columns} <= self.columns[table.name]

    def rows(self, table: Table) -> int:
        return self.counts.get(table.name, 0)

    @cached_property
    def counts(self) -> dict[str, int]:
        """Rows that are not marked as vanished, of all tables at once: a connection costs more than a count."""
        counted = [name for name, columns in self.columns.items() if DELETED_AT in columns]
        if not counted:
            return {}
        with self.asked() as tables:
            each = (
                f"SELECT '{name}', count(*) FROM {tables.name(name)} WHERE {known(tables)}"  # noqa: S608 - names are ours
                for name in counted
            )
            return {str(name): int(rows) for name, rows in tables.rows(" UNION ALL ".join(each))}

    def hashes(self, table: Table, window: Window) -> Hashes:
        assert table.resource.cursor is not None
        with self.asked() as tables:
            at = tables.column(table.resource.cursor.field)
            hashes = array("q")
            for rows in tables.batches(
                f"SELECT {ROW_HASH} FROM {tables.name(table.name)} "  # noqa: S608 - names are ours
                f"WHERE {at} >= %s AND {at} < %s AND {known(tables)} AND {ROW_HASH} IS NOT NULL ORDER BY 1",
                window.start,
                window.end,
            ):
                hashes.extend(row[0] for row in rows)
        return Hashes(hashes)

    def report_rows(self, table: ReportTable, days: Window) -> list[Row]:
        """With the columns that are there yet."""
        names = [column.name for column in table.columns if column.name in self.columns[table.name]]
        if not names:
            return []
        with self.asked() as tables:
            day = tables.column(table.period)
            rows = tables.rows(
                f"SELECT {', '.join(map(tables.column, names))} FROM {tables.name(table.name)} "  # noqa: S608 - names are ours
                f"WHERE {day} >= %s AND {day} < %s AND {DELETED_AT} IS NULL",
                days.start.date(),
                days.end.date(),
            )
        return [dict(zip(names, row, strict=True)) for row in rows]
