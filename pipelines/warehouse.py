"""The user's warehouse: which one, how dlt loads it, and what may be asked of it in SQL."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import quote

import dlt
import duckdb
from dlt import Schema
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.destination.exceptions import DestinationException
from dlt.common.pipeline import get_dlt_pipelines_dir
from dlt.common.storages.live_schema_storage import LiveSchemaStorage
from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials
from dlt.destinations.sql_client import SqlClientBase

from pipelines.accounts import own_credentials
from pipelines.destinations import Kind, kind_of
from pipelines.destinations.dialects import DIALECTS, Dialect
from pipelines.destinations.duckdb import CONFIG
from pipelines.errors import ConfigurationError, DestinationError, RunError
from pipelines.settings import dataset

PIPELINE: Final = "klaviyo_etl"
SCHEMA: Final = "klaviyo"

DLT_SETTINGS: Final = {
    # Rows name the load that brought them: how vanished rows are told from those seen again.
    "normalize.parquet_normalizer.add_dlt_load_id": True,
    # All collections are read at once, each as fast as its own limit allows.
    "extract.next_item_mode": "round_robin",
    # A load that is told to stop is finished: see signals.py.
    "runtime.intercept_signals": False,
}


DRIVERS: Final = ("psycopg2", "google.", "snowflake.", "_internal")

LAYERS: Final = ("staging", "stg", "marts", "fivetran")
"""Of schemas beside the raw tables': dlt's, and those of models."""

FILE: Final = "klaviyo_etl.duckdb"

BATCH: Final = 100_000
"""Rows of an answer that are looked at together."""


@dataclass(frozen=True)
class Warehouse:
    """One dataset in one destination, and the working folder in which its loads are prepared."""

    name: str
    dataset: str = field(default_factory=dataset)
    file: Path | None = None
    """A DuckDB file in place of the configured one."""
    read_only: bool = False
    """Whether a DuckDB file is only looked at, as several may at a time."""

    def __post_init__(self) -> None:
        kind_of(self.name)
        for name, value in DLT_SETTINGS.items():
            dlt.config[name] = value

    @property
    def kind(self) -> Kind:
        return kind_of(self.name)

    @cached_property
    def destination(self) -> Any:  # noqa: ANN401 - dlt's factory type is not exported
        return partial(self.kind.factory, destination_name=self.name)

    @cached_property
    def configuration(self) -> Any:  # noqa: ANN401 - each destination has a class of its own
        """What dlt was told of the destination. Raises ConfigurationError naming what is missing."""
        own = own_credentials(self.name) or (file_named() if self.name == "duckdb" else None)
        destination = self.destination(credentials=own) if own else self.destination()
        try:
            # dlt takes relative paths from where a pipeline of its folder was first used: from here, in a new one.
            with TemporaryDirectory() as folder:
                probe = dlt.pipeline(PIPELINE, destination=destination, dataset_name=self.dataset, pipelines_dir=folder)
                return probe.destination_client().config
        except ConfigurationException as error:
            raise ConfigurationError(
                f"destination {self.name}: {str(error).splitlines()[0]}; set DESTINATION__{self.name.upper()}__CREDENTIALS"
            ) from None

    @cached_property
    def credentials(self) -> Any:  # noqa: ANN401 - as above
        """Raises ConfigurationError naming what is missing."""
        if self.file:
            return DuckDbCredentials(str(self.file))
        credentials: Any = self.configuration.credentials
        if self.name == "duckdb":
            self.refuse_ambiguous_file(Path(credentials._conn_str()))  # noqa: SLF001 - the only way to the resolved path
            credentials.global_config = CONFIG | (credentials.global_config or {})
        return credentials

    @property
    def opened(self) -> Any:  # noqa: ANN401 - as above
        """The credentials with which it is opened. A file that is only looked at and is not there yet is an empty database."""
        if not (self.read_only and self.path):
            return self.credentials
        if not self.path.exists():
            return DuckDbCredentials(duckdb.connect())
        return DuckDbCredentials(str(self.path), read_only=True)

    def refuse_ambiguous_file(self, path: Path) -> None:
        """DuckDB calls a database by its file's name, and then cannot tell it from a schema of that name."""
        if path.stem.lower() in self.schemas:
            raise ConfigurationError(
                f"destination duckdb: a file named {path.name} clashes with the schema {path.stem.lower()} inside it; "
                "name it otherwise, such as warehouse.duckdb"
            )

    @property
    def schemas(self) -> frozenset[str]:
        """All that loads and models write to."""
        return frozenset({self.dataset, *(f"{self.dataset}_{layer}" for layer in LAYERS)})

    @property
    def place(self) -> str:
        """Where the data are, without a password."""
        path = self.path
        return str(path) if path else str(self.credentials)

    @property
    def path(self) -> Path | None:
        """The database's file, where it is one."""
        return Path(self.credentials._conn_str()).resolve() if self.name == "duckdb" else None  # noqa: SLF001 - the only way to the resolved path

    @property
    def identity(self) -> str:
        """The same for every run that would write the same tables."""
        return fingerprint(f"{self.name} {self.place} {self.dataset}")

    @property
    def writer(self) -> str:
        """The same for every run that could not write at the same time: a file has one writer, whatever the dataset."""
        return fingerprint(f"{self.name} {self.written}") if self.written else self.identity

    @property
    def written(self) -> Path | None:
        """The file that one at a time can write: the database, or a lake's catalog."""
        return self.path or getattr(self.credentials, "file", None)

    @property
    def workspace(self) -> Path:
        """Where loads are prepared; nothing in it outlives a run."""
        return Path(get_dlt_pipelines_dir()) / PIPELINE / self.identity

    def pipeline(self) -> dlt.Pipeline:
        """A pipeline that knows what the destination knows, and nothing else.

        The destination holds the truth about what has been loaded. What a killed run left on this disk is dropped:
        it was never committed, and is read again.
        """
        shutil.rmtree(self.workspace, ignore_errors=True)
        pipeline = self.unsynced(self.workspace)
        with destination_errors(self):
            self.sync(pipeline)
        return pipeline

    @contextmanager
    def onlooker(self) -> Iterator[dlt.Pipeline]:
        """A pipeline to look with, beside others and beside a run that may be under way."""
        with self.aside() as pipeline:
            self.sync(pipeline)
            yield pipeline

    @contextmanager
    def tables(self) -> Iterator[Tables]:
        """The tables, for SQL alone: without what dlt knows of them, which takes long to read."""
        with self.aside() as pipeline, pipeline.sql_client() as client:
            yield Tables(client)

    @contextmanager
    def aside(self) -> Iterator[dlt.Pipeline]:
        """A pipeline with a folder of its own, which knows nothing of the destination yet."""
        with TemporaryDirectory() as folder, destination_errors(self):
            yield self.unsynced(Path(folder))

    @staticmethod
    def sync(pipeline: dlt.Pipeline) -> None:
        # Without data this does what sync_destination does, and the first load does not do it once more.
        pipeline.run()

    def unsynced(self, workspace: Path) -> dlt.Pipeline:
        pipeline = dlt.pipeline(
            PIPELINE,
            destination=self.destination(self.opened),
            dataset_name=self.dataset,
            pipelines_dir=str(workspace),
        )
        pipeline._schema_storage.__class__ = KeptSchemas  # noqa: SLF001 - dlt has no setting for it
        return pipeline


