"""One dataset for several accounts: views that put together what each account's own dataset holds, every row with its account."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from typing import Final

import dlt
import filelock
from dlt.destinations.exceptions import DatabaseException, DatabaseUndefinedRelation

from pipelines.accounts import ACCOUNT, PLAIN, SECTION, account_names, of_account
from pipelines.basis import RECORD
from pipelines.destinations import kind_of
from pipelines.errors import ConfigurationError, LockedError
from pipelines.identity import OWNER
from pipelines.lock import run_lock
from pipelines.plan import committed
from pipelines.warehouse import Tables, Warehouse, fingerprint

SETTING: Final = f"{SECTION}.shared_dataset"
ACCOUNT_ID: Final = "account_id"
LAYERS: Final = ("", "_marts")
"""What is put together: raw tables and marts."""
DLT: Final = "_dlt_"
ATTEMPTS: Final = 3

Columns = Mapping[str, str]
"""Their types, by name."""


@dataclass(frozen=True)
class Member:
    """An account that has loaded something."""

    name: str
    id: str
    dataset: str


@dataclass
class Shared:
    """What has been put together."""

    dataset: str
    views: int = 0
    members: list[Member] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    """Accounts, each with the reason."""

    def __str__(self) -> str:
        names = ", ".join(member.name for member in self.members) or "no account"
        reasons = "".join(f"; {name} is left out: {why}" for name, why in self.left_out.items())
        return f"dataset {self.dataset}: {self.views} views of {names}{reasons}"


@dataclass(frozen=True)
class Sharing:
    """The shared dataset, as configured, in the database of all accounts."""

    dataset: str
    warehouses: Mapping[str, Warehouse]
    """By account."""

    @property
    def warehouse(self) -> Warehouse:
        """Of the account at work, so that no two processes have the same working folder."""
        return self.warehouses.get(ACCOUNT.get()) or next(iter(self.warehouses.values()))

    def share(self) -> Shared | None:
        """Make the views anew. None where a run under way has the database's file: it will do so at its end. Raises DestinationError."""
        path = self.warehouse.workspace.with_name(f"{fingerprint(f'{self.warehouse.place} {self.dataset}')}.lock")
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with filelock.FileLock(path), run_lock(self.warehouse) if self.warehouse.written else nullcontext():
                return self.put_together()
        except LockedError:
            return None

    def put_together(self) -> Shared:
        shared = Shared(self.dataset)
        for name, warehouse in self.warehouses.items():
            state = committed(warehouse)
            if state.get(OWNER):
                shared.members.append(Member(name, str(state[OWNER]), warehouse.dataset))
            else:
                shared.left_out[name] = "its key lacks accounts:read" if state else "it has loaded nothing yet"
        with self.warehouse.tables() as tables:
            for layer in LAYERS:
                shared.views += Layer(tables, f"{self.dataset}{layer}").share(
                    {member: f"{member.dataset}{layer}" for member in shared.members}
                )
        return shared

    def refuse(self) -> None:
        """Raises ConfigurationError for accounts that views cannot put together."""
        first, here = next(iter(self.warehouses.items()))
        for name, warehouse in self.warehouses.items():
            if warehouse.place != here.place:
                raise ConfigurationError(
                    f"{SETTING}: {first} and {name} are in databases of their own, which no view reaches across: "
                    f"{here.place} and {warehouse.place}"
                )
            if clash := warehouse.schemas & {f"{self.dataset}{layer}" for layer in LAYERS}:
                raise ConfigurationError(
                    f"{SETTING}: {name} itself loads into {min(clash)}: set {SECTION}.accounts.{name}.dataset, or {SETTING}, to another name"
                )


def configured(destination: str) -> Sharing | None:
    """As the settings have it; None where each account is by itself. Raises ConfigurationError for what could not be put together."""
    dataset: object = dlt.config.get(SETTING)
    if not dataset:
        return None
    if not PLAIN.fullmatch(str(dataset)):
        raise ConfigurationError(
            f"{SETTING}: {dataset!r} must be small letters, digits and _, begin with a letter, and be short"
        )
    if not kind_of(destination).database:
        raise ConfigurationError(f"{SETTING}: no views can be made on {destination}, which has no database")
    warehouses = {}
    for name in account_names():
        with of_account(name):
            warehouses[name] = Warehouse(destination)
            _ = warehouses[name].credentials  # which are the account's own
    if not warehouses:
        raise ConfigurationError(f"{SETTING} is for accounts that have names: there is no section {SECTION}.accounts")
    sharing = Sharing(str(dataset), warehouses)
    sharing.refuse()
    return sharing


