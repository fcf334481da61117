"""The tables that a warehouse has before anything is loaded into them: models on top find every one, whatever the account holds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import dlt
from dlt import Schema
from dlt.common.schema.utils import new_table, normalize_table_identifiers

from pipelines.absence import ABSENCE_COLUMNS, ABSENCES
from pipelines.merges import MERGE_COLUMNS, MERGES
from pipelines.runs import RUN_COLUMNS, RUNS
from pipelines.warehouse import SCHEMA
from sources.klaviyo.handing import Shape
from sources.klaviyo.tables import column_hints

OWN_TABLES: Final = {RUNS: RUN_COLUMNS, ABSENCES: ABSENCE_COLUMNS, MERGES: MERGE_COLUMNS}
"""What is written by more than recording a run."""

LOAD_ID: Final = {"name": "_dlt_load_id", "data_type": "text", "nullable": False, "precision": 64}
"""As dlt adds it to what it loads."""


def make_tables(pipeline: dlt.Pipeline, shapes: Iterable[Shape]) -> None:
    """Make these and our own, with columns that they lack, all at once: loading a table without rows costs dlt much more."""
    schema = pipeline.default_schema if pipeline.default_schema_name else Schema(SCHEMA)
    declared: list[Any] = [
        *(merged(shape) for shape in shapes),
        *(
            new_table(name, write_disposition="append", columns=listed(column_hints(of)))
            for name, of in OWN_TABLES.items()
        ),
    ]
    normalized: list[Any] = [normalize_table_identifiers(table, schema.naming) for table in declared]
    lacking = [table for table in normalized if lacks(schema, table)]
    for table in lacking:
        schema.update_table(table)
    if lacking:
        pipeline.schemas.save_schema(schema)
        pipeline.sync_schema(SCHEMA)


def merged(shape: Shape) -> Any:  # noqa: ANN401 - dlt's tables are typed dictionaries
    hints = shape.hints(shape.columns)
    for name in shape.key:
        hints[name]["primary_key"] = True
    return {**new_table(shape.name, write_disposition="merge", columns=listed(hints)), "x-merge-strategy": "upsert"}


def listed(hints: dict[str, dict[str, Any]]) -> Any:  # noqa: ANN401 - as above
    return [*hints.values(), LOAD_ID]


def lacks(schema: Schema, table: Any) -> bool:  # noqa: ANN401 - as above
    there = schema.tables.get(table["name"], {"columns": {}})["columns"]
    return not table["columns"].keys() <= there.keys()
