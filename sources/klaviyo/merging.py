"""How rows are merged: dlt's upsert, but for what is kept of the row that was there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, wraps

from dlt.destinations.sql_jobs import SqlMergeFollowupJob

from sources.klaviyo.tables import CHANGED_AT, FIRST_SEEN_AT, FORMER, ROW_HASH

Generate = Callable[..., list[str]]


@cache
def keep_history() -> None:
    """Let every upsert keep when a row was first seen, and when it changed last: dlt itself would overwrite both.

    Tables without these columns are merged as ever. Raises RuntimeError in the merge if dlt has come to spell it otherwise.
    """
    generate: Generate = vars(SqlMergeFollowupJob)["gen_upsert_merge_sql"].__func__

    @wraps(generate)
    def keeping(
        job: type, table: str, staging: str, keys: Sequence[str], columns: Sequence[str], *rest: object, **more: object
    ) -> list[str]:
        statements = generate(job, table, staging, keys, columns, *rest, **more)
        return statements if more.get("insert_only") else kept(statements, columns)

    SqlMergeFollowupJob.gen_upsert_merge_sql = classmethod(keeping)  # type: ignore[assignment, arg-type]  # the same signature


def kept(statements: Sequence[str], columns: Sequence[str]) -> list[str]:
    """The MERGE statements, with other values for the columns of history where a row is there already."""
    text = "\0".join(statements)
    for column, value in history(columns).items():
        if text.count(f"{column} = s.{column}") != 1:
            raise RuntimeError(f"dlt's upsert no longer sets {column} as expected: its history would be lost")
        text = text.replace(f"{column} = s.{column}", f"{column} = {value}")
    return text.split("\0")


def history(columns: Sequence[str]) -> dict[str, str]:
    """By column, as escaped: what it becomes where the row `s` is merged into `d`, which is there already. None for tables without history."""
    escaped = {column.strip('"`[]').lower(): column for column in columns}
    if not {FIRST_SEEN_AT, CHANGED_AT, ROW_HASH} <= escaped.keys():
        return {}
    first, changed, digest = escaped[FIRST_SEEN_AT], escaped[CHANGED_AT], escaped[ROW_HASH]
    values = {
        first: f"d.{first}",
        changed: f"CASE WHEN d.{digest} = s.{digest} THEN d.{changed} ELSE s.{changed} END",
    }
    for name, column in escaped.items():
        if name.startswith(FORMER):
            now = escaped[name.removeprefix(FORMER)]
            values[column] = f"coalesce(d.{column}, CASE WHEN d.{now} <> s.{now} THEN d.{now} END)"
    return values
