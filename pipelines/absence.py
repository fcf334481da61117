"""Rows that Klaviyo no longer shows: marked with when that was first known, never dropped.

`_deleted_at` says it on the row itself. The table `etl_absences` keeps beside it how it was known, when the row was last
seen for certain, and whether it has come back since.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pendulum import DateTime

from pipelines.runs import RUNS
from pipelines.schema import LOAD
from pipelines.warehouse import Tables
from sources.klaviyo.resources import PROFILES
from sources.klaviyo.tables import DELETED_AT, Column, Table
from sources.klaviyo.walk import Walk

ABSENCES: Final = "etl_absences"
ABSENCE_COLUMNS: Final = (
    Column("table_name", "text"),
    Column("parent_id", "text"),
    Column("id", "text"),
    Column("known_at", "timestamp"),
    Column("last_seen_at", "timestamp"),
    Column("how_known", "text"),
    Column("cause", "text"),
    Column("returned_at", "timestamp"),
)

NOT_LISTED: Final = "not listed when all was read"
PARENT_GONE: Final = "what it belonged to is gone"
REPLACED: Final = "not shown with what it hangs from"


def mark_vanished(
    tables: Tables, walks: list[Walk], first_load_id: str, now: DateTime, forgotten: frozenset[str]
) -> dict[str, int]:
    """Mark what the completed walks of this load have not seen again. Rows marked, by table.

    Every row carries the id of the load package that brought it, and ids grow. A collection read whole gives each of its
    rows an id of this run, so do the windows of a full refresh. What hangs from a row arrives with it: with an older id
    than its host, it is gone. What is listed per parent is gone with its parent, too.
    """
    marked = {}
    for walk in walks:
        if walk.tally.status != "complete" or walk.kept:
            continue
        for table in walk.tables:
            condition = absent(tables, walk, table, first_load_id, refreshed=table.name in forgotten)
            if condition:
                marked[table.name] = mark(tables, table, condition, now=now, how=how_of(walk, table))
    note_returns(tables, [table for walk in walks for table in walk.tables], now)
    return marked


def how_of(walk: Walk, table: Table) -> str:
    if walk.host.per and walk.host.cursor:
        return PARENT_GONE
    return NOT_LISTED if table.resource is walk.host or walk.host.cursor is None else REPLACED


def absent(tables: Tables, walk: Walk, table: Table, first_load_id: str, *, refreshed: bool) -> str:
    """The SQL condition of this table's rows that have vanished, or nothing where that cannot be known."""
    older = f"{LOAD} < '{first_load_id}'"
    if walk.host.per:
        return absent_children(tables, walk, table, older, refreshed=refreshed)
    if walk.host.cursor is None:
        return older
    if table.resource is not walk.host:
        host, name = tables.name(walk.host.name), tables.column(table.name)
        return (
            f"EXISTS (SELECT 1 FROM {host} host WHERE host.id = {name}.{table.parent} "  # noqa: S608 - names are ours
            f"AND host.{LOAD} > {name}.{LOAD})"
        )
    return f"{older} AND {in_windows(tables, walk)}" if refreshed else ""


def absent_children(tables: Tables, walk: Walk, table: Table, older: str, *, refreshed: bool) -> str:
    """What parents hold no more, of those whose children were read whole; and all of those that are gone."""
    assert table.parent is not None
    parent = tables.column(table.parent)
    orphaned = f"{parent} NOT IN ({tables.literals(walk.parents)})" if walk.parents else "TRUE"
    if walk.host.cursor:
        return f"({orphaned} OR ({older} AND {in_windows(tables, walk)}))" if refreshed else orphaned
    if all(walk.parents.values()):
        return older
    read = [one for one, is_read in walk.parents.items() if is_read]
    return f"({orphaned} OR ({older} AND {parent} IN ({tables.literals(read)})))" if read else orphaned


def in_windows(tables: Tables, walk: Walk) -> str:
    """The SQL condition of the times that the walk was to read."""
    assert walk.host.cursor is not None
    at = tables.column(walk.host.cursor.field)
    windows = [f"({at} >= '{window.start}' AND {at} < '{window.end}')" for window in walk.tally.windows]
    return f"({' OR '.join(windows)})" if windows else "FALSE"


# --- marking ---------------------------------------------------------------------------------------------------------


