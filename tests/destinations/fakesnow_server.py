"""The server of fakesnow, run in its own environment, with what it misreads of Snowflake's SQL mended."""

from __future__ import annotations

import re
import sys
from typing import Any

import fakesnow.arrow
import fakesnow.macros
import pyarrow as pa
import uvicorn
from fakesnow.cursor import FakeSnowflakeCursor
from fakesnow.variables import Variables
from sqlglot import exp

# --- what it sends of timestamps that are null ---------------------------------------------------------------------------

as_sent = fakesnow.arrow.timestamp_to_sf_struct


def with_nulls(times: Any) -> Any:
    if isinstance(times, pa.ChunkedArray):
        times = times.combine_chunks()
    made = as_sent(times.cast(pa.timestamp("us", times.type.tz)))
    return pa.StructArray.from_arrays(made.flatten(), fields=[*made.type], mask=times.is_null())


fakesnow.arrow.timestamp_to_sf_struct = with_nulls

# --- a `$` in a text is no variable --------------------------------------------------------------------------------------

inlined = Variables.inline_variables


def outside_texts(self: Variables, sql: str) -> str:
    parts = re.split(r"('(?:''|\\.|[^'\\])*'|--[^\n]*|/\*.*?\*/)", sql, flags=re.DOTALL)
    return "".join(part if number % 2 else inlined(self, part) for number, part in enumerate(parts))


Variables.inline_variables = outside_texts

# --- functions of JSON ---------------------------------------------------------------------------------------------------

MACROS = """
CREATE OR REPLACE MACRO {catalog}.as_object(value) AS CASE WHEN json_type(value) = 'OBJECT' THEN value END;
CREATE OR REPLACE MACRO {catalog}.as_array(value) AS CASE WHEN json_type(value) = 'ARRAY' THEN value END;
CREATE OR REPLACE MACRO {catalog}._member(value, name) AS json_extract_string(value, '$."' || name || '"');
CREATE OR REPLACE MACRO {catalog}._item(value, number) AS json_extract_string(value, '$[' || number || ']');
"""
macros = fakesnow.macros.creation_sql


def with_more(catalog: str) -> str:
    return str(macros(catalog)) + MACROS.format(catalog=catalog)


fakesnow.macros.creation_sql = with_more


def as_it_reads_it(tree: exp.Expression) -> exp.Expression:
    """A GET that is cast to a text; and a temporary table that lies in a schema, as one that stays."""
    if isinstance(tree, exp.Create) and isinstance(tree.this, exp.Table) and tree.this.db:
        for temporary in [*tree.find_all(exp.TemporaryProperty)]:
            temporary.pop()
    if isinstance(tree, exp.Cast) and isinstance(tree.this, exp.GetExtract):
        got = tree.this
        name = "_MEMBER" if isinstance(got.expression, exp.Literal) and got.expression.is_string else "_ITEM"
        return exp.Anonymous(this=name, expressions=[got.this, got.expression])
    return tree


transformed = FakeSnowflakeCursor._transform


def transform(self: Any, expression: Any, params: Any) -> Any:
    return transformed(self, expression.transform(as_it_reads_it), params)


FakeSnowflakeCursor._transform = transform

if __name__ == "__main__":
    uvicorn.run("fakesnow.server:app", port=int(sys.argv[1]), log_level="warning")
