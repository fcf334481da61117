"""The journal: tables of our own, about what runs did and found.

Their rows are few, and written by SQL in one transaction: a load package of dlt's for them costs as much as one of data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import dlt
from dlt.common.storages.load_package import create_load_id

from pipelines.schema import LOAD, make_tables
from pipelines.warehouse import Tables
from sources.klaviyo.tables import Column

NUMBERS: Final = frozenset({"bigint", "double"})
ROWS_AT_ONCE: Final = 100
"""In one statement: warehouses bound how many parameters that may have."""


@dataclass(frozen=True)
class Entries:
    """Rows for one table of the journal."""

    table: str
    columns: tuple[Column, ...]
    rows: Sequence[Mapping[str, Any]]
    instead_of: str = ""
    """The SQL condition of the rows whose place they take."""


def write(pipeline: dlt.Pipeline, *entries: Entries) -> None:
    """Write all of it or nothing, into tables that are made if they lack."""
    make_tables(pipeline, (), {one.table: one.columns for one in entries})
    with pipeline.sql_client() as client:
        tables = Tables(client)
        with tables.transaction():
            for one in entries:
                if one.instead_of:
                    tables.execute(f"DELETE FROM {tables.name(one.table)} WHERE {one.instead_of}")  # noqa: S608 - names are ours
                insert(tables, one)


def insert(tables: Tables, entries: Entries) -> None:
    names = ", ".join(tables.column(name) for name in (LOAD, *(column.name for column in entries.columns)))
    load_id = create_load_id()
    for start in range(0, len(entries.rows), ROWS_AT_ONCE):
        values: list[object] = []
        places = [
            f"('{load_id}', {', '.join(spelled(tables, row, entries.columns, values))})"
            for row in entries.rows[start : start + ROWS_AT_ONCE]
        ]
        tables.execute(f"INSERT INTO {tables.name(entries.table)} ({names}) VALUES {', '.join(places)}", *values)  # noqa: S608 - names are ours


def spelled(tables: Tables, row: Mapping[str, Any], columns: Sequence[Column], values: list[object]) -> Iterator[str]:
    """Yield what stands for each value in SQL, and add the value itself to those that are passed beside it."""
    for name, of in columns:
        value = row[name]
        if value is None:  # not every driver can tell of which type it would be
            yield "NULL"
            continue
        if of in NUMBERS:  # which is in no need of quotes, and DuckDB takes long for each value that is passed
            yield str(value)
            continue
        # Names of attributes may hold what PostgreSQL takes in no text.
        values.append(value.replace("\0", "\ufffd") if isinstance(value, str) else value)
        yield f"CAST(%s AS {tables.dialect.json})" if of == "json" else "%s"
