"""Rows that the warehouse already holds, so that a re-read loads only what is new or changed, and marks what is gone."""

from __future__ import annotations

import threading
from array import array
from bisect import bisect_left
from collections.abc import Container

import dlt

from pipelines.warehouse import SCHEMA, Tables
from sources.klaviyo.reports import ReportTable, Row
from sources.klaviyo.tables import DELETED_AT, ROW_HASH, Table
from sources.klaviyo.windows import Window


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
    """Looks up the hashes of a table's rows in a window, its callers in turn, each over a connection of its own.

    None stays open: DuckDB keeps the memory of a load for as long as one does. Rows marked as vanished are not known: seen again, they are loaded and so unmarked.
    """

    def __init__(self, pipeline: dlt.Pipeline) -> None:
        self.pipeline = pipeline
        self.lock = threading.Lock()

    def __call__(self, table: Table, window: Window) -> Hashes:
        assert table.resource.cursor is not None
        with self.lock, self.pipeline.sql_client() as client:
            tables = Tables(client)
            at = tables.column(table.resource.cursor.field)
            rows = tables.rows(
                f"SELECT {ROW_HASH} FROM {tables.name(table.name)} "  # noqa: S608 - names are ours
                f"WHERE {at} >= %s AND {at} < %s AND {DELETED_AT} IS NULL AND {ROW_HASH} IS NOT NULL ORDER BY 1",
                window.start,
                window.end,
            )
        return Hashes(array("q", (row[0] for row in rows)))

    def columns(self, table: str) -> Container[str]:
        schemas = self.pipeline.schemas
        return schemas[SCHEMA].tables.get(table, {"columns": {}})["columns"] if SCHEMA in schemas else ()

    def of_report(self, table: ReportTable, days: Window) -> list[Row]:
        """A report's rows of these days, with the columns that are there yet."""
        names = [column.name for column in table.columns if column.name in self.columns(table.name)]
        if not names:
            return []
        with self.lock, self.pipeline.sql_client() as client:
            tables = Tables(client)
            day = tables.column(table.period)
            rows = tables.rows(
                f"SELECT {', '.join(map(tables.column, names))} FROM {tables.name(table.name)} "  # noqa: S608 - names are ours
                f"WHERE {day} >= %s AND {day} < %s AND {DELETED_AT} IS NULL",
                days.start.date(),
                days.end.date(),
            )
        return [dict(zip(names, row, strict=True)) for row in rows]
