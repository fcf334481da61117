"""The models of a destination, held against those that DuckDB builds from the same rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import dlt
import pyarrow as pa

from pipelines.schema import make_tables
from pipelines.transform import environment, let_go, transform
from pipelines.warehouse import Warehouse
from sources.klaviyo.tables import arrow_schema
from tests.destinations.proofs import INCREMENTAL_MODELS, MODELS, note
from tests.destinations.story import Cell, plain
from tests.transforms.build import build, surroundings
from tests.transforms.conftest import FIVETRAN, NO_TESTS, Built, build_duckdb, failures
from tests.transforms.golden import FIRST_LOAD, SECOND_LOAD
from tests.transforms.raw import Account, columns, tables_of, values

KEPT: Final = ("int_event", "int_attribution", "int_message_event", "fct_message_recipient")
"""Models that a later build adds to."""
BETWEEN: Final = ("fct_event", "int_message_touch")
"""Views, which PostgreSQL drops with the tables that they read."""
OF_ITS_RUN: Final = "written_at"


def prove_models(name: str, folder: Path, how: str, by: str, *, record: bool) -> None:
    """Build what is kept from a first load, all of it from a second, and what is kept once more from nothing."""
    with surroundings({"KLAVIYO_FIVETRAN_COMPAT": "true"}):
        reference = build_duckdb(folder, SECOND_LOAD, *NO_TESTS)
        warehouse = load_shop(name, FIRST_LOAD)
        of_dbt = {"KLAVIYO_TARGET": name, **environment(warehouse)}
        assert not failures(build(folder, of_dbt, *NO_TESTS, "--select", f"+{KEPT[-1]}"))
        let_go(warehouse)
        load_shop(name, SECOND_LOAD)
        transform(warehouse)
        # What begins a run is among what came of it.
        assert_alike(warehouse, reference, filter(reference.columns, reference.outcomes))
        note(name, how, by, [MODELS], record=record)
        assert not failures(build(folder, of_dbt, *NO_TESTS, "--full-refresh", "--select", *KEPT, *BETWEEN))
        let_go(warehouse)
        assert_alike(warehouse, reference, KEPT)
        note(name, how, by, [INCREMENTAL_MODELS], record=record)


def load_shop(name: str, account: Account) -> Warehouse:
    """The destination with these rows and no others, as dlt loads them: types, names and layout are its own."""
    warehouse = Warehouse(name)
    # Rows name the loads that they are told to have come by.
    dlt.config["normalize.parquet_normalizer.add_dlt_load_id"] = False
    pipeline, raws = warehouse.pipeline(), tables_of(account)
    make_tables(pipeline, raws, {})
    resources = []
    for raw in raws:
        rows = [values(raw, row) for row in account.get(raw.name, ())]
        if rows:
            schema = arrow_schema(columns(raw))
            cells = [pa.array(of).cast(to.type) for of, to in zip(zip(*rows, strict=True), schema, strict=True)]
            hints: Any = raw.hints(raw.columns)
            table = pa.table(cells, schema)
            resources.append(dlt.resource([table], name=raw.name, columns=hints, write_disposition="replace"))
    pipeline.run(resources)
    return warehouse


def assert_alike(warehouse: Warehouse, reference: Built, names: Iterable[str]) -> None:
    """Each of these models has the columns and rows that DuckDB gives it."""
    wrong: dict[str, object] = {}
    with warehouse.tables() as tables:
        for model in names:
            schema, table = place(model, warehouse.dataset)
            named = {name: of == "JSON" for name, of in reference.columns(model) if name != OF_ITS_RUN}
            ours = ", ".join(f'CAST("{name}" AS TEXT)' if is_json else f'"{name}"' for name, is_json in named.items())
            expected = in_order(reference.query(f'SELECT {ours} FROM {schema}."{table}"'))
            asked = [(tables.column(name), is_json) for name, is_json in named.items()]
            theirs = ", ".join(tables.text(column) if is_json else column for column, is_json in asked)
            there = f"{tables.column(schema)}.{tables.column(table)}"
            found = in_order(tables.rows(f"SELECT {theirs} FROM {there}"))
            if len(found) != len(expected):
                wrong[model] = f"{len(found)} rows where DuckDB has {len(expected)}"
                continue
            for our, their in zip(expected, found, strict=True):
                if different := {
                    name: pair for name, *pair in zip(named, our, their, strict=True) if pair[0] != pair[1]
                }:
                    wrong[model] = different
    assert wrong == {}


def place(model: str, dataset: str) -> tuple[str, str]:
    """The schema and the table of a model."""
    if model.startswith(FIVETRAN):
        return f"{dataset}_fivetran", model.removeprefix(FIVETRAN)
    return f"{dataset}_{'stg' if model.startswith(('stg_', 'int_', 'seed_')) else 'marts'}", model


def in_order(rows: Iterable[Sequence[Cell]]) -> list[list[Cell]]:
    return sorted(([rounded(plain(cell)) for cell in row] for row in rows), key=repr)


def rounded(cell: Cell) -> Cell:
    return round(cell, 12) if isinstance(cell, float) else cell