class KeptSchemas(LiveSchemaStorage):
    """A pipeline's schemas as they are in memory: dlt reads each from disk whenever it is looked at, though nobody else writes there."""

    def __getitem__(self, name: str) -> Schema:
        return self.live_schemas[name] if name in self.live_schemas else super().__getitem__(name)


def schema_of(pipeline: dlt.Pipeline) -> Schema:
    """What dlt knows of the tables: nothing, before anything is loaded."""
    return pipeline.default_schema if pipeline.default_schema_name else Schema(SCHEMA)


def file_named() -> Any:  # noqa: ANN401 - a text, or a section
    """The DuckDB file: dlt takes its name for a secret, and would not have it in config.toml."""
    name = "destination.duckdb.credentials"
    apart: object = dlt.config.get(f"{name}.database")
    whole: object = dlt.config.get(name)
    return None if apart else whole or FILE


def fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def expected(error: BaseException) -> bool:
    """Whether this is what a destination or a disk may raise; most drivers are extras."""
    return isinstance(error, DestinationException | OSError | duckdb.Error) or type(error).__module__.startswith(
        DRIVERS
    )


@contextmanager
def destination_errors(warehouse: Warehouse) -> Iterator[None]:
    """Give the destination's errors in words that say what to do."""
    try:
        yield
    except Exception as error:
        if (explained := explain(error, warehouse)) is error:
            raise
        raise explained from error


