"""What the warehouse holds already, so that nothing is loaded twice."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Protocol

from sources.klaviyo.reports import ReportTable, Row
from sources.klaviyo.tables import Table
from sources.klaviyo.windows import Window


class Held(Protocol):
    def has(self, table: Table | ReportTable) -> bool:
        """Whether the table is there with all its columns."""
        ...

    def hashes(self, table: Table, window: Window) -> Container[int]:
        """Of the rows in a window."""
        ...

    def rows(self, table: Table) -> int:
        """How many Klaviyo shows still, as far as is known."""
        ...

    def report_rows(self, table: ReportTable, days: Window) -> Iterable[Row]:
        """Of a report in a range of days, but for those marked as vanished."""
        ...


class Nothing:
    """A warehouse of which nothing is known."""

    def has(self, _table: Table | ReportTable) -> bool:
        return False

    def hashes(self, _table: Table, _window: Window) -> Container[int]:
        return frozenset()

    def rows(self, _table: Table) -> int:
        return 0

    def report_rows(self, _table: ReportTable, _days: Window) -> Iterable[Row]:
        return ()
