"""A lake: its catalog in a file or in PostgreSQL, its tables in Parquet files."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
import requests

from pipelines.errors import ConfigurationError, DestinationError
from pipelines.forgetting import Eraser
from pipelines.transform import environment
from pipelines.warehouse import Warehouse
from sandbox.account import Account
from sandbox.server import Sandbox
from sources.klaviyo.declaration import policy
from sources.klaviyo.pseudonyms import Pseudonyms
from tests.conftest import Job
from tests.destinations.conftest import lie_in_bucket
from tests.destinations.extensions import session
from tests.destinations.models import prove_models
from tests.destinations.proofs import prove
from tests.destinations.story import Story
from tests.pipelines.person import ID, PLAIN, account_with_somebody, found_in_files

pytestmark = pytest.mark.timeout(600)

KEY = "a key of thirty-two characters.."
TOLD_OF_HER = ("profiles", "events", "reviews", "list_memberships", "segments")

LAKE = ("real", "DuckLake, its catalog in SQLite or DuckDB")

Lake = Callable[[str], Warehouse]


@pytest.fixture
def lake(job: Job, unchecked: None, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """Configures a lake with the given catalog."""

    def configured(catalog: str) -> Warehouse:
        of_catalog = {"sqlite": ("sqlite_scanner",), "postgresql": ("postgres_scanner",)}.get(
            catalog.partition(":")[0], ()
        )
        settings = {
            "CATALOG": catalog,
            "STORAGE__BUCKET_URL": (job.home / "files").as_uri(),
            "GLOBAL_CONFIG": session("ducklake", *of_catalog),
        }
        for name, value in settings.items():
            monkeypatch.setenv(f"DESTINATION__DUCKLAKE__CREDENTIALS__{name}", value)
        job.settle()
        return Warehouse("ducklake")

    return configured


def test_a_lake_holds_what_duckdb_holds(job: Job, sandbox: Sandbox, lake: Lake, *, record: bool) -> None:
    lake(f"sqlite:///{job.home / 'lake.sqlite'}")
    prove(Story(job, sandbox, "ducklake"), *LAKE, record=record)


def test_models_on_a_lake_have_the_rows_that_duckdb_gives_them_and_leave_its_catalog_to_the_next(
    job: Job, lake: Lake, *, record: bool
) -> None:
    lake(f"duckdb:///{job.home / 'lake.catalog'}")
    prove_models("ducklake", job.home, *LAKE, record=record)
    months = {file.parent.relative_to(job.home / "files" / "klaviyo" / "events") for file in files(job, "events")}
    assert months >= {Path("year=2026/month=3"), Path("year=2026/month=6")}


def files(job: Job, table: str) -> list[Path]:
    return [*(job.home / "files" / "klaviyo" / table).rglob("*.parquet")]


def test_a_catalog_in_postgresql_is_told_without_its_password(lake: Lake) -> None:
    warehouse = lake("postgresql://loader:hidden-word@127.0.0.1:1/shop")
    assert warehouse.place == "postgres://127.0.0.1:1/shop#ducklake"
    with pytest.raises(DestinationError) as failed:
        warehouse.pipeline()
    assert "127.0.0.1" in str(failed.value)
    assert "hidden-word" not in str(failed.value)


class TestForgetting:
    @pytest.fixture
    def account(self) -> Account:
        return account_with_somebody()

    @pytest.mark.parametrize("kind", ["sqlite", "duckdb", "postgresql"])
    def test_nobody_who_is_purged_is_left_in_any_file(
        self, job: Job, lake: Lake, kind: str, request: pytest.FixtureRequest
    ) -> None:
        server = request.getfixturevalue("postgres") if kind == "postgresql" else ""
        warehouse = lake(server or f"{kind}:///{job.home / 'lake.catalog'}")
        job.policy = policy("", {}, KEY)
        job.load(*TOLD_OF_HER, destination="ducklake")
        assert told_in(job, server) == {*PLAIN}, "the search finds what is there"
        Eraser(warehouse, Pseudonyms(KEY.encode()), "purge").forget([ID], "a request")
        assert told_in(job, server) == set()
        assert files(job, "events")


def told_in(job: Job, server: str) -> set[str]:
    """What is told of her in any file, and in the server's tables, dumped into one."""
    if server:
        with closing(psycopg2.connect(server)) as catalog, catalog.cursor() as cursor:
            cursor.execute("SELECT CAST(schema_to_xml('ducklake', true, false, '') AS TEXT)")
            ((dump,),) = cursor.fetchall()
        assert "ducklake_snapshot" in dump
        (job.home / "dump.xml").write_text(dump)
    return {value for value, _ in found_in_files(job.home)}


def test_the_files_of_a_lake_may_lie_in_a_bucket(
    job: Job, lake: Lake, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session("httpfs")
    warehouse = lake(f"sqlite:///{job.home / 'lake.catalog'}")
    lie_in_bucket(monkeypatch, "ducklake", bucket)
    for _ in range(2):
        job.load("lists", "events", destination="ducklake")
    with warehouse.onlooker() as pipeline, pipeline.sql_client() as client:
        assert client.execute_sql("SELECT count(*), count(DISTINCT id) FROM events") == [(34, 34)]
    assert "lake/klaviyo/events/year=2026/month=6/" in requests.get(f"{bucket}/shop?list-type=2", timeout=30).text


def test_models_on_a_lake_in_a_bucket_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    lie_in_bucket(monkeypatch, "ducklake")
    with pytest.raises(ConfigurationError, match="--no-transform"):
        environment(Warehouse("ducklake"))
