"""Delta tables, in a folder and in a bucket."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import duckdb
import pytest
import requests
from rich.console import Console

from pipelines.errors import ConfigurationError, DestinationError
from pipelines.forgetting import Eraser
from pipelines.job import run_job
from pipelines.load import Request, named
from pipelines.plan import committed
from pipelines.settings import Settings
from pipelines.warehouse import Tables, Warehouse
from sandbox.account import Account
from sandbox.server import Sandbox
from sources.klaviyo.declaration import policy
from sources.klaviyo.pseudonyms import Pseudonyms
from tests.conftest import Cli, Job
from tests.destinations.conftest import lie_in_bucket
from tests.destinations.extensions import session
from tests.destinations.proofs import prove
from tests.destinations.story import Story
from tests.pipelines.person import ID, PLAIN, account_with_somebody, found_in_files
from tests.pipelines.warehouse import change

deltalake = pytest.importorskip("deltalake", reason="`make destinations` runs this in an environment that has it")

pytestmark = pytest.mark.timeout(600)


KEY = "a key of thirty-two characters.."


@pytest.fixture(autouse=True)
def folder(job: Job, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the tables are."""
    place = job.home / "delta"
    monkeypatch.setenv("DESTINATION__DELTA__CREDENTIALS__STORAGE__BUCKET_URL", str(place))
    job.settle()
    return place


def test_delta_tables_hold_what_duckdb_holds(job: Job, sandbox: Sandbox, *, record: bool) -> None:
    prove(Story(job, sandbox, "delta"), "real", "Delta Lake, in a folder", record=record)


class TestForgetting:
    @pytest.fixture
    def account(self) -> Account:
        return account_with_somebody()

    def test_nobody_who_is_purged_is_left_in_any_file(self, job: Job, folder: Path) -> None:
        job.policy = policy("", {}, KEY)
        job.load("profiles", "events", "reviews", "list_memberships", "segments", destination="delta")
        assert told_in(folder) == {*PLAIN}, "the search finds what is there"
        Eraser(Warehouse("delta"), Pseudonyms(KEY.encode()), "purge").forget([ID], "a request")
        assert told_in(folder) == set()
        assert [*(folder / "klaviyo" / "events").glob("*.parquet")]


def told_in(folder: Path) -> set[str]:
    """What is told of her in any file, and in any cell of those that hold tables."""
    cells = folder.parent / "cells"
    cells.mkdir(exist_ok=True)
    for file in folder.rglob("*.parquet"):
        rows = duckdb.sql(f"FROM read_parquet('{file}')").fetchall()
        (cells / file.name).write_text("\n".join(str(cell) for row in rows for cell in row))
    found = {value for place in (folder, cells) for value, _ in found_in_files(place)}
    shutil.rmtree(cells)
    return found


def test_a_plan_makes_no_folder(folder: Path) -> None:
    assert committed(Warehouse("delta")) == {}
    assert not folder.exists()


def test_commands_take_the_folder_where_they_run_whoever_has_put_its_files_together(cli: Cli) -> None:
    there = cli.home / "klaviyo_etl.delta" / "klaviyo"
    cli.load("--destination", "delta", "--select", "events")
    deltalake.DeltaTable(there / "events").optimize.compact()
    deltalake.DeltaTable(there / "events").vacuum(dry_run=False)
    cli.load("--destination", "delta", "--select", "events")
    assert deltalake.DeltaTable(there / "events").to_pyarrow_table().num_rows == 34
    assert deltalake.DeltaTable(there / "etl_runs").to_pyarrow_table().num_rows == 2
    for command in ("status", "plan", "doctor"):
        done = cli(command, "--destination", "delta")
        assert done.returncode == 0, done.stderr + done.stdout


def test_models_are_refused_before_anything_is_loaded(job: Job, folder: Path) -> None:
    console = Console(quiet=True)
    with pytest.raises(ConfigurationError, match="--no-transform"):
        run_job(console, Settings(api_key="pk_none"), Warehouse("delta"), Request(resources=named(["tags"])))
    assert not folder.exists()


