from __future__ import annotations

from pathlib import Path
from typing import Any

import dlt
import duckdb
import pyarrow as pa
import pytest

from pipelines.destinations.duckdb import DirectDuckdb


def load(folder: Path, *rows: dict[str, Any], strategy: str = "upsert") -> list[tuple[Any, ...]]:
    """Load the rows, each as a file of its own, and tell what the table then holds."""
    # Another test of this process may have let dlt add it.
    dlt.config["normalize.parquet_normalizer.add_dlt_load_id"] = False
    pipeline = dlt.pipeline(
        "direct",
        destination=DirectDuckdb(str(folder / "warehouse.duckdb"), destination_name="duckdb"),
        dataset_name="shop",
        pipelines_dir=str(folder),
    )
    resource = dlt.resource(
        [pa.Table.from_pylist([row]) for row in rows],
        name="orders",
        primary_key="id",
        write_disposition={"disposition": "merge", "strategy": strategy},  # type: ignore[call-overload]  # plain dicts
    )
    pipeline.run(resource, loader_file_format="parquet")
    with pipeline.sql_client() as client:
        return [tuple(row) for row in client.execute_sql("SELECT * FROM orders ORDER BY id") or ()]


def schemas(folder: Path) -> set[str]:
    with duckdb.connect(str(folder / "warehouse.duckdb")) as database:
        return {
            name
            for (name,) in database.execute("SELECT DISTINCT table_schema FROM information_schema.tables").fetchall()
        }


def test_rows_replace_those_of_their_key_and_join_the_others(tmp_path: Path) -> None:
    assert load(tmp_path, {"id": 1, "total": 10}) == [(1, 10)]
    assert load(tmp_path, {"id": 1, "total": 12}, {"id": 2, "total": 5}) == [(1, 12), (2, 5)]


def test_a_key_in_several_files_of_a_package_is_held_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_WRITER__FILE_MAX_ITEMS", "1")
    [(key, total)] = load(tmp_path, *({"id": 1, "total": total} for total in range(8)))
    assert key == 1
    assert total in range(8)


def test_a_file_without_a_column_empties_it(tmp_path: Path) -> None:
    load(tmp_path, {"id": 1, "total": 10, "note": "a gift"})
    assert load(tmp_path, {"id": 1, "total": 10}) == [(1, 10, None)]


def test_nothing_is_staged_but_what_is_not_upserted(tmp_path: Path) -> None:
    load(tmp_path, {"id": 1})
    assert schemas(tmp_path) == {"shop"}
    load(tmp_path, {"id": 2}, strategy="delete-insert")
    assert schemas(tmp_path) == {"shop", "shop_staging"}
