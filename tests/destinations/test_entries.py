"""What is known of each destination, without asking any."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dlt
import duckdb
import pytest

from pipelines.destinations import DESTINATIONS, kind_of
from pipelines.destinations.dialects import DIALECTS
from pipelines.errors import ConfigurationError
from pipelines.plan import committed
from pipelines.warehouse import Tables, Warehouse
from sources.klaviyo import REVISION
from sources.klaviyo.tables import every_table
from tests.destinations.installed import needs_driver


def test_an_unknown_destination_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ConfigurationError) as refused:
        kind_of("oracle")
    assert all(name in str(refused.value) for name in DESTINATIONS)


def test_files_that_take_no_sql_are_refused_with_what_to_take() -> None:
    with pytest.raises(ConfigurationError, match=r"marked as gone.*take ducklake"):
        kind_of("iceberg")


@pytest.mark.parametrize("name", ["parquet", "filesystem"])
def test_plain_parquet_files_are_refused_with_the_reason_and_what_to_take(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"never replaced.*take ducklake"):
        kind_of(name)


@pytest.mark.parametrize(
    ("name", "driver"),
    [("bigquery", "google.cloud"), ("redshift", "psycopg2"), ("snowflake", "snowflake"), ("postgres", "psycopg2")],
)
def test_a_driver_that_is_not_installed_is_named_with_the_command_that_installs_it(
    name: str, driver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for loaded in [*sys.modules]:
        if loaded.startswith((f"pipelines.destinations.{name}", f"dlt.destinations.impl.{name}.", driver)):
            monkeypatch.delitem(sys.modules, loaded)
    if name == "postgres":
        monkeypatch.delitem(sys.modules, "dlt.destinations.impl.postgres.postgres", raising=False)
    monkeypatch.setitem(sys.modules, driver, None)
    with pytest.raises(ConfigurationError, match=rf"pip install 'klaviyo-etl\[{name}\]'"):
        _ = kind_of(name).factory


@pytest.mark.parametrize(
    ("setting", "name"), [("DUCKDB__CREDENTIALS", "duckdb"), ("DUCKLAKE__CREDENTIALS__CATALOG", "ducklake")]
)
def test_a_relative_file_is_where_the_command_runs_whoever_ran_before(
    setting: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "dlt"))
    monkeypatch.setenv(f"DESTINATION__{setting}", {"duckdb": "shop.duckdb", "ducklake": "sqlite:///shop.duckdb"}[name])
    for folder in (tmp_path / "here", tmp_path / "there"):
        folder.mkdir()
        monkeypatch.chdir(folder)
        assert Warehouse(name).place == str(folder / "shop.duckdb")


@pytest.mark.parametrize("name", DESTINATIONS)
def test_each_speaks_a_known_dialect(name: str) -> None:
    needs_driver(name)
    capabilities = kind_of(name).factory().capabilities()
    assert capabilities.sqlglot_dialect in DIALECTS
    assert "upsert" in (capabilities.supported_merge_strategies or ())


@pytest.mark.parametrize(
    ("name", "clauses"),
    [
        ("bigquery", ["PARTITION BY DATE(`datetime`)", "CLUSTER BY `metric_id`", "`event_properties` STRING"]),
        ("redshift", ['"datetime" timestamp with time zone SORTKEY', '"event_properties" varchar(65535)']),
        ("snowflake", ['CLUSTER BY (TO_DATE("DATETIME"), "METRIC_ID")', '"EVENT_PROPERTIES" VARCHAR']),
    ],
)
def test_events_are_laid_out_by_day_and_metric(name: str, clauses: list[str], tmp_path: Path) -> None:
    statement = table_statement(name, "events", tmp_path)
    assert all(clause in statement for clause in clauses), statement
    assert "DISTKEY" not in statement


def test_a_lake_keeps_events_by_month_and_no_file_for_each_moment(tmp_path: Path) -> None:
    _, *layout = table_statement("ducklake", "events", tmp_path).split("; ")
    assert layout == ['ALTER TABLE "klaviyo"."events" SET PARTITIONED BY (year("datetime"), month("datetime"))']


CREDENTIALS: dict[str, Any] = {
    "bigquery": {"project_id": "shop", "client_email": "a@example.com", "private_key": "none"},
    "ducklake": {"catalog": "sqlite:////nowhere/catalog", "storage": {"bucket_url": "/nowhere/files"}},
    "redshift": "postgresql://user:none@nowhere.invalid:5439/shop",
    "snowflake": "snowflake://user:none@nowhere/shop?warehouse=small",
}


def table_statement(name: str, table: str, folder: Path) -> str:
    """What makes a table, as dlt says it; no server is asked."""
    needs_driver(name)
    shape = every_table(REVISION)[table]
    schema = dlt.Schema("klaviyo")
    hints = shape.hints(shape.columns)
    schema.update_table({"name": table, "columns": hints, "write_disposition": "merge"})  # type: ignore[typeddict-item]  # plain dicts
    pipeline = dlt.pipeline(
        "klaviyo",
        destination=kind_of(name).factory(CREDENTIALS[name], destination_name=name),
        dataset_name="klaviyo",
        pipelines_dir=str(folder),
    )
    client: Any = pipeline._get_destination_clients(schema)[0]
    statements = client._get_table_update_sql(table, [*schema.tables[table]["columns"].values()], False)
    return " ".join("; ".join(statements).split())


def test_a_text_in_sql_keeps_quotes_and_backslashes_and_is_no_place_for_a_parameter() -> None:
    client: Any = SimpleNamespace(capabilities=kind_of("duckdb").factory().capabilities())
    literal = Tables(client).literal("10%s off, Anna's")
    assert "%" not in literal
    assert duckdb.sql(f"select {literal}").fetchone() == ("10%s off, Anna's",)


def test_a_plan_makes_no_catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "dlt"))
    assert committed(Warehouse("ducklake")) == {}
    assert [*tmp_path.glob("ducklake*")] == []
