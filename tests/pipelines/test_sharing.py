"""One dataset for several accounts: views of what each has in its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import duckdb
import psycopg2
import pytest

from pipelines.accounts import of_account
from pipelines.compaction import rewrite_file
from pipelines.errors import ConfigurationError
from pipelines.identity import OWNER
from pipelines.load import Request, load, named
from pipelines.lock import run_lock
from pipelines.progress import LogWatch
from pipelines.settings import read_settings
from pipelines.sharing import Layer, Shared, configured
from pipelines.warehouse import Warehouse
from sandbox.account import Account
from sandbox.server import Sandbox
from sources.klaviyo.tables import every_table
from sources.klaviyo.windows import moment
from tests.conftest import Job
from tests.pipelines.test_accounts import serving
from tests.sandbox.tiny import tiny_account

SOME = ("events", "lists")
"""Loaded where loading all of it once has to do."""


def twin(id_: str) -> Account:
    """An account all of whose ids are another's, too, but for its own."""
    account = tiny_account()
    account.objects["account"] = {id_: replace(account.objects["account"]["ACC"], id=id_)}
    return account


@dataclass
class Accounts:
    """Two, loaded in this process."""

    job: Job
    sandboxes: dict[str, Sandbox]
    destination: str = "duckdb"
    made: list[str] = field(default_factory=list)

    def load(self, name: str, *select: str, now: str = "2026-06-14") -> None:
        self.job.settle()
        with of_account(name):
            request = Request(resources=named(select, self.job.revision), now=moment(now))
            run = load(read_settings(), Warehouse(self.destination), request, LogWatch())
        assert not run.message

    def make(self, name: str, table: str, columns: str, *values: str) -> None:
        """A table by hand, as if the account had loaded it."""
        layer, _, table = table.rpartition(".")
        schema = f"klaviyo_{name}{layer}"
        self.query(f"create schema if not exists {schema}")
        self.query(f"create table {schema}.{table} ({columns})")
        for row in values:
            self.query(f"insert into {schema}.{table} values ({row})")
        self.made.append(name)
        self.job.monkeypatch.setattr("pipelines.sharing.committed", self.noted)

    def noted(self, warehouse: Warehouse) -> dict[str, str]:
        name = warehouse.dataset.removeprefix("klaviyo_")
        return {OWNER: name.upper()} if name in self.made else {}

    def share(self) -> Shared:
        sharing = configured(self.destination)
        assert sharing
        shared = sharing.share()
        assert shared
        return shared

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        if self.destination == "duckdb":
            with duckdb.connect(str(self.job.database)) as database:
                return database.execute(statement).fetchall()
        with closing(psycopg2.connect(self.job.postgres)) as server, server.cursor() as cursor:
            cursor.execute(statement)
            answer = cursor.fetchall() if cursor.description else []
            server.commit()
            return answer


@contextmanager
def two(job: Job) -> Iterator[Accounts]:
    with serving(twin("NORTH"), "pk_north") as north, serving(twin("SOUTH"), "pk_south") as south:
        sandboxes = {"north": north, "south": south}
        for name, sandbox in sandboxes.items():
            section = f"SOURCES__KLAVIYO__ACCOUNTS__{name.upper()}"
            job.monkeypatch.setenv(f"{section}__API_KEY", f"pk_{name}")
            job.monkeypatch.setenv(f"{section}__BASE_URL", sandbox.url)
        job.monkeypatch.setenv("SOURCES__KLAVIYO__SHARED_DATASET", "klaviyo")
        job.monkeypatch.setenv("SOURCES__KLAVIYO__REVISION", job.revision)
        job.settle()
        yield Accounts(job, sandboxes)


@pytest.fixture
def accounts(job: Job) -> Iterator[Accounts]:
    with two(job) as accounts:
        yield accounts


@pytest.fixture(params=["duckdb", "postgres"])
def anywhere(job: Job, request: pytest.FixtureRequest) -> Iterator[Accounts]:
    if request.param == "postgres":
        job.postgres = request.getfixturevalue("postgres")
    with two(job) as accounts:
        accounts.destination = request.param
        yield accounts


def test_every_table_holds_the_rows_of_both_accounts_told_apart_by_account_and_key(anywhere: Accounts) -> None:
    for name in ("north", "south"):
        anywhere.load(name, *SOME * (anywhere.destination == "duckdb"))
    shared = anywhere.share()
    assert [member.id for member in shared.members] == ["NORTH", "SOUTH"]
    tables = every_table(anywhere.job.revision)
    assert shared.views > len(tables)
    filled = 0
    for table in tables.values():
        key = ", ".join(f'"{name}"' for name in ("account_id", *table.key))
        ((rows, different, north, south),) = anywhere.query(
            f"select count(*), (select count(*) from (select distinct {key} from klaviyo.{table.name}) keys), "
            f"(select count(*) from klaviyo_north.{table.name}), (select count(*) from klaviyo_south.{table.name}) "
            f"from klaviyo.{table.name}"
        )
        assert rows == different == north + south, table.name
        assert north == south, table.name
        filled += bool(rows)
    assert filled >= (40 if anywhere.destination == "postgres" else len(SOME))
    assert anywhere.query("select account_id, count(*) from klaviyo.events group by 1 order by 1") == [
        ("NORTH", 33),
        ("SOUTH", 33),
    ]


