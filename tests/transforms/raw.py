"""Raw tables as a load leaves them, from rows written by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import duckdb
import psycopg2
import pyarrow as pa
from dlt.common.normalizers.naming.snake_case import NamingConvention
from psycopg2.extras import execute_values

from sources.klaviyo.aggregates import Aggregate
from sources.klaviyo.contract import REVISION, ColumnType, load
from sources.klaviyo.reports import REPORTS, ReportTable
from sources.klaviyo.resources import RESOURCES
from sources.klaviyo.tables import Column, Table, arrow_schema, every_table, table
from tests.transforms.build import PROJECT

Row = Mapping[str, Any]
Account = Mapping[str, Sequence[Row]]
"""Rows by table; a column that a row leaves out is null."""

LOAD: Final = Column("_dlt_load_id", "text")
RawTable = Table | ReportTable


def is_modelled(raw: RawTable) -> bool:
    return (PROJECT / "models" / "staging" / f"stg_klaviyo__{raw.name}.sql").exists()


ALWAYS: Final[tuple[RawTable, ...]] = tuple(filter(is_modelled, every_table(REVISION).values()))
"""Those that models stand on and that every load makes; the others are read as they are."""

OPTIONAL: Final[tuple[RawTable, ...]] = (
    *(table(resource, load(REVISION)) for resource in RESOURCES if resource.optional),
    *(report.table(load(REVISION)) for report in REPORTS),
    Aggregate(metric="any").table(load(REVISION)),
)
ON_DEMAND: Final = tuple(filter(is_modelled, OPTIONAL))
"""Those that a load makes only when it is asked to: an account here has them if it has rows of them."""

TABLES: Final = (*ALWAYS, *ON_DEMAND)

POSTGRES: Final[dict[ColumnType, str]] = {
    "text": "text",
    "bigint": "bigint",
    "double": "double precision",
    "bool": "boolean",
    "timestamp": "timestamptz",
    "date": "date",
    "json": "json",
}
POSTGRES_NAMES: Final = NamingConvention(max_length=63)


def tables_of(account: Account) -> list[RawTable]:
    return [*ALWAYS, *(raw for raw in ON_DEMAND if raw.name in account)]


def columns(raw: RawTable) -> tuple[Column, ...]:
    return (*raw.columns, LOAD)


def values(raw: RawTable, row: Row) -> tuple[Any, ...]:
    unknown = set(row) - {column.name for column in columns(raw)}
    assert not unknown, f"{raw.name} has no column {unknown}"
    named = {"_dlt_load_id": "1", **row}
    return tuple(spelled(column, named.get(column.name)) for column in columns(raw))


def spelled(column: Column, value: object) -> object:
    """JSON is written as Python objects, or as text when the letter matters."""
    if column.type == "json" and value is not None and not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return value


def write_duckdb(path: str, account: Account, dataset: str) -> None:
    with duckdb.connect(path) as database:
        database.execute(f"create schema {dataset}")
        for raw in tables_of(account):
            rows = [values(raw, row) for row in account.get(raw.name, ())]
            arrays = [list(of) for of in zip(*rows, strict=True)] or [[] for _ in columns(raw)]
            schema = arrow_schema(columns(raw))
            database.register(
                "given", pa.table([pa.array(of).cast(to.type) for of, to in zip(arrays, schema, strict=True)], schema)
            )
            picked = ", ".join(
                f'"{column.name}"::json as "{column.name}"' if column.type == "json" else f'"{column.name}"'
                for column in columns(raw)
            )
            database.execute(f"create table {dataset}.{raw.name} as select {picked} from given")
            database.unregister("given")


def write_postgres(url: str, account: Account, dataset: str) -> None:
    with psycopg2.connect(url) as server, server.cursor() as cursor:
        cursor.execute(f"create schema {dataset}")
        for raw in tables_of(account):
            typed = ", ".join(f'"{postgres_name(column)}" {POSTGRES[column.type]}' for column in columns(raw))
            cursor.execute(f"create table {dataset}.{raw.name} ({typed})")
            rows = [values(raw, row) for row in account.get(raw.name, ())]
            if rows:
                execute_values(cursor, f"insert into {dataset}.{raw.name} values %s", rows)


def postgres_name(column: Column) -> str:
    """As dlt names it there: Postgres has no names of more than 63 letters."""
    return POSTGRES_NAMES.normalize_path(column.name)
