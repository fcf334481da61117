"""Reading what was loaded, from whichever warehouse."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import duckdb
import psycopg2
import psycopg2.extras

from sandbox.changes import CHANGES
from sandbox.server import Sandbox
from sources.klaviyo.resources import select
from tests.conftest import Cli, Job
from tests.pipelines.truth import Rows, assert_equal


class Loaded(Protocol):
    """Whatever has a warehouse."""

    @property
    def database(self) -> Path: ...


BIG_TABLES = ("events", "event_attributions", "profiles")
OF_EACH_KIND = (*BIG_TABLES, "campaigns", "campaign_messages", "lists", "list_tags", "list_memberships", "templates")
"""Read in windows, by several queries, whole, along with others, and for each parent."""


def rows(job: Loaded, table: str) -> Rows:
    with duckdb.connect(str(job.database), read_only=True) as database:
        found = database.sql(f"select * from klaviyo.{table}")
        return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


def postgres_rows(url: str, table: str) -> Rows:
    """Rows under the names that Klaviyo's attributes have, of which PostgreSQL keeps 63 characters."""
    with closing(psycopg2.connect(url)) as server, server.cursor() as cursor:
        # JSON as the text that was stored, not as the driver would parse it.
        psycopg2.extras.register_default_json(cursor, loads=lambda text: text)
        cursor.execute(f"select * from klaviyo.{table}")
        assert cursor.description is not None
        return [
            dict(zip([column.name for column in cursor.description], row, strict=True)) for row in cursor.fetchall()
        ]


def assert_tables_equal_the_account(job: Job | Cli, sandbox: Sandbox, *tables: str) -> None:
    """All that are loaded by default, unless some are named."""
    chosen = tables or [resource.name for resource in select(None, job.revision)]
    with duckdb.connect(str(job.database), read_only=True):  # an open file is opened again at once
        assert_equal(sandbox.account, datetime.now(UTC), lambda table: rows(job, table), chosen, job.revision)


def change(sandbox: Sandbox, kind: str, **arguments: object) -> dict[str, Any]:
    """Let something happen to the account."""
    summary = CHANGES[kind](sandbox.account, arguments)
    sandbox.changed()
    return summary