def test_what_one_account_lacks_is_null_and_an_account_without_rows_is_left_out(anywhere: Accounts) -> None:
    anywhere.make("south", "lists", "shade decimal(10, 2), id text, grown text", "1.5, 'NEWS', 'tall'")
    assert str(anywhere.share()) == "dataset klaviyo: 1 views of south; north is left out: it has loaded nothing yet"
    anywhere.make("north", "tags", "id text", "'T1'")
    anywhere.make("north", "lists", "id text, grown bigint", "'NEWS', 7")
    for _ in range(2):
        anywhere.share()
        assert {*anywhere.query("select account_id, id, shade, grown from klaviyo.lists")} == {
            ("NORTH", "NEWS", None, "7"),
            ("SOUTH", "NEWS", Decimal("1.5"), "tall"),
        }
        assert anywhere.query("select * from klaviyo.tags") == [("NORTH", "T1")]


def test_a_view_of_others_outlives_what_joins_the_one_that_it_is_on(anywhere: Accounts) -> None:
    anywhere.make("south", "tags", "name text, id text", "'Sale', 'T1'")
    anywhere.share()
    anywhere.query("create schema theirs")
    anywhere.query("create view theirs.names as select account_id, id from klaviyo.tags")
    anywhere.make("north", "tags", "shade text, id text, name text", "'red', 'T1', 'Sale'")
    anywhere.share()
    assert anywhere.query("select * from theirs.names order by 1") == [("NORTH", "T1"), ("SOUTH", "T1")]
    assert anywhere.query("select id, shade from klaviyo.tags order by account_id") == [("T1", "red"), ("T1", None)]


def test_marts_are_put_together_and_what_is_gone_from_all_of_them_goes(anywhere: Accounts) -> None:
    for name in ("north", "south"):
        anywhere.make(name, "_marts.dim_account", "account_id text, money text", f"'{name.upper()}', 'DKK'")
        anywhere.make(name, "_marts.last_build", "number int", "1")
        anywhere.query(f"create view klaviyo_{name}_marts.fct_event as select 1 number")
    anywhere.share()
    assert anywhere.query("select * from klaviyo_marts.dim_account order by 1") == [("NORTH", "DKK"), ("SOUTH", "DKK")]
    assert anywhere.query("select * from klaviyo_marts.fct_event order by 1") == [("NORTH", 1), ("SOUTH", 1)]
    assert views(anywhere, "klaviyo_marts") == {"dim_account", "fct_event"}
    for name in ("north", "south"):
        anywhere.query(f"drop view klaviyo_{name}_marts.fct_event {'cascade' * (anywhere.destination == 'postgres')}")
        anywhere.query(f"alter table klaviyo_{name}_marts.dim_account rename column money to currency")
    anywhere.share()
    assert views(anywhere, "klaviyo_marts") == {"dim_account"}
    assert [
        currency for _, currency in anywhere.query("select account_id, currency from klaviyo_marts.dim_account")
    ] == ["DKK", "DKK"]


def test_a_file_that_is_written_anew_keeps_the_views(accounts: Accounts) -> None:
    accounts.make("north", "tags", "id text", "'T1'")
    accounts.share()
    rewrite_file(accounts.job.database)  # as forgetting does
    assert accounts.query("select * from klaviyo.tags") == [("NORTH", "T1")]


def test_a_model_that_is_built_anew_meanwhile_is_left_out(accounts: Accounts) -> None:
    accounts.make("north", "tags", "id text")
    looked, look = [], Layer.columns

    def columns(self: Layer, schema: str) -> dict[str, dict[str, str]]:
        looked.append(schema)
        first = schema == "klaviyo_north_marts" and looked.count(schema) == 1
        return look(self, schema) | ({"fct_event": {"id": "VARCHAR"}} if first else {})

    accounts.job.monkeypatch.setattr(Layer, "columns", columns)
    accounts.share()
    assert looked.count("klaviyo_north_marts") == 2
    assert views(accounts, "klaviyo_marts") == set()


def views(accounts: Accounts, schema: str) -> set[str]:
    return {
        name
        for (name,) in accounts.query(
            f"select table_name from information_schema.tables where table_schema = '{schema}'"
        )
    }


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("SHARED_DATASET", "klaviyo_south", "south itself loads into klaviyo_south"),
        ("SHARED_DATASET", "Shops!", "must be small letters"),
        (
            "ACCOUNTS__SOUTH__DESTINATION__DUCKDB__CREDENTIALS",
            "south.duckdb",
            "north and south are in databases of their own",
        ),
    ],
)
def test_what_views_cannot_put_together_is_refused(accounts: Accounts, setting: str, value: str, message: str) -> None:
    accounts.job.monkeypatch.setenv(f"SOURCES__KLAVIYO__{setting}", value)
    with pytest.raises(ConfigurationError, match=message):
        configured("duckdb")


def test_a_destination_without_a_database_is_refused(accounts: Accounts) -> None:
    with pytest.raises(ConfigurationError, match="no views can be made on delta"):
        configured("delta")


def test_accounts_without_names_are_not_shared(job: Job) -> None:
    job.settle()
    assert configured("duckdb") is None
    job.monkeypatch.setenv("SOURCES__KLAVIYO__SHARED_DATASET", "klaviyo")
    with pytest.raises(ConfigurationError, match="accounts that have names"):
        configured("duckdb")


def test_a_run_that_has_the_file_is_left_to_put_it_together(accounts: Accounts) -> None:
    with of_account("north"), run_lock(Warehouse("duckdb")):
        sharing = configured("duckdb")
        assert sharing
        assert sharing.share() is None
