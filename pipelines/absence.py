"""Rows that Klaviyo no longer shows: marked with when that was first seen, never dropped."""

from __future__ import annotations

from collections.abc import Iterable
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
    than its host, it is gone. What is listed per parent is gone with its parent, too.
    """
    marked = {}
    with pipeline.sql_client() as client:
        tables = Tables(client)
        for walk in walks:
            if walk.tally.status != "complete" or walk.kept:
                continue
            for table in walk.tables:
                condition = absent(tables, walk, table, first_load_id, refreshed=table.name in forgotten)
                if condition:
                    marked[table.name] = mark(tables, table, condition, now)
    return marked


def absent(tables: Tables, walk: Walk, table: Table, first_load_id: str, *, refreshed: bool) -> str:
    """The SQL condition of this table's rows that have vanished, or nothing where that cannot be known."""
    older = f"{LOAD} < '{first_load_id}'"
    if walk.host.per:
        return absent_children(tables, walk, table, older, refreshed=refreshed)
    if walk.host.cursor is None:
        return older
    if table.resource is not walk.host:
        host = tables.name(walk.host.name)
        return (
            f"EXISTS (SELECT 1 FROM {host} host WHERE host.id = {tables.name(table.name)}.{table.parent} "  # noqa: S608 - names are ours
            f"AND host.{LOAD} > {tables.name(table.name)}.{LOAD})"
        )
    return f"{older} AND {in_windows(tables, walk)}" if refreshed else ""


def absent_children(tables: Tables, walk: Walk, table: Table, older: str, *, refreshed: bool) -> str:
    """What parents hold no more, of those whose children were read whole; and all of those that are gone."""
    assert table.parent is not None
    parent = tables.column(table.parent)
    orphaned = f"{parent} NOT IN ({literals(walk.parents)})" if walk.parents else "TRUE"
    if walk.host.cursor:
        return f"({orphaned} OR ({older} AND {in_windows(tables, walk)}))" if refreshed else orphaned
    if all(walk.parents.values()):
        return older
    read = [one for one, is_read in walk.parents.items() if is_read]
    return f"({orphaned} OR ({older} AND {parent} IN ({literals(read)})))" if read else orphaned


def in_windows(tables: Tables, walk: Walk) -> str:
    """The SQL condition of the times that the walk was to read."""
    assert walk.host.cursor is not None
    at = tables.column(walk.host.cursor.field)
    windows = [f"({at} >= '{window.start}' AND {at} < '{window.end}')" for window in walk.tally.windows]
    return f"({' OR '.join(windows)})" if windows else "FALSE"


def literals(values: Iterable[str]) -> str:
    return ", ".join("'" + value.replace("'", "''") + "'" for value in values)


def mark(tables: Tables, table: Table, condition: str, now: DateTime) -> int:
    name, which = tables.name(table.name), f"{DELETED_AT} IS NULL AND {condition}"
    count = int(tables.rows(f"SELECT count(*) FROM {name} WHERE {which}")[0][0])  # noqa: S608 - names are ours
    if count:
        tables.execute(f"UPDATE {name} SET {DELETED_AT} = %s WHERE {which}", now)  # noqa: S608 - names are ours
    return count
