"""Rows that Klaviyo no longer shows: marked with when that was first seen, never dropped."""

from __future__ import annotations

from typing import Final

import dlt
from pendulum import DateTime

from pipelines.warehouse import Tables
from sources.klaviyo.tables import DELETED_AT, Table
from sources.klaviyo.walk import Walk

LOAD: Final = "_dlt_load_id"


def mark_vanished(
    pipeline: dlt.Pipeline, walks: list[Walk], first_load_id: str, now: DateTime, forgotten: frozenset[str]
) -> dict[str, int]:
    """Mark what the completed walks of this load have not seen again. Rows marked, by table.

    Every row carries the id of the load package that brought it, and ids grow. A collection read whole gives each of its
    rows an id of this run, so do the windows of a full refresh. What hangs from a row arrives with it: with an older id
    than its host, it is gone.
    """
    marked = {}
    with pipeline.sql_client() as client:
        tables = Tables(client)
        for walk in walks:
            if walk.tally.status != "complete":
                continue
            for table in walk.tables:
                condition = absent(tables, walk, table, first_load_id, refreshed=table.name in forgotten)
                if condition:
                    marked[table.name] = mark(tables, table, condition, now)
    return marked


def absent(tables: Tables, walk: Walk, table: Table, first_load_id: str, *, refreshed: bool) -> str:
    """The SQL condition of this table's rows that have vanished, or nothing where that cannot be known."""
    older = f"{LOAD} < '{first_load_id}'"
    if walk.host.cursor is None:
        return older
    if table.resource is not walk.host:
        host = tables.name(walk.host.name)
        return (
            f"EXISTS (SELECT 1 FROM {host} host WHERE host.id = {tables.name(table.name)}.{table.parent} "  # noqa: S608 - names are ours
            f"AND host.{LOAD} > {tables.name(table.name)}.{LOAD})"
        )
    if not refreshed:
        return ""
    at = tables.column(walk.host.cursor.field)
    windows = [f"({at} >= '{window.start}' AND {at} < '{window.end}')" for window in walk.tally.windows]
    return f"{older} AND ({' OR '.join(windows)})" if windows else ""


def mark(tables: Tables, table: Table, condition: str, now: DateTime) -> int:
    name, which = tables.name(table.name), f"{DELETED_AT} IS NULL AND {condition}"
    count = int(tables.rows(f"SELECT count(*) FROM {name} WHERE {which}")[0][0])  # noqa: S608 - names are ours
    if count:
        tables.execute(f"UPDATE {name} SET {DELETED_AT} = %s WHERE {which}", now)  # noqa: S608 - names are ours
    return count