def test_the_tables_may_lie_in_a_bucket(
    job: Job, bucket: str, unchecked: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESTINATION__DELTA__CREDENTIALS__GLOBAL_CONFIG", session("httpfs"))
    lie_in_bucket(monkeypatch, "delta", bucket)
    for _ in range(2):
        job.load("lists", "events", destination="delta")
    change(job.sandbox, "delete", type="list", id="NEWS")
    job.load("lists", destination="delta")
    with Warehouse("delta").onlooker() as pipeline, pipeline.sql_client() as client:
        assert client.execute_sql("SELECT count(*), count(DISTINCT id) FROM events") == [(34, 34)]
        assert client.execute_sql("SELECT id FROM lists WHERE _deleted_at IS NOT NULL") == [("NEWS",)]
    listed = requests.get(f"{bucket}/shop?list-type=2&prefix=lake/klaviyo/events/", timeout=30).text
    assert "lake/klaviyo/events/_delta_log/00000000000000000000.json" in listed


def test_a_change_that_fails_half_way_is_not_written(job: Job, folder: Path) -> None:
    job.load("tags", destination="delta")
    before = deltalake.DeltaTable(folder / "klaviyo" / "tags").version()
    with Warehouse("delta").onlooker() as pipeline, pipeline.sql_client() as client:
        tables = Tables(client)
        held = tables.rows("SELECT id FROM tags ORDER BY id")
        with contextlib.suppress(ZeroDivisionError), tables.transaction():
            tables.execute("DELETE FROM tags WHERE TRUE")
            assert tables.rows("SELECT id FROM tags") == []
            raise ZeroDivisionError
        assert tables.rows("SELECT id FROM tags ORDER BY id") == held
        assert deltalake.DeltaTable(folder / "klaviyo" / "tags").version() == before
        tables.execute("DELETE FROM tags WHERE id = %s", held[0][0])
        assert tables.rows("SELECT id FROM tags ORDER BY id") == held[1:]


def test_few_rows_that_change_leave_the_files_of_others_alone(job: Job, folder: Path) -> None:
    place = folder / "klaviyo" / "events"
    for end in ("2026-06-04", "2026-06-13"):
        job.load("events", destination="delta", end=end, now="2026-06-14")
    before = {*deltalake.DeltaTable(place).file_uris()}
    with Warehouse("delta").onlooker() as pipeline, pipeline.sql_client() as client:
        tables = Tables(client)
        (((first,),)) = tables.rows("SELECT min_by(id, datetime) FROM events")
        tables.execute("UPDATE events SET _deleted_at = now() WHERE id = %s", first)
        tables.execute("DELETE FROM events WHERE id = %s", first)
    after = {*deltalake.DeltaTable(place).file_uris()}
    assert len(before & after) == len(before) - 1


def test_tables_that_another_program_has_made_otherwise_are_refused(job: Job, folder: Path) -> None:
    job.load("tags", destination="delta")
    table = deltalake.DeltaTable(folder / "klaviyo" / "tags")
    deltalake.write_deltalake(
        table, table.to_pyarrow_table(), mode="overwrite", schema_mode="overwrite", partition_by="id"
    )
    with pytest.raises(DestinationError, match="tags was changed by another program: id"):
        job.load("tags", destination="delta")


def test_without_a_setting_tables_are_where_the_command_runs(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DESTINATION__DELTA__CREDENTIALS__STORAGE__BUCKET_URL")
    for folder in (tmp_path / "here", tmp_path / "there"):
        folder.mkdir()
        monkeypatch.chdir(folder)
        assert Warehouse("delta").place == str(folder / "klaviyo_etl.delta")


def test_what_is_killed_between_two_tables_is_mended_by_the_next_run(
    job: Job, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.destinations.delta import DeltaSqlClient, Place  # noqa: PLC0415 - an extra

    job.load("lists", destination="delta")
    change(job.sandbox, "delete", type="list", id="NEWS")
    write = DeltaSqlClient.write

    def killed(self: DeltaSqlClient, place: Place) -> None:
        if place.table == "lists":
            raise ZeroDivisionError
        write(self, place)

    with monkeypatch.context() as patched:
        patched.setattr(DeltaSqlClient, "write", killed)
        with pytest.raises(ZeroDivisionError):
            job.load("lists", destination="delta")
    assert told(folder, "etl_absences", "id") == ["NEWS"]
    assert not any(told(folder, "lists", "_deleted_at"))
    job.load("lists", destination="delta")
    assert any(told(folder, "lists", "_deleted_at"))
    assert told(folder, "etl_absences", "id") == ["NEWS", "NEWS"]


def told(folder: Path, table: str, column: str) -> list[object]:
    return [*deltalake.DeltaTable(folder / "klaviyo" / table).to_pyarrow_table()[column].to_pylist()]
