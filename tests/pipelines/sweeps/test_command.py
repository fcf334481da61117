"""Sweeps as users start them, on either destination, and killed in the middle."""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import psycopg2
import pytest

from pipelines.warehouse import Warehouse
from sandbox.faults import Fault
from sandbox.server import Sandbox
from sources.klaviyo import contract
from tests.conftest import Cli, Job
from tests.pipelines.sweeps.people import (
    PEOPLE,
    sweep,
    vanish,
)
from tests.pipelines.test_cli import wait_for
from tests.pipelines.truth import assert_equal
from tests.pipelines.warehouse import postgres_rows


def test_postgresql_is_swept_alike_at_the_latest_revision(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres: str
) -> None:
    """At the default one, tests/destinations sweeps it beside DuckDB."""
    revision = contract.revisions()[-1]
    job = Job(sandbox, tmp_path, monkeypatch, postgres, revision)
    job.load("profiles", "lists", "list_memberships", "images", destination="postgres")
    vanish(sandbox, "profile", "P001")
    vanish(sandbox, "image", "366547581")
    sandbox.account.list_members["L01"].pop("P002")
    with closing(psycopg2.connect(postgres)) as server, server, server.cursor() as cursor:
        cursor.execute("delete from klaviyo.profiles where id = 'P003'")
        cursor.execute("delete from klaviyo.list_memberships where profile_id = 'P004'")
    sandbox.changed()
    found = sweep(job, "profiles", "list_memberships", "images", warehouse=Warehouse("postgres"))
    assert {one.resource: (one.marked, one.missed) for one in found.swept} == {
        "profiles": (1, 1),
        "list_memberships": (3, 1),
        "images": (1, 0),
    }
    gone = [row for row in postgres_rows(postgres, "list_memberships") if row["_deleted_at"]]
    assert sorted((row["list_id"], row["profile_id"]) for row in gone) == [
        ("L01", "P001"),
        ("L01", "P002"),
        ("NEWS", "P001"),
    ]
    assert_equal(
        sandbox.account,
        datetime.now(UTC),
        lambda table: postgres_rows(postgres, table),
        ["profiles", "list_memberships", "images"],
        revision,
    )


def packages_loaded(folder: Path) -> int:
    """However many folders come and go meanwhile."""
    return sum(len(packages) for place, packages, _ in os.walk(folder) if place.endswith("/load/loaded"))


def test_a_sweep_that_is_killed_marks_nothing_and_the_next_run_goes_on_with_it(
    cli: Cli, sandbox: Sandbox, loaded: Path
) -> None:
    shutil.copy(loaded, cli.database)
    vanish(sandbox, "profile", "P001", "P349")
    serial = {"SOURCES__KLAVIYO__MAX_LANES": "1", "SOURCES__KLAVIYO__PACKAGE_ROWS": "100"}
    hangs = Fault(kind="slow", path="/api/profiles", after=2, seconds=20)
    sandbox.api.faults.ordered.append(hangs)
    process = cli.start("sweep", "--select", "profiles", **serial)
    wait_for(lambda: hangs.struck)
    # Two pages are committed, each with a package of its own.
    wait_for(lambda: packages_loaded(cli.home / "dlt") == 2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    sandbox.api.faults.ordered.clear()
    assert cli.query("select count(*) from klaviyo.etl_sweep_profiles") == [(200,)]
    assert cli.query("select * from klaviyo.profiles where _deleted_at is not null") == []
    sandbox.api.requests.clear()
    told = cli.load("--select", "profiles", **serial)
    assert "sweep of" in told.stdout
    assert cli.query("select id from klaviyo.profiles where _deleted_at is not null order by id") == [
        ("P001",),
        ("P349",),
    ]
    assert cli.query("select seen, absent, marked from klaviyo.etl_sweeps") == [(348, 2, 2)]
    swept = [one["query"] for one in sandbox.api.requests if "fields%5Bprofile%5D=created" in one["query"]]
    assert "greater-than%28created%2C2026-01-05" in swept[0], "it goes on with the second page"


def test_the_command_marks_and_a_dry_one_does_not(cli: Cli, sandbox: Sandbox, loaded: Path) -> None:
    shutil.copy(loaded, cli.database)
    vanish(sandbox, "profile", *PEOPLE[:50])
    assert "--max-gone" in (nonsense := cli("sweep", "--max-gone", "15")).stderr
    assert nonsense.returncode == 2
    refused = cli("sweep", "--select", "profiles")
    assert refused.returncode == 3
    assert "klaviyo-etl sweep --select profiles --max-gone 0.15" in refused.stdout
    dry = cli("sweep", "--select", "profiles", "--max-gone", "0.15", "--dry-run")
    assert dry.returncode == 0
    assert not cli.query("select * from klaviyo.profiles where _deleted_at is not null")
    assert cli("sweep", "--select", "profiles", "--max-gone", "0.15").returncode == 0
    assert len(cli.query("select * from klaviyo.profiles where _deleted_at is not null")) == 50


def test_a_run_sweeps_what_is_due_unless_told_not_to(cli: Cli, sandbox: Sandbox, loaded: Path) -> None:
    shutil.copy(loaded, cli.database)
    vanish(sandbox, "image", "366547581")
    often = {"SOURCES__KLAVIYO__SWEEP_DAYS__IMAGES": "0.1", "SOURCES__KLAVIYO__SWEEP_DAYS__TEMPLATES": "0"}
    told = cli.load("--select", "images,templates", "--no-sweep", **often)
    assert "sweep of" not in told.stdout
    told = cli.load("--select", "images,templates", **often)
    assert "swept with" in told.stdout
    assert cli.query("select resource, marked from klaviyo.etl_sweeps") == [("images", 1)]
    wrong = cli("run", SOURCES__KLAVIYO__SWEEP_DAYS__IMAGES="often")
    assert wrong.returncode == 2
    assert "sweep_days.images" in wrong.stderr
