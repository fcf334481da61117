"""A run into a real PostgreSQL: what tests/destinations does not say of it, where its tables are compared value by value."""

from __future__ import annotations

from contextlib import closing

import psycopg2

from sandbox.server import Sandbox
from sources.klaviyo.resources import select
from tests.conftest import Cli, Job
from tests.pipelines.few_models import MODELS, few_models
from tests.pipelines.warehouse import postgres_rows

DEFAULT = [resource.name for resource in select(None)]


def test_what_runs_look_up_has_an_index_and_another_machine_goes_on(job: Job, postgres: str) -> None:
    job.postgres = postgres
    job.load("events", "profiles", "templates", destination="postgres")
    assert {("events", "id"), ("profiles", "id")} <= indexed(postgres, unique=True)
    assert {("events", "datetime"), ("profiles", "updated"), ("templates", "updated")} <= indexed(postgres)
    second = job.load("events", "profiles", "templates", destination="postgres", machine="two")
    assert not any(tally.rows for tally in second.tallies)


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
    cli.project = few_models(cli.home / "project")
    done = cli("run", "--destination", "postgres", "--select", "events,lists", **destination)
    assert done.returncode == 0, done.stderr + done.stdout
    assert f"{len(MODELS)} models built" in done.stdout
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
