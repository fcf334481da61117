"""What models are made from, and what they were made from last: a run builds anew what depends on the difference."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec
import pendulum
from pendulum.tz.exceptions import InvalidTimezone

from pipelines.schema import LOAD
from pipelines.warehouse import Tables, Warehouse
from sources.klaviyo.tables import DELETED_AT

LEFT_BY_DBT: Final = frozenset({"target", "logs", "dbt_packages"})
SWITCHES: Final = ("KLAVIYO_FIVETRAN_COMPAT",)
"""What the environment says of which models there are."""
RECORD: Final = "last_build"
"""A table among the models: whoever drops them drops it, and dbt does before it builds any."""


@dataclass(frozen=True)
class Basis:
    """What models are made from."""

    project: str
    """A fingerprint of the dbt project, its variables and switches included, and of dbt."""
    today: str
    """Models tell how long ago things were, by days of the account."""
    tables: Mapping[str, str]
    """How each raw table stands: as long as that is the same, no row was loaded, marked or deleted."""

    def changed_since(self, built: Basis | None) -> Sequence[str] | None:
        """The raw tables that stand otherwise; None where everything is to be built anew."""
        if built is None or (self.project, self.today) != (built.project, built.today):
            return None
        return sorted(name for name in {*self.tables, *built.tables} if self.tables.get(name) != built.tables.get(name))


def read_basis(warehouse: Warehouse, project: Path) -> Basis:
    """As it is now. Rows that were changed by hand, under the id of the load that brought them, look unchanged."""
    with warehouse.tables() as tables:
        stands = {name: standing(tables, name) for name in modelled(project)}
        zones = tables.rows(f"SELECT max(timezone) FROM {tables.name('accounts')}")  # noqa: S608 - names are ours
    return Basis(
        fingerprint(project, ("dbt-core", f"dbt-{warehouse.kind.adapter or warehouse.name}")),
        today(str(zones[0][0] or "") if zones else ""),
        {name: stand for name, stand in stands.items() if stand},
    )


def standing(tables: Tables, table: str) -> str:
    """How a raw table stands; nothing where there is none."""
    counts = f"count(*), count({DELETED_AT}), max({LOAD}), max({DELETED_AT})"
    rows = tables.rows(f"SELECT {counts} FROM {tables.name(table)}")  # noqa: S608 - names are ours
    return " ".join(map(str, rows[0])) if rows else ""


def modelled(project: Path) -> list[str]:
    """The raw tables that models stand on: each has a staging model."""
    models = (project / "models" / "staging").glob("stg_klaviyo__*.sql")
    return sorted(model.stem.removeprefix("stg_klaviyo__") for model in models)


def fingerprint(project: Path, packages: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for package in packages:
        digest.update(f"{package} {version(package)}\n".encode())
    for switch in SWITCHES:
        digest.update(f"{switch} {os.environ.get(switch)}\n".encode())
    for file in sorted(project.rglob("*")):
        within = file.relative_to(project)
        if file.is_file() and file.suffix != ".md" and within.parts[0] not in LEFT_BY_DBT:
            digest.update(f"{within} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


def today(zone: str) -> str:
    """The date where the account is; in UTC where its time zone is not known."""
    try:
        return pendulum.now(zone or "UTC").to_date_string()
    except InvalidTimezone:
        return pendulum.now("UTC").to_date_string()


# --- the record -------------------------------------------------------------------------------------------------------


def read_record(warehouse: Warehouse) -> Basis | None:
    """What the models were made from; None where that is not known, as after a build that failed."""
    with warehouse.tables() as tables:
        rows = tables.rows(f"SELECT basis FROM {record(tables, warehouse)}")  # noqa: S608 - names are ours
    try:
        return msgspec.json.decode(str(rows[0][0]), type=Basis) if rows else None
    except msgspec.MsgspecError:
        return None


def write_record(warehouse: Warehouse, basis: Basis) -> None:
    with warehouse.tables() as tables:
        name, types = record(tables, warehouse), tables.dialect
        # Not every warehouse makes tables within a transaction.
        tables.execute(f"CREATE TABLE IF NOT EXISTS {name} (built_at {types.instant}, basis {types.text})")
        with tables.transaction():
            tables.execute(f"DELETE FROM {name} WHERE TRUE")  # noqa: S608 - names are ours
            tables.execute(
                f"INSERT INTO {name} VALUES (%s, %s)",  # noqa: S608 - names are ours
                pendulum.now("UTC"),
                msgspec.json.encode(basis).decode(),
            )


def record(tables: Tables, warehouse: Warehouse) -> str:
    return f"{tables.column(f'{warehouse.dataset}_stg')}.{tables.column(RECORD)}"
