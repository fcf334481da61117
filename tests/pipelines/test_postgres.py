"""The same run into a real PostgreSQL: the same tables, value by value."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta

import psycopg2

from sandbox.server import Sandbox
from sources.klaviyo.resources import select
from tests.conftest import Cli, Job
from tests.pipelines.truth import Rows, assert_equal
from tests.pipelines.warehouse import change, postgres_rows

DEFAULT = [resource.name for resource in select(None)]


def test_postgres_holds_the_account_and_follows_its_changes(job: Job, sandbox: Sandbox, postgres: str) -> None:
    def assert_postgres_equals_the_account() -> None:
        tables = [resource.name for resource in select(None, job.revision)]
        assert_equal(
            sandbox.account, datetime.now(UTC), lambda table: postgres_rows(postgres, table), tables, job.revision
        )

    job.postgres = postgres
    job.load(destination="postgres")
    assert_postgres_equals_the_account()
    assert {("events", "id"), ("profiles", "id")} <= indexed(postgres, unique=True)
    assert {("events", "datetime"), ("profiles", "updated"), ("templates", "updated")} <= indexed(postgres)
    lately = (datetime.now(UTC) - timedelta(seconds=30)).isoformat()
    change(sandbox, "add_events", count=20, at=lately)
    campaign = change(sandbox, "rename", type="campaign", name="renamed", at=lately)["id"]
    change(sandbox, "delete", type="list")
    second = job.load(destination="postgres", machine="two")
    assert sum(second.vanished.values()) > 0
    assert_postgres_equals_the_account()
    versions = [row for row in postgres_rows(postgres, "versions") if row["id"] == campaign]
    assert [row["changed"] for row in sorted(versions, key=lambda row: row["version"])] == ["[]", '["name"]']
    for kind in ("list", "segment"):
        held = open_memberships(postgres_rows(postgres, f"{kind}_membership_intervals"), kind, "valid_to")
        assert held == open_memberships(postgres_rows(postgres, f"{kind}_memberships"), kind, "_deleted_at")


def test_what_postgres_takes_in_no_text_is_no_obstacle(job: Job, sandbox: Sandbox, postgres: str) -> None:
    tags = sandbox.account.objects["tag"]
    one = next(iter(tags.values()))
    one.attributes |= {"name": "a\0b", "new\0name": "c\0d"}
    job.postgres = postgres
    job.load("tags", destination="postgres")
    (found,) = [row for row in postgres_rows(postgres, "tags") if row["id"] == one.id]
    (new,) = [name for name in found if name.startswith("new_name__x")]
    assert (found["name"], found["name__v_json"], found[new]) == ("a\ufffdb", r'"a\u0000b"', r'"c\u0000d"')
    (told,) = [row["attribute"] for row in postgres_rows(postgres, "etl_schema_changes") if row["detail"].endswith(new)]
    assert told == "new\ufffdname"


def open_memberships(found: Rows, kind: str, end: str) -> list[tuple[str, str]]:
    return sorted((row[f"{kind}_id"], row["profile_id"]) for row in found if row[end] is None)


def indexed(url: str, *, unique: bool = False) -> set[tuple[str, str]]:
    """Tables, and the columns that they have an index on."""
    with closing(psycopg2.connect(url)) as server, server.cursor() as cursor:
        cursor.execute("select tablename, indexdef from pg_indexes where schemaname = 'klaviyo'")
        return {
            (table, definition.rsplit("(")[-1].strip(')"'))
            for table, definition in cursor.fetchall()
            if ("UNIQUE" in definition) is unique and "_dlt_" not in table
        }


def test_the_command_line_loads_postgres_and_builds_the_marts_there(cli: Cli, postgres: str) -> None:
    destination = {"DESTINATION__POSTGRES__CREDENTIALS": postgres}
    done = cli("run", "--destination", "postgres", **destination)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "models built" in done.stdout
    assert len(postgres_rows(postgres, "etl_runs")) == 1
    assert all(isinstance(postgres_rows(postgres, name), list) for name in DEFAULT)
    assert "events" in cli("status", "--destination", "postgres", **destination).stdout


def test_a_wrong_password_or_a_server_that_is_down_ends_in_one_message(cli: Cli, postgres: str) -> None:
    down = "postgresql://klaviyo:hidden-word@127.0.0.1:1/nowhere"
    done = cli("run", "--destination", "postgres", DESTINATION__POSTGRES__CREDENTIALS=down)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "hidden-word" not in done.stderr + done.stdout
    assert "postgres at" in done.stderr


def test_missing_credentials_are_named(cli: Cli) -> None:
    done = cli("run", "--destination", "postgres")
    assert done.returncode == 2
    assert "DESTINATION__POSTGRES__CREDENTIALS" in done.stderr
