"""BigQuery and Snowflake, as far as programs can stand in for them; each in the environment that has its driver."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sandbox.server import Sandbox
from tests.conftest import Job, free_port
from tests.destinations import stand_ins
from tests.destinations.installed import needs_driver
from tests.destinations.proofs import prove
from tests.destinations.story import Story

pytestmark = pytest.mark.timeout(900)


def test_bigquery_holds_what_duckdb_holds(
    job: Job, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, record: bool
) -> None:
    needs_driver("bigquery")

    @contextmanager
    def no_transaction(self: Any) -> Iterator[Any]:
        yield self

    # The emulator knows no sessions, and so no transactions.
    monkeypatch.setattr("dlt.destinations.impl.bigquery.sql_client.BigQuerySqlClient.begin_transaction", no_transaction)
    # Nor does it tell what is wrong with one of several statements.
    stand_ins.limit("bigquery", monkeypatch, supports_multiple_statements=False, alter_add_multi_column=False)
    with stand_ins.bigquery(tmp_path, free_port()) as told:
        for name, value in told.items():
            monkeypatch.setenv(name, value)
        prove(Story(job, sandbox, "bigquery"), "emulator", "bqemulator 1.4.0", record=record)


def test_snowflake_holds_what_duckdb_holds(
    job: Job, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, record: bool
) -> None:
    needs_driver("snowflake")
    from dlt.destinations.impl.snowflake.sql_client import SnowflakeSqlClient  # noqa: PLC0415 - an extra

    execute = SnowflakeSqlClient.execute_query

    def execute_query(self: Any, query: str, *arguments: Any, **more: Any) -> Any:
        return execute(self, stand_ins.as_fakesnow_reads_it(query), *arguments, **more)

    monkeypatch.setattr(SnowflakeSqlClient, "execute_query", execute_query)
    stand_ins.limit("snowflake", monkeypatch, supports_multiple_statements=False)
    with stand_ins.snowflake(tmp_path, free_port()) as told:
        for name, value in told.items():
            monkeypatch.setenv(name, value)
        prove(Story(job, sandbox, "snowflake"), "emulator", "fakesnow 0.12.1, mended", record=record)
