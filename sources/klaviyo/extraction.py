"""One reading of an account: which walks, which windows, and what dlt is told about their rows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import dlt
import pendulum
import pyarrow as pa
from dlt.extract import DltResource
from pendulum import DateTime

from sources.klaviyo import contract
from sources.klaviyo.client import Client
from sources.klaviyo.errors import KlaviyoError, NotPermitted, RevisionRetired, Unauthorized, Unreachable
from sources.klaviyo.resources import NAMES, RESOURCES
from sources.klaviyo.rows import Page
from sources.klaviyo.spec import Resource
from sources.klaviyo.tables import Column, Table, column_hints, table
from sources.klaviyo.walk import Walk
from sources.klaviyo.windows import BEGINNING, Window, due, moment, stamp, union

log = logging.getLogger(__name__)

SETTLING: Final = timedelta(seconds=10)
"""How far a window's end stays behind the clock: rows of the last seconds are still arriving, and clocks differ."""

Known = Callable[[Table, Window], Container[int]]
"""Hashes of the rows that the warehouse holds of a table in a window."""


def nothing_known(_table: Table, _window: Window) -> Container[int]:
    return frozenset()


@dataclass
class Extraction:
    """The walks of a run. Reads what is due, or one given range; counts everything."""

    client: Client
    selected: Sequence[Resource]
    start_date: DateTime | None = None
    start: DateTime | None = None
    end: DateTime | None = None
    full_refresh: frozenset[str] = frozenset()
    """Resources to read from the beginning, whatever has been read."""
    known: Known = nothing_known
    now: DateTime = field(default_factory=lambda: pendulum.now("UTC"))

    tables_there: frozenset[str] = frozenset(NAMES)
    """Tables that the warehouse has; any other is made, so that models on top find every table whatever was selected."""

    def __post_init__(self) -> None:
        facts = contract.load(self.client.revision)
        self.missing = [
            table(resource, facts)
            for resource in RESOURCES
            if resource not in self.selected and resource.name not in self.tables_there
        ]
        hosts = dict.fromkeys(resource.host for resource in self.selected)
        self.walks = [
            Walk(host, [resource for resource in self.selected if resource.host is host], facts) for host in hosts
        ]

    def resources(self) -> list[DltResource]:
        """One dlt resource per walk, named after its host; each fills the tables of its walk."""
        missing = [dlt.resource(map(empty, self.missing), name="tables_not_selected")] if self.missing else []
        return [*map(self.resource, self.walks), *missing]

    def resource(self, walk: Walk) -> DltResource:
        def rows() -> Iterator[Any]:
            yield from self.read(walk)

        return dlt.resource(rows, name=walk.host.name, parallelized=True)

    def read(self, walk: Walk) -> Iterator[Any]:
        """Yield a walk's rows. A refusal or an outage ends the walk, not the run; its windows then stay unread."""
        walk.tally.status = "reading"
        handing = Handing(walk)
        yield from handing.empty_tables()
        try:
            for window in self.windows(walk):
                for page in walk.pages(self.client, window, self.known_rows(walk, window)):
                    yield from handing.rows(page)
                if window:
                    remember(walk, window)
        except KlaviyoError as error:
            self.give_up(walk, error)
        else:
            walk.tally.status = "complete"

    def give_up(self, walk: Walk, error: KlaviyoError) -> None:
        walk.tally.status = "not_permitted" if isinstance(error, NotPermitted) else "failed"
        walk.tally.error = str(error)
        never_answered = isinstance(error, Unreachable) and not self.client.contacted
        if never_answered or isinstance(error, Unauthorized | RevisionRetired):
            raise error
        log.warning("%s: %s", walk.host.name, error)

    def windows(self, walk: Walk) -> list[Window | None]:
        """The windows to read, in order of time; None for a collection that is read whole."""
        cursor = walk.host.cursor
        if cursor is None:
            return [None]
        horizon = self.now.replace(microsecond=0) - SETTLING
        if self.start or self.end:
            asked = Window(self.start or BEGINNING, min(self.end or horizon, horizon))
            walk.tally.windows = [] if asked.empty else [asked]
        else:
            # What happened is bounded by the start date; what things are is not: events refer to things of any age.
            beginning = BEGINNING if cursor.marks_change else self.start_date or BEGINNING
            within = Window(beginning, horizon)
            walk.tally.windows = union(
                window
                for resource in walk.resources
                for window in due(within, [] if self.forgets(walk) else windows_read(resource), cursor.lookback)
            )
        return [*walk.tally.windows]

    def forgets(self, walk: Walk) -> bool:
        return not self.full_refresh.isdisjoint(resource.name for resource in walk.resources)

    def known_rows(self, walk: Walk, window: Window | None) -> Container[int]:
        """Hashes that need no loading: none where a table of the walk may lack rows that its host has."""
        if window is None or walk.host not in walk.resources or self.forgets(walk):
            return frozenset()
        if any(windows_read(resource) != windows_read(walk.host) for resource in walk.resources):
            return frozenset()
        return self.known(walk.tables[0], window)


def windows_read(resource: Resource) -> list[Window]:
    """What the destination says has been read of a resource in the walk that runs now."""
    read = dlt.current.resource_state().get("windows_read", {}).get(resource.name, [])
    return [Window(moment(start), moment(end)) for start, end in read]


def remember(walk: Walk, window: Window) -> None:
    """Add a window to what has been read of each resource; dlt commits this with the window's rows."""
    state = dlt.current.resource_state().setdefault("windows_read", {})
    for resource in walk.resources:
        read = union([*windows_read(resource), window])
        state[resource.name] = [[stamp(start), stamp(end)] for start, end in read]


class Handing:
    """Hands a walk's rows to dlt with the hints of their tables, given once and again when columns are added."""

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.declared: dict[str, tuple[Column, ...]] = {table.name: table.columns for table in walk.tables}

    def empty_tables(self) -> Iterator[object]:
        """So that every table exists with its columns even when the account has no such rows."""
        return map(empty, self.walk.tables)

    def rows(self, page: Page) -> Iterator[object]:
        for filled in self.walk.tables:
            name, rows, columns = filled.name, page.rows[filled.name], page.columns[filled.name]
            if not rows.num_rows:
                continue
            self.walk.tally.rows[name] += rows.num_rows
            if set(columns) <= set(self.declared[name]):
                yield dlt.mark.with_table_name(rows, name)
            else:
                self.walk.tally.new_columns |= {f"{name}.{column.name}" for column in {*columns} - {*filled.columns}}
                self.declared[name] = tuple(dict.fromkeys((*self.declared[name], *columns)))
                yield declared(filled, rows, self.declared[name])


def empty(of: Table) -> object:
    """A table without rows, declared to dlt."""
    return declared(of, of.schema.empty_table(), of.columns)


def declared(of: Table, rows: pa.Table, columns: tuple[Column, ...]) -> object:
    """Rows with what dlt needs to know of their table."""
    hints = column_hints(columns, of.key)
    if of.resource.cursor and of.resource.cursor.marks_change:
        # Of two states of a row in one load, the later one stays.
        hints[of.resource.cursor.field]["dedup_sort"] = "desc"
    return dlt.mark.with_hints(
        rows,
        dlt.mark.make_hints(
            table_name=of.name,
            columns=hints,  # type: ignore[arg-type]  # plain dicts of the same shape
            primary_key=of.key,
            write_disposition={"disposition": "merge", "strategy": "delete-insert"},
        ),
        create_table_variant=True,
    )
