"""A sweep that writes nothing: it works on a copy of the keys, in a DuckDB file that is thrown away."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import dlt
from dlt.extract import DltResource

from pipelines.load import JOURNAL
from pipelines.runs import states
from pipelines.schema import make_tables
from pipelines.sweep import Outcome, Sweeper
from pipelines.warehouse import SCHEMA, Tables, Warehouse
from sources.klaviyo.ledger import State
from sources.klaviyo.spec import Resource
from sources.klaviyo.sweeping import Sweep
from sources.klaviyo.tables import column_hints, full_table

ROWS_AT_ONCE: Final = 50_000


def dry_sweep(sweeper: Sweeper, resources: Sequence[Resource]) -> Outcome:
    """What a sweep would mark. Raises RunError."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Warehouse("duckdb", file=Path(folder) / "keys.duckdb")
        copy_keys(sweeper, resources, copy)
        return replace(sweeper, warehouse=copy, repair=False).sweep(resources)


def copy_keys(sweeper: Sweeper, resources: Sequence[Resource], copy: Warehouse) -> None:
    with sweeper.warehouse.onlooker() as pipeline, pipeline.sql_client() as client:
        there, tables = states(pipeline), Tables(client)

        @dlt.source(name=SCHEMA, max_table_nesting=0)
        def keys() -> list[DltResource]:
            return [
                copied(tables, Sweep(one, sweeper.contract), there.get(one.name, {}))
                for one in resources
                if tables.exists(one.name)
            ]

        loaded = copy.pipeline()
        loaded.run(keys())
        make_tables(loaded, (), JOURNAL)


def copied(tables: Tables, sweep: Sweep, state: State) -> DltResource:
    """The columns of a table that a sweep looks at, and what dlt's state says of it."""
    columns = full_table(sweep.resource, sweep.contract).columns

    def rows() -> Iterator[Any]:
        dlt.current.resource_state(sweep.of.name).update(state)
        names = ", ".join(tables.column(column.name) for column in columns)
        with tables.client.execute_query(f"SELECT {names} FROM {tables.name(sweep.of.name)}") as cursor:  # noqa: S608 - names are ours
            yield from cursor.iter_arrow(ROWS_AT_ONCE)

    made: DltResource = dlt.resource(
        rows,
        name=sweep.of.name,
        columns=column_hints(columns),  # type: ignore[call-overload]  # plain dicts
        write_disposition="append",
    )
    return made
