"""The few words of SQL that destinations spell differently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """By default as DuckDB and PostgreSQL have it."""

    text: str = "TEXT"
    """The type of texts of any length."""
    json: str = "JSON"
    """The type of JSON columns."""
    instant: str = "TIMESTAMP WITH TIME ZONE"
    start_of: str = "date_trunc('{unit}', {time} AT TIME ZONE 'UTC')"
    """When the hour or the day began, in UTC."""
    matches: str = "regexp_matches({text}, %s, 'i')"
    """Whether a text holds what a regular expression describes, in whatever case."""
    catalog: str = "information_schema"
    """Where the tables of a schema are told of."""
    database: str = "current_database()"
    """Which of the databases that are told of there is ours."""
    stored_as: str = "BASE TABLE"
    """What tables are called there."""
    cascade: str = "CASCADE"
    """Drops a table with the views on it."""
    vacuum: str = ""
    """Clears a table of what has been deleted, where it otherwise stays."""
    indexes: bool = False
    """Whether finding rows by time takes an index; by key, dlt makes one where there are any."""


DIALECTS: Final = {
    "duckdb": Dialect(),
    "postgres": Dialect(matches="{text} ~* %s", indexes=True, vacuum="VACUUM FULL {table}"),
    "bigquery": Dialect(
        text="STRING",
        json="STRING",
        instant="TIMESTAMP",
        start_of="TIMESTAMP_TRUNC({time}, {unit}, 'UTC')",
        matches="REGEXP_CONTAINS({text}, CONCAT('(?i)', %s))",
        catalog="{schema}.INFORMATION_SCHEMA",
        database="c.table_catalog",
        cascade="",
    ),
    # Its TEXT has room for 256 bytes.
    "redshift": Dialect(
        text="VARCHAR(65535)", json="VARCHAR(65535)", matches="{text} ~* %s", vacuum="VACUUM FULL {table}"
    ),
    "snowflake": Dialect(
        json="TEXT",
        instant="TIMESTAMP_LTZ",
        start_of="date_trunc('{unit}', convert_timezone('UTC', {time}))",
        matches="regexp_instr({text}, %s, 1, 1, 0, 'i') > 0",
    ),
}
"""By the names that sqlglot has for them, as dlt tells them of its destinations."""
