"""The project built once per account written by hand, and once more on PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import psycopg2
import pytest

from tests.transforms.build import build
from tests.transforms.raw import Account, write_duckdb, write_postgres
from tests.transforms.shop import SHOP

DATASET = "shop_raw"
"""Another name than the default, which the models have to follow."""


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
        schema = "stg" if relation.startswith(("stg_", "int_", "seed_")) else "marts"
        return [
            (name, of)
            for name, of in self.query(
                "select column_name, data_type from information_schema.columns"
                f" where table_schema = '{self.dataset}_{schema}' and table_name = '{relation}' order by ordinal_position"
            )
        ]


def build_duckdb(workspace: Path, account: Account, *arguments: str) -> Built:
    path = workspace / "warehouse.duckdb"
    write_duckdb(str(path), account, "klaviyo")
    environment = {"KLAVIYO_DUCKDB_PATH": str(path), "KLAVIYO_TARGET": "duckdb", "KLAVIYO_DATASET": "klaviyo"}
    return Built(path, build(workspace, environment, *arguments), workspace=workspace)


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build_duckdb(tmp_path_factory.mktemp("shop"), SHOP)


@pytest.fixture(scope="session")
def nothing(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """An account in which nothing ever happened."""
    return build_duckdb(tmp_path_factory.mktemp("nothing"), {}, "--exclude-resource-type", "unit_test")


@pytest.fixture(scope="session")
def shop_on_postgres(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Built:
    write_postgres(postgres_url, SHOP, DATASET)
    server = urlsplit(postgres_url)
    environment = {
        "KLAVIYO_TARGET": "postgres",
        "KLAVIYO_DATASET": DATASET,
        "KLAVIYO_POSTGRES_HOST": str(server.hostname),
        "KLAVIYO_POSTGRES_PORT": str(server.port),
        "KLAVIYO_POSTGRES_USER": str(server.username),
        "DBT_ENV_SECRET_KLAVIYO_POSTGRES_PASSWORD": str(server.password),
        "KLAVIYO_POSTGRES_DATABASE": server.path.removeprefix("/"),
    }
    workspace = tmp_path_factory.mktemp("postgres_build")
    return Built(workspace, build(workspace, environment), DATASET, postgres_url, workspace)


def failures(outcomes: dict[str, str]) -> Sequence[str]:
    return [f"{name}: {what}" for name, what in outcomes.items() if not what.startswith(("success", "pass"))]
