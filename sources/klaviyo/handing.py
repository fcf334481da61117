"""How rows are handed to dlt: with what it needs to know of their tables, said once and again when columns are added."""

from __future__ import annotations

from collections.abc import Iterator

import dlt
import pyarrow as pa

from sources.klaviyo.rows import Rows
from sources.klaviyo.tables import Column, Table, column_hints
from sources.klaviyo.walk import Walk


class Handing:
    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.declared: dict[str, tuple[Column, ...]] = {table.name: table.columns for table in walk.tables}

    def empty_tables(self) -> Iterator[object]:
        """So that every table exists with its columns even when the account has no such rows."""
        return map(empty, self.walk.tables)

    def rows(self, page: Rows) -> Iterator[object]:
        for filled in self.walk.tables:
            name, rows, columns = filled.name, page.tables[filled.name], page.columns[filled.name]
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