@dataclass(frozen=True)
class Layer:
    """The views of a schema."""

    tables: Tables
    schema: str

    def share(self, schemas: Mapping[Member, str]) -> int:
        """Have a view for each table that any of the schemas has. How many there are."""
        for _ in range(ATTEMPTS - 1):
            # A model that another account's run is building anew is gone meanwhile: that run puts it in again.
            with suppress(DatabaseUndefinedRelation):
                return self.share_what_is_there(schemas)
        return self.share_what_is_there(schemas)

    def share_what_is_there(self, schemas: Mapping[Member, str]) -> int:
        self.tables.execute(f"CREATE SCHEMA IF NOT EXISTS {self.tables.column(self.schema)}")
        held = {member: self.columns(schema) for member, schema in schemas.items()}
        before = self.columns(self.schema)
        names = sorted({name for tables in held.values() for name in tables})
        for name in names:
            parts = {member: tables[name] for member, tables in held.items() if name in tables}
            self.put_together(name, parts, schemas, before.get(name, {}))
        for name in before.keys() - {*names}:
            self.tables.execute(f"DROP VIEW {self.name(self.schema, name)}")
        return len(names)

    def put_together(
        self, name: str, parts: Mapping[Member, Columns], schemas: Mapping[Member, str], before: Columns
    ) -> None:
        """A view that a reader finds at any time: it takes the place of the one before at once."""
        columns = self.types(parts.values())
        # A view can only be replaced by one with the same columns first.
        order = [column for column in [*before, *columns] if column in columns]
        rows = " UNION ALL ".join(
            f"SELECT {self.tables.text(self.tables.literal(member.id))} AS {ACCOUNT_ID}, "  # noqa: S608 - names are the warehouse's own
            f"{', '.join(self.value(column, columns[column], part) for column in dict.fromkeys(order))} "
            f"FROM {self.name(schemas[member], name)}"
            for member, part in parts.items()
        )
        view = self.name(self.schema, name)
        try:
            self.tables.execute(f"CREATE OR REPLACE VIEW {view} AS {rows}")
        except DatabaseUndefinedRelation:
            raise
        except DatabaseException:  # a column is no more, or of another type
            with self.tables.transaction():
                self.tables.execute(f"DROP VIEW {view}")
                self.tables.execute(f"CREATE VIEW {view} AS {rows}")

    def types(self, parts: Collection[Columns]) -> dict[str, str]:
        """Of all columns that any part has: text where they differ. What tells the account already is left out."""
        found: dict[str, set[str]] = {}
        for part in parts:
            for column, of in part.items():
                found.setdefault(column, set()).add(of)
        found.pop(ACCOUNT_ID, None)
        return {column: min(of) if len(of) == 1 else self.tables.dialect.text for column, of in found.items()}

    def name(self, schema: str, table: str) -> str:
        return f"{self.tables.column(schema)}.{self.tables.column(table)}"

    def value(self, column: str, of: str, part: Columns) -> str:
        name = self.tables.column(column)
        if column not in part:
            return f"CAST(NULL AS {of}) AS {name}"
        return name if part[column] == of else f"CAST({name} AS {of}) AS {name}"

    def columns(self, schema: str) -> dict[str, dict[str, str]]:
        """Of all tables and views of a schema, dlt's own and notes about builds left out."""
        client, dialect = self.tables.client, self.tables.dialect
        catalog = dialect.catalog.format(schema=self.tables.column(schema))
        rows = self.tables.rows(
            f"SELECT c.table_name, c.column_name, c.data_type FROM {catalog}.COLUMNS c "  # noqa: S608 - names are ours
            f"WHERE c.table_catalog = {dialect.database} AND c.table_schema = %s ORDER BY 1, c.ordinal_position",
            client.capabilities.casefold_identifier(schema),
        )
        found: dict[str, dict[str, str]] = {}
        for table, column, of in rows:
            if not table.lower().startswith(DLT) and table.lower() != RECORD:
                found.setdefault(table.lower(), {})[column.lower()] = of
        return found
