"""PostgreSQL, which is real, and Redshift, as far as PostgreSQL can stand in for it."""

from __future__ import annotations

from typing import Any, Final

import pytest
import sqlglot
from dlt.destinations.impl.postgres.sql_client import Psycopg2SqlClient
from sqlglot.dialects.dialect import Dialect
from sqlglot.tokenizer_core import TokenType

from sandbox.server import Sandbox
from tests.conftest import Job
from tests.destinations import stand_ins
from tests.destinations.models import prove_models
from tests.destinations.proofs import prove
from tests.destinations.story import Story

SYNTAX: Final = {"at", "cast", "if"}
"""Words that are meant as what they are."""

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def proven(*, record: bool) -> None:
    if not record:
        pytest.skip("takes minutes: `make prove-postgres` runs it, in CI too")


@pytest.mark.usefixtures("proven")
def test_postgresql_holds_what_duckdb_holds(job: Job, sandbox: Sandbox, postgres: str, *, record: bool) -> None:
    job.postgres = postgres
    prove(Story(job, sandbox, "postgres"), "real", "PostgreSQL", record=record)


@pytest.mark.usefixtures("proven")
def test_models_on_postgresql_have_the_rows_that_duckdb_gives_them(job: Job, postgres: str, *, record: bool) -> None:
    job.postgres = postgres
    job.settle()
    prove_models("postgres", job.home, "real", "PostgreSQL", record=record)


@pytest.mark.usefixtures("proven")
def test_redshift_holds_what_duckdb_holds(
    job: Job, sandbox: Sandbox, postgres: str, monkeypatch: pytest.MonkeyPatch, *, record: bool
) -> None:
    for name, value in stand_ins.redshift(postgres).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("pipelines.destinations.redshift.HINTS", {})  # test_entries.py looks at them
    stand_ins.limit("redshift", monkeypatch, max_identifier_length=63, max_column_identifier_length=63)
    told = statements(monkeypatch)
    prove(Story(job, sandbox, "redshift"), "stand-in", "PostgreSQL, in disguise", record=record)
    assert {word: example for one in told for word, example in reserved(one)} == {}


def statements(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """All that the server is told from now on."""
    found: set[str] = set()
    execute = Psycopg2SqlClient.execute_query

    def execute_query(self: Any, query: Any, *arguments: Any, **more: Any) -> Any:
        found.add(str(query))
        return execute(self, query, *arguments, **more)

    monkeypatch.setattr(Psycopg2SqlClient, "execute_query", execute_query)
    return found


def reserved(statement: str) -> list[tuple[str, str]]:
    """Names without quotes that Redshift or BigQuery take for words of their own: PostgreSQL takes more."""
    return [
        (f"{token.text} ({dialect})", statement[:200])
        for dialect in ("redshift", "bigquery")
        for token in sqlglot.tokenize(statement, read="redshift")
        if token.token_type == TokenType.VAR
        and token.text.lower() not in SYNTAX
        and token.text.lower() in Dialect.get_or_raise(dialect).generator_class.RESERVED_KEYWORDS
    ]


def test_a_reserved_word_is_found() -> None:
    assert [word for word, _ in reserved('SELECT sum(new), sum("new") FROM t')] == ["new (redshift)", "new (bigquery)"]
