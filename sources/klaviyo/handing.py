"""How rows are handed to dlt: with what it needs to know of their tables, said once and again when columns are added."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, Protocol

import dlt
import pyarrow as pa
import pyarrow.ipc
import xxhash

from sources.klaviyo.rows import Rows
from sources.klaviyo.tables import ARROW, CHANGED_AT, FIRST_SEEN_AT, Column, Table
from sources.klaviyo.walk import Walk

ENOUGH: Final = 16_000_000
"""Bytes of rows that are handed over at once."""


class Handing:
    """Collects a walk's rows and hands them to dlt many at a time: each piece costs dlt more than a page's rows do."""

    def __init__(self, walk: Walk, now: datetime) -> None:
        self.walk = walk
        self.now = pa.scalar(now, ARROW["timestamp"])
        self.columns: dict[str, tuple[Column, ...]] = {table.name: table.columns for table in walk.tables}
        self.declared: dict[str, tuple[Column, ...]] = {}
        """What dlt has been told of tables in this package; it forgets with each."""
        self.seen: dict[str, set[tuple[str, ...]]] = defaultdict(set)
        self.held: dict[str, list[pa.Table]] = {table.name: [] for table in walk.tables}
        self.held_bytes: Counter[str] = Counter()
        self.handed = False
        """Whether anything has been handed over yet."""

    def rows(self, page: Rows) -> Iterator[object]:
        """Take a page's rows. Yield what has become enough to hand over."""
        for table in self.walk.tables:
            name, rows = table.name, self.unseen(table, page.tables[table.name])
            if not rows.num_rows:
                continue
            self.walk.tally.rows[name] += rows.num_rows
            added = [column for column in page.columns[name] if column not in self.columns[name]]
            self.columns[name] += tuple(added)
            self.held[name].append(rows)
            self.held_bytes[name] += rows.nbytes
            if self.held_bytes[name] >= ENOUGH:
                yield self.hand_over(table)

    def unseen(self, table: Table, rows: pa.Table) -> pa.Table:
        """Rows whose key this package does not hold yet: two queries may list one thing, and a merge wants it once."""
        seen = self.seen[table.name]
        fresh = []
        for place, key in enumerate(zip(*(rows[name].to_pylist() for name in table.key), strict=True)):
            if key not in seen:
                seen.add(key)
                fresh.append(place)
        return rows if len(fresh) == rows.num_rows else rows.take(pa.array(fresh, pa.int64()))

    def rest(self) -> Iterator[object]:
        """Yield what is held still: the package ends here."""
        for table in self.walk.tables:
            if self.held[table.name]:
                yield self.hand_over(table)
        self.seen.clear()
        self.declared.clear()

    def whole(self) -> str | None:
        """What all rows of the walk come to, in whatever order they came; unknown once some have been handed over."""
        if self.handed:
            return None
        digest = xxhash.xxh3_128()
        for table in self.walk.tables:
            held = [table.schema.empty_table(), *self.held[table.name]]
            rows = pa.concat_tables(held, promote_options="default").sort_by(
                [(name, "ascending") for name in table.key]
            )
            # Columns that pages have added stand in the order in which pages came.
            known = table.schema.names
            rows = rows.select([*known, *sorted({*rows.column_names} - {*known})])
            digest.update(table.name.encode())
            digest.update(serialized(rows.combine_chunks()))
        return digest.hexdigest()

    def let_go(self) -> None:
        """Forget what is held: the warehouse has it."""
        tally = self.walk.tally
        tally.count(unchanged=tally.rows[self.walk.tables[0].name])
        for table in self.walk.tables:
            self.held[table.name].clear()
            del tally.rows[table.name]

    def hand_over(self, table: Table) -> object:
        name = table.name
        self.handed = True
        rows = self.seen_now(pa.concat_tables(self.held[name], promote_options="default"))
        self.held[name] = []
        self.held_bytes[name] = 0
        if self.declared.get(name) == self.columns[name]:
            return dlt.mark.with_table_name(rows, name)
        self.declared[name] = self.columns[name]
        return declared(table, rows, self.columns[name])

    def seen_now(self, rows: pa.Table) -> pa.Table:
        """As if all were new: where a row is there already, the merge keeps what was noted of it."""
        for name in (FIRST_SEEN_AT, CHANGED_AT):
            rows = rows.set_column(rows.schema.get_field_index(name), name, pa.repeat(self.now, rows.num_rows))
        return rows


def serialized(rows: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows)
    return sink.getvalue()


class Shape(Protocol):
    """What dlt is told of a table."""

    @property
    def name(self) -> str: ...

    @property
    def key(self) -> tuple[str, ...]: ...

    @property
    def columns(self) -> tuple[Column, ...]: ...

    @property
    def schema(self) -> pa.Schema: ...

    def hints(self, columns: tuple[Column, ...]) -> dict[str, dict[str, Any]]: ...


def empty(of: Shape) -> object:
    """A table without rows, declared to dlt."""
    return declared(of, of.schema.empty_table(), of.columns)


def declared(of: Shape, rows: pa.Table, columns: tuple[Column, ...]) -> object:
    """Rows with what dlt needs to know of their table."""
    return dlt.mark.with_hints(
        rows,
        dlt.mark.make_hints(
            table_name=of.name,
            columns=of.hints(columns),  # type: ignore[arg-type]  # plain dicts of the same shape
            primary_key=of.key,
            write_disposition={"disposition": "merge", "strategy": "upsert"},
        ),
        create_table_variant=True,
    )
