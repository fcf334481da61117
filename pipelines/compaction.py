"""Leaving nothing behind of what has been rewritten or deleted: databases keep it in blocks that they have freed, and models what they were built from.

That there is something to clear away is noted together with what has left it: if a kill comes between, the next run clears it away.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import dlt
import duckdb

from pipelines.journal import Entries
from pipelines.redaction import Redaction
from pipelines.warehouse import Tables, Warehouse, destination_errors
from sources.klaviyo.tables import Column

LEFTOVERS: Final = "etl_leftovers"
LEFTOVER_COLUMNS: Final = (Column("since", "timestamp"), Column("left_by", "text"))

CONFIG: Final[dict[str, str | int | float | list[str]]] = {
    "memory_limit": "1GB",
    "preserve_insertion_order": False,
    "threads": 1,
}


def leftovers(since: datetime, left_by: str) -> Entries:
    """The note that there is something to clear away."""
    return Entries(LEFTOVERS, LEFTOVER_COLUMNS, [{"since": since, "left_by": left_by}])


def has_leftovers(tables: Tables) -> bool:
    return bool(tables.rows(f"SELECT since FROM {tables.name(LEFTOVERS)}"))  # noqa: S608 - names are ours


def datasets(warehouse: Warehouse) -> list[str]:
    """All schemas that are ours: raw tables, what dlt merges them from, views and marts."""
    return [warehouse.dataset, *(f"{warehouse.dataset}_{layer}" for layer in ("staging", "stg", "marts"))]


def compact(warehouse: Warehouse, pipeline: dlt.Pipeline) -> None:
    """Write what there is anew, and forget all else: leftovers of merges and freed blocks. A pipeline clears its folder itself.

    Takes room for a second copy while it lasts. What is on backups, in PostgreSQL's log, on blocks that a file system has
    freed, or kept by a service to look back, is beyond it. There are no leftovers then. Raises DestinationError.
    """
    with destination_errors(warehouse):
        empty_staging(pipeline, warehouse)
        if warehouse.path:
            rewrite_file(warehouse.path)
        elif warehouse.name == "ducklake":
            clean_lake(pipeline, warehouse.credentials)
        elif warehouse.name == "delta":
            with pipeline.sql_client() as client:
                client.clean()
        else:
            vacuum(pipeline, datasets(warehouse))
        with pipeline.sql_client() as client:
            tables = Tables(client)
            tables.execute(f"DELETE FROM {tables.name(LEFTOVERS)} WHERE TRUE")  # noqa: S608 - names are ours


def drop_models(warehouse: Warehouse, pipeline: dlt.Pipeline) -> bool:
    """Drop what was built from raw tables, to be built anew from what they hold now. Whether there was anything."""
    with destination_errors(warehouse), pipeline.sql_client() as client:
        redaction = Redaction(Tables(client))
        places = redaction.places([f"{warehouse.dataset}_{layer}" for layer in ("stg", "marts")])
        for place in places:
            redaction.tables.execute(f"DROP TABLE {redaction.name(place)} {redaction.tables.dialect.cascade}")
    return bool(places)


def empty_staging(pipeline: dlt.Pipeline, warehouse: Warehouse) -> None:
    with pipeline.sql_client() as client:
        redaction = Redaction(Tables(client))
        for place in redaction.places([f"{warehouse.dataset}_staging"]):
            redaction.delete(place, "TRUE")


def rewrite_file(path: Path) -> None:
    """Copy a DuckDB database into a new file, which takes the place of the old one only when it is whole."""
    new = path.with_name(f"{path.name}.compacted")
    spilled = new.with_name(f"{new.name}.tmp")
    new.unlink(missing_ok=True)
    try:
        with duckdb.connect(":memory:", config={**CONFIG, "temp_directory": str(spilled)}) as database:
            database.execute(f"ATTACH '{quoted(path)}' AS before")
            database.execute("CHECKPOINT before")
            # By its own name: views call their database by it.
            database.execute(f"ATTACH '{quoted(new)}' AS \"{path.stem}\"")
            database.execute(f'COPY FROM DATABASE before TO "{path.stem}"')
            database.execute(f'DETACH "{path.stem}"')
            database.execute("DETACH before")
        shutil.copymode(path, new)
        with new.open("rb") as written:
            os.fsync(written.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
        shutil.rmtree(spilled, ignore_errors=True)


def quoted(path: Path) -> str:
    return str(path).replace("'", "''")


LAKE_STEPS: Final = (
    # What the catalog holds of small tables goes to files, too.
    "ducklake_flush_inlined_data({lake})",
    "ducklake_rewrite_data_files({lake}, delete_threshold => 0)",
    "ducklake_merge_adjacent_files({lake})",
    "ducklake_expire_snapshots({lake}, older_than => now())",
    "ducklake_cleanup_old_files({lake}, cleanup_all => true)",
    "ducklake_delete_orphaned_files({lake}, cleanup_all => true)",
)


def clean_lake(pipeline: dlt.Pipeline, credentials: Any) -> None:  # noqa: ANN401 - of a destination that others do not import
    """Write files anew that hold what was deleted, and forget how the lake was before: files, snapshots, and what a catalog's file has freed.

    What a catalog in PostgreSQL has freed is that server's.
    """
    with pipeline.sql_client() as client:
        for step in LAKE_STEPS:
            client.execute_sql(f"CALL {step.format(lake=Tables(client).literal(credentials.ducklake_name))}")
    if credentials.catalog.drivername == "sqlite":
        with closing(sqlite3.connect(credentials.file)) as catalog:
            catalog.execute("VACUUM")
            catalog.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    elif credentials.file:
        rewrite_file(credentials.file)


def vacuum(pipeline: dlt.Pipeline, schemas: Iterable[str]) -> None:
    with pipeline.sql_client() as client:
        redaction = Redaction(Tables(client))
        if vacuum := redaction.tables.dialect.vacuum:
            for place in redaction.places(schemas):
                redaction.tables.execute(vacuum.format(table=redaction.name(place)))