def mark(
    tables: Tables, table: Table, condition: str, *, now: DateTime, how: str, seen_at: datetime | None = None
) -> int:
    """Mark the rows that meet the condition and are not marked yet, and note each absence, both or neither.

    A row was last seen at `seen_at`, or when the run that brought it began, whichever was later.
    """
    name, which = tables.name(table.name), f"{DELETED_AT} IS NULL AND {condition}"
    count = int(tables.rows(f"SELECT count(*) FROM {name} WHERE {which}")[0][0])  # noqa: S608 - names are ours
    if not count:
        return 0
    parent, id_ = spelled(tables, table)
    # Who looks up the run for each row asks more of a subquery than all warehouses allow.
    brought = (
        f"SELECT load.brought_by, max(run.started_at) AS brought_at "  # noqa: S608 - names are ours
        f"FROM (SELECT DISTINCT {LOAD} AS brought_by FROM {name} WHERE {which}) load "
        f"JOIN {tables.name(RUNS)} run ON run.first_load_id <= load.brought_by GROUP BY load.brought_by"
    )
    seen = "greatest(coalesce(brought_at, %s), %s)" if seen_at else "brought_at"
    with tables.transaction():
        tables.execute(
            f"INSERT INTO {tables.name(ABSENCES)} "  # noqa: S608 - names are ours
            f"(table_name, parent_id, id, known_at, last_seen_at, how_known, {LOAD}) "
            f"SELECT {tables.literal(table.name)}, {parent or tables.text('NULL')}, {id_}, %s, {seen}, {tables.literal(how)}, {LOAD} "
            f"FROM {name} LEFT JOIN ({brought}) brought ON brought.brought_by = {LOAD} WHERE {which}",
            now,
            *[seen_at, seen_at] * bool(seen_at),
        )
        tables.execute(f"UPDATE {name} SET {DELETED_AT} = %s WHERE {which}", now)  # noqa: S608 - names are ours
    return count


def spelled(tables: Tables, table: Table) -> tuple[str, str]:
    """A row's key as two SQL expressions: the first part, or nothing where it is the only one, and the rest."""
    *first, last = (tables.column(name) for name in table.key)
    if not first:
        return "", last
    return first[0], " || '/' || ".join([*first[1:], last])


def note_returns(tables: Tables, loaded: Sequence[Table], now: DateTime) -> None:
    """Note of absences that have ended that they have: a row that is seen again is loaded, and so unmarked."""
    missed = {
        row[0]
        for row in tables.rows(
            f"SELECT DISTINCT table_name FROM {tables.name(ABSENCES)} WHERE returned_at IS NULL"  # noqa: S608 - names are ours
        )
    }
    for table in loaded:
        if table.name not in missed:
            continue
        parent, id_ = spelled(tables, table)
        absence = tables.column(ABSENCES)
        here = f"{id_} = {absence}.id" + (f" AND {parent} = {absence}.parent_id" if parent else "")
        tables.execute(
            f"UPDATE {tables.name(ABSENCES)} SET returned_at = %s "  # noqa: S608 - names are ours
            f"WHERE table_name = {tables.literal(table.name)} AND returned_at IS NULL "
            f"AND EXISTS (SELECT 1 FROM {tables.name(table.name)} WHERE {DELETED_AT} IS NULL AND {here})",
            now,
        )


# --- profiles --------------------------------------------------------------------------------------------------------

DELETED: Final = "deleted"
MERGED: Final = "merged"


@dataclass(frozen=True)
class Absence:
    """A profile that is gone."""

    id: str
    known_at: datetime
    last_seen_at: datetime | None


def absent_profiles(tables: Tables, cause: str | None) -> list[Absence]:
    """The profiles that are gone for this cause; with None, those of which it is not known yet."""
    why = f"cause = {tables.literal(cause)}" if cause else "cause IS NULL"
    rows: list[Sequence[Any]] = tables.rows(
        f"SELECT id, known_at, last_seen_at FROM {tables.name(ABSENCES)} "  # noqa: S608 - names are ours
        f"WHERE table_name = {tables.literal(PROFILES.name)} AND returned_at IS NULL AND {why} ORDER BY known_at, id"
    )
    return [Absence(*row) for row in rows]


def deleted_profiles(tables: Tables) -> list[Absence]:
    """The profiles known to have been deleted, and not merged into others."""
    return absent_profiles(tables, DELETED)
