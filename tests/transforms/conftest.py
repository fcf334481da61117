"""The project built once per account written by hand, and once more on PostgreSQL."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import duckdb
import psycopg2
import pytest

from pipelines.basis import RECORD
from tests.conftest import FILE, Once
from tests.transforms.build import build
from tests.transforms.golden import FIRST_LOAD, NOW, SECOND_LOAD, UNTOUCHED
from tests.transforms.raw import Account, write_duckdb, write_postgres
from tests.transforms.shop import SHOP

OUTCOMES: Final = "outcomes.json"
DATASET = "shop_raw"
"""Another name than the default, which the models have to follow."""
FIVETRAN: Final = "fivetran__"
"""How the models begin whose tables are named as Fivetran names them."""


@dataclass
class Built:
    """A warehouse after a build: what came of each node, and what the tables hold."""

    path: Path
    outcomes: dict[str, str]
    dataset: str = "klaviyo"
    url: str = ""
    workspace: Path = field(default_factory=Path)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """`marts` and `stg` in the statement stand for the schemas."""
        if self.url:
            with psycopg2.connect(self.url) as server, server.cursor() as cursor:
                cursor.execute(f"set time zone 'UTC'; set search_path to {self.dataset}_marts, {self.dataset}_stg")
                cursor.execute(statement)
                return list(cursor.fetchall())
        with duckdb.connect(str(self.path)) as database:
            database.execute(f"set timezone = 'UTC'; set search_path = '{self.dataset}_marts,{self.dataset}_stg'")
            return database.execute(statement).fetchall()

    def columns(self, relation: str) -> list[tuple[str, str]]:
        schema, table = "marts", relation
        if relation.startswith(("stg_", "int_", "seed_")):
            schema = "stg"
        elif relation.startswith(FIVETRAN):
            schema, table = "fivetran", relation.removeprefix(FIVETRAN)
        return self.all_columns[f"{self.dataset}_{schema}", table]

    @cached_property
    def all_columns(self) -> Mapping[tuple[str, str], list[tuple[str, str]]]:
        """Names and types, by schema and table."""
        found: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
        for schema, table, name, of in self.query(
            "select table_schema, table_name, column_name, data_type from information_schema.columns"
            " order by table_schema, table_name, ordinal_position"
        ):
            found[schema, table].append((name, of))
        return found


def build_duckdb(workspace: Path, account: Account, *arguments: str, artifacts: str = "--no-write-json") -> Built:
    path = workspace / FILE
    write_duckdb(str(path), account, "klaviyo")
    environment = {
        "KLAVIYO_DUCKDB_PATH": str(path),
        "KLAVIYO_TARGET": "duckdb",
        "KLAVIYO_DATASET": "klaviyo",
        "KLAVIYO_FIVETRAN_COMPAT": "true",
    }
    return Built(path, build(workspace, environment, *arguments, artifacts=artifacts), workspace=workspace)


def built_once(once: Once, name: str, build: Callable[[Path], Built]) -> Built:
    def keep(workspace: Path) -> None:
        built = build(workspace)
        with duckdb.connect(str(built.path)) as database:
            database.execute("force checkpoint")
        (workspace / OUTCOMES).write_text(json.dumps(built.outcomes))

    workspace = once(name, keep)
    return Built(workspace / FILE, json.loads((workspace / OUTCOMES).read_text()), workspace=workspace)


@pytest.fixture(scope="session")
def shop(once: Once) -> Built:
    return built_once(once, "shop", lambda workspace: build_duckdb(workspace, SHOP, artifacts="--write-json"))


@pytest.fixture(scope="session")
def nothing(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """An account in which nothing ever happened, and so no row of which a generic test could find anything."""
    left_out = ("--exclude-resource-type", "unit_test", "--exclude", "test_type:generic")
    return build_duckdb(tmp_path_factory.mktemp("nothing"), {}, *left_out)


AS_OF: Final = ("--vars", f"{{klaviyo_now: '{NOW}'}}")
NO_TESTS: Final = ("--exclude-resource-type", "unit_test", "--exclude-resource-type", "test")
"""They run on PostgreSQL, over the same rows."""


@pytest.fixture(scope="session")
def golden(once: Once) -> Built:
    """The golden month, loaded and built twice: the second load brings what was late, and takes back what was wrong."""
    return built_once(once, "golden", build_golden)


def build_golden(workspace: Path) -> Built:
    build_duckdb(workspace, FIRST_LOAD, "--select", "+int_event", *NO_TESTS, *AS_OF)
    with duckdb.connect(str(workspace / FILE)) as database:
        database.execute("drop schema klaviyo cascade")
    tampered = {**UNTOUCHED, "profile_id": "changed without a load"}
    events = [tampered if one is UNTOUCHED else one for one in SECOND_LOAD["events"]]
    built = build_duckdb(workspace, {**SECOND_LOAD, "events": events}, *NO_TESTS, *AS_OF)
    with duckdb.connect(str(built.path)) as database:
        database.execute(
            "update klaviyo.events set profile_id = ? where id = ?", [UNTOUCHED["profile_id"], UNTOUCHED["id"]]
        )
    return built


@pytest.fixture(scope="session")
def golden_on_postgres(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Built:
    write_postgres(postgres_url, SECOND_LOAD, DATASET)
    with psycopg2.connect(postgres_url) as already, already.cursor() as cursor:
        cursor.execute(f"create schema {DATASET}_stg; create table {DATASET}_stg.{RECORD} (basis text)")
    server = urlsplit(postgres_url)
    environment = {
        "KLAVIYO_TARGET": "postgres",
        "KLAVIYO_DATASET": DATASET,
        "KLAVIYO_FIVETRAN_COMPAT": "true",
        "KLAVIYO_POSTGRES_HOST": str(server.hostname),
        "KLAVIYO_POSTGRES_PORT": str(server.port),
        "KLAVIYO_POSTGRES_USER": str(server.username),
        "DBT_ENV_SECRET_KLAVIYO_POSTGRES_PASSWORD": str(server.password),
        "KLAVIYO_POSTGRES_DATABASE": server.path.removeprefix("/"),
    }
    workspace = tmp_path_factory.mktemp("postgres_build")
    return Built(workspace, build(workspace, environment, *AS_OF), DATASET, postgres_url, workspace)


def failures(outcomes: dict[str, str]) -> Sequence[str]:
    return [f"{name}: {what}" for name, what in outcomes.items() if not what.startswith(("success", "pass"))]


def copied(shop: Built, folder: Path) -> str:
    with duckdb.connect(str(shop.path)) as database:
        database.execute("force checkpoint")
    return str(shutil.copy(shop.path, folder))