def explain(error: BaseException, warehouse: Warehouse) -> BaseException:
    """What the destination or the disk means by an error; any other error is returned as it is."""
    causes = [*chain(error)]
    if any(isinstance(cause, RunError) for cause in causes) or not any(map(expected, causes)):
        return error
    text = " ".join(map(str, causes))
    where = f"{warehouse.name} at {warehouse.place}"
    if "No space left" in text or "disk full" in text.lower():
        return DestinationError(
            f"{where}: no space left on the device (working files are in {warehouse.workspace}); "
            "nothing is lost: free some space and run again"
        )
    if "Could not set lock" in text:
        return DestinationError(f"{where}: another program has the file open; close it and run again")
    last = without_passwords(str(causes[-1]), warehouse.credentials).strip().splitlines()
    return DestinationError(f"{where}: {last[0] if last else type(error).__name__}")


def without_passwords(text: str, credentials: Any) -> str:  # noqa: ANN401 - each destination has a class of its own
    """What a driver says, which may name all that it was given to connect with."""
    for one in (credentials, getattr(credentials, "catalog", None)):
        if password := getattr(one, "password", None):
            text = text.replace(password, "***").replace(quote(password, safe=""), "***")
    return text


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what caused it, outermost first."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@dataclass
class Tables:
    """The raw tables, read and marked in SQL."""

    client: SqlClientBase[Any]

    def name(self, table: str) -> str:
        return self.client.make_qualified_table_name(table)

    def column(self, name: str) -> str:
        return self.client.escape_column_name(name)

    @property
    def dialect(self) -> Dialect:
        own: Dialect | None = getattr(self.client, "dialect", None)
        return own or DIALECTS[str(self.client.capabilities.sqlglot_dialect)]

    def literal(self, value: str) -> str:
        """A text in SQL. What it has of per cent signs would be taken for places of parameters."""
        escape = self.client.capabilities.escape_literal
        return " || chr(37) || ".join(str(escape(part)) for part in value.split("%"))

    def literals(self, values: Iterable[str]) -> str:
        return ", ".join(map(self.literal, values))

    def text(self, expression: str) -> str:
        """Any value as the text that it is written as."""
        return f"CAST({expression} AS {self.dialect.text})"

    def start_of(self, unit: str, time: str) -> str:
        """When the UTC hour or day of a time began."""
        return self.dialect.start_of.format(unit=unit, time=time)

    def rows(self, statement: str, *parameters: object) -> list[Sequence[Any]]:
        """The answer's rows; none where a table does not exist yet."""
        try:
            with self.client.execute_query(statement, *parameters) as cursor:
                return [*cursor.fetchall()]
        except DatabaseUndefinedRelation:
            return []

    def count(self, table: str, condition: str) -> int:
        return int(next(iter(self.rows(f"SELECT count(*) FROM {self.name(table)} WHERE {condition}")), (0,))[0])  # noqa: S608 - names are ours

    def exists(self, table: str) -> bool:
        return bool(self.rows(f"SELECT count(*) FROM {self.name(table)}"))  # noqa: S608 - names are ours

    def batches(self, statement: str, *parameters: object) -> Iterator[list[Sequence[Any]]]:
        """The answer's rows, so many at a time that they take little memory."""
        with suppress(DatabaseUndefinedRelation), self.client.execute_query(statement, *parameters) as cursor:
            while rows := cursor.fetchmany(BATCH):
                yield [*rows]

    def execute(self, statement: str, *parameters: object) -> None:
        self.client.execute_sql(statement, *parameters)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is executed within happens whole or not at all."""
        with self.client.begin_transaction():
            yield

    def index(self, table: str, column: str, *, using: str = "btree", sparse: bool = False) -> None:
        """Make an index unless it is there, where there are any; a sparse one leaves out rows that have no value."""
        if not self.dialect.indexes:
            return
        name, of = self.column(f"{table}_by_{column}"), self.column(column)
        only = f" WHERE {of} IS NOT NULL" if sparse else ""
        self.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {self.name(table)} USING {using} ({of}){only}")


def utc(value: Any) -> Any:  # noqa: ANN401 - instants among other values
    """In the zone of all our times, whichever a session reads in."""
    return value.astimezone(UTC) if isinstance(value, datetime) else value
