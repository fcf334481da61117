"""The tables that a warehouse has before anything is loaded into them: models on top find every one, whatever the account holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import dlt
from dlt import Schema
from dlt.common.schema.utils import new_table, normalize_table_identifiers

from pipelines.warehouse import SCHEMA, schema_of
from sources.klaviyo.handing import Shape
from sources.klaviyo.tables import Column, column_hints

LOAD: Final = "_dlt_load_id"
LOAD_ID: Final = {"name": LOAD, "data_type": "text", "nullable": False, "precision": 64}
"""As dlt adds it to what it loads."""


def make_tables(pipeline: dlt.Pipeline, shapes: Iterable[Shape], journal: Mapping[str, tuple[Column, ...]]) -> None:
    """Make these, with columns that they lack, all at once: loading a table without rows costs dlt much more."""
    schema = schema_of(pipeline)
    lacking = [
        *(merged(shape) for shape in shapes if lacks(schema, shape.name, shape.columns)),
        *(appended(name, columns) for name, columns in journal.items() if lacks(schema, name, columns)),
    ]
    for table in lacking:
        schema.update_table(normalize_table_identifiers(table, schema.naming))
    if lacking:
        pipeline.schemas.save_schema(schema)
        pipeline.sync_schema(SCHEMA)


def lacks(schema: Schema, name: str, columns: Iterable[Column]) -> bool:
    there = schema.tables.get(name, {"columns": {}})["columns"]
    return not {schema.naming.normalize_path(column.name) for column in columns} <= there.keys()


def merged(shape: Shape) -> Any:  # noqa: ANN401 - dlt's tables are typed dictionaries
    hints = shape.hints(shape.columns)
    for name in shape.key:
        hints[name]["primary_key"] = True
    return {**new_table(shape.name, write_disposition="merge", columns=listed(hints)), "x-merge-strategy": "upsert"}


def appended(name: str, columns: tuple[Column, ...]) -> Any:  # noqa: ANN401 - as above
    return new_table(name, write_disposition="append", columns=listed(column_hints(columns)))


def listed(hints: dict[str, dict[str, Any]]) -> Any:  # noqa: ANN401 - as above
    return [*hints.values(), LOAD_ID]
