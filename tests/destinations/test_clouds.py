"""BigQuery and Snowflake, as far as programs can stand in for them; each in the environment that has its driver."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from pipelines.transform import environment
from pipelines.warehouse import Warehouse
from sandbox.server import Sandbox
from tests.conftest import Job, free_port
from tests.destinations import stand_ins
from tests.destinations.installed import needs_driver
from tests.destinations.models import prove_models
from tests.destinations.proofs import prove
from tests.destinations.story import Story

BQEMULATOR: Final = ("emulator", "bqemulator 1.4.0, mended")
FAKESNOW: Final = ("emulator", "fakesnow 0.12.1, mended")

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture
def bigquery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    needs_driver("bigquery")

    @contextmanager
    def no_transaction(self: Any) -> Iterator[Any]:
        yield self

    # The emulator knows no sessions, and so no transactions.
    monkeypatch.setattr("dlt.destinations.impl.bigquery.sql_client.BigQuerySqlClient.begin_transaction", no_transaction)
    # Nor does it tell what is wrong with one of several statements.
    stand_ins.limit("bigquery", monkeypatch, supports_multiple_statements=False, alter_add_multi_column=False)
    # Google would be asked where the account may be used from.
    monkeypatch.setattr(
        "google.oauth2.service_account.Credentials._is_regional_access_boundary_lookup_required", lambda _: False
    )
    with stand_ins.bigquery(tmp_path, free_port()) as told:
        for name, value in told.items():
            monkeypatch.setenv(name, value)
        yield "bigquery"


@pytest.fixture
def snowflake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
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
        yield "snowflake"


def test_bigquery_holds_what_duckdb_holds(job: Job, sandbox: Sandbox, bigquery: str, *, record: bool) -> None:
    prove(Story(job, sandbox, bigquery), *BQEMULATOR, record=record)


def test_models_on_bigquery_have_the_rows_that_duckdb_gives_them(job: Job, bigquery: str, *, record: bool) -> None:
    job.settle()
    prove_models(bigquery, job.home, *BQEMULATOR, record=record)


def test_snowflake_holds_what_duckdb_holds(job: Job, sandbox: Sandbox, snowflake: str, *, record: bool) -> None:
    prove(Story(job, sandbox, snowflake), *FAKESNOW, record=record)


def test_models_on_snowflake_have_the_rows_that_duckdb_gives_them(job: Job, snowflake: str, *, record: bool) -> None:
    job.settle()
    prove_models(snowflake, job.home, *FAKESNOW, record=record)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("authenticator=oauth&token=secret", {"AUTHENTICATOR": "oauth", "TOKEN": "secret"}),
        ("private_key=MIIE&private_key_passphrase=secret", {"PRIVATE_KEY": "MIIE", "PRIVATE_KEY_PASSPHRASE": "secret"}),
        ("private_key=MIIE&host=shop.invalid&port=8443", {"HOST": "shop.invalid", "PORT": "8443", "PASSWORD": ""}),
    ],
)
def test_models_on_snowflake_sign_in_as_the_load_does(
    query: str, told: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_driver("snowflake")
    monkeypatch.setenv("DESTINATION__SNOWFLAKE__CREDENTIALS", f"snowflake://loader@account/SHOP?{query}")
    given = {
        name.partition("KLAVIYO_SNOWFLAKE_")[2]: value for name, value in environment(Warehouse("snowflake")).items()
    }
    assert told.items() <= given.items()
