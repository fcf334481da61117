"""What Klaviyo sends otherwise than the contract tells, told once: the table `etl_schema_changes`."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from pipelines.warehouse import Tables
from sources.klaviyo.drift import Change, noted_changes
from sources.klaviyo.tables import Column

log = logging.getLogger("klaviyo_etl")

SCHEMA_CHANGES: Final = "etl_schema_changes"
CHANGE_COLUMNS: Final = (
    Column("run_id", "text"),
    Column("told_at", "timestamp"),
    Column("resource", "text"),
    Column("attribute", "text"),
    Column("kind", "text"),
    Column("detail", "text"),
)


def untold(tables: Tables, states: Mapping[str, Mapping[str, Any]]) -> list[Change]:
    """What has been met and told by no run yet, whichever run it was that met it."""
    met = {change for state in states.values() for change in noted_changes(state)}
    if not met:
        return []
    told = tables.rows(f"SELECT resource, attribute, kind, detail FROM {tables.name(SCHEMA_CHANGES)}")  # noqa: S608 - names are ours
    found = sorted(met - {Change(*row) for row in told})
    for one in found:
        log.info("%s", spelled(one), extra={"facts": {"event": "schema_change", **one._asdict()}})
    return found


def last_changes(tables: Tables, most: int) -> list[Sequence[Any]]:
    """Newest first: when, resource, attribute, kind, detail."""
    return tables.rows(
        f"SELECT told_at, resource, attribute, kind, detail FROM {tables.name(SCHEMA_CHANGES)} "  # noqa: S608 - names are ours
        f"ORDER BY told_at DESC, resource, attribute, kind, detail LIMIT {most}"
    )


def change_row(change: Change, run_id: str, at: datetime) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "told_at": at,
        "resource": change.table,
        "attribute": change.attribute,
        "kind": change.kind,
        "detail": change.detail,
    }


def spelled(change: Change) -> str:
    detail = f": {change.detail}" if change.detail else ""
    return f"{change.table}.{change.attribute}: {change.kind.replace('_', ' ')}{detail}"
