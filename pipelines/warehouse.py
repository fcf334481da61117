"""The user's warehouse: which one, how dlt loads it, and what may be asked of it in SQL."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final

import dlt
import duckdb
from dlt.common.configuration.exceptions import ConfigurationException
from dlt.common.destination.exceptions import DestinationException
from dlt.common.pipeline import get_dlt_pipelines_dir
from dlt.common.typing import TLoaderFileFormat
from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials
from dlt.destinations.impl.postgres.factory import PostgresTypeMapper
from dlt.destinations.sql_client import SqlClientBase

from pipelines.direct import direct_duckdb
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


BATCH: Final = 100_000
"""Rows of an answer that are looked at together."""

DUCKDB_CONFIG: Final = {
    # DuckDB would fill most of the machine's memory with pages of the file; merging a package needs this much.
    "memory_limit": "256MB",
    "preserve_insertion_order": False,
    # A second thread spins while it waits: a load takes a quarter more CPU with it, and is no sooner done on two cores.
    "threads": 1,
}


class ByteFaithfulJson(PostgresTypeMapper):
    """`json`, not `jsonb`: what Klaviyo sent is kept to the letter, order, repeated keys and digits included."""

    sct_to_unbound_dbt = PostgresTypeMapper.sct_to_unbound_dbt | {"json": "json"}
    dbt_to_sct = PostgresTypeMapper.dbt_to_sct | {"json": "json"}


@dataclass(frozen=True)
class Kind:
    """What is particular about one kind of destination."""

    file_format: TLoaderFileFormat
    indexes: bool = False
    """Whether finding rows by time takes an index; by key, dlt makes one where there are any."""
    options: tuple[tuple[str, Any], ...] = ()
    matches: str = "regexp_matches({text}, %s, 'i')"
    """Whether a text holds what a regular expression describes, in whatever case."""


KINDS: Final = {
    "duckdb": Kind("parquet"),
    "postgres": Kind("parquet", indexes=True, options=(("type_mapper", ByteFaithfulJson),), matches="{text} ~* %s"),
}


@dataclass(frozen=True)
class Warehouse:
    """One dataset in one destination, and the working folder in which its loads are prepared."""

    name: str
    dataset: str = field(default_factory=dataset)
    file: Path | None = None
    """A DuckDB file in place of the configured one."""

    def __post_init__(self) -> None:
        if self.name not in KINDS:
            raise ConfigurationError(f"no destination named {self.name!r}; there are: {', '.join(KINDS)}")
        for name, value in DLT_SETTINGS.items():
            dlt.config[name] = value

    @property
    def kind(self) -> Kind:
        return KINDS[self.name]

    @cached_property
    def destination(self) -> Any:  # noqa: ANN401 - dlt's factory type is not exported
        if self.name == "duckdb":
            return partial(direct_duckdb, destination_name=self.name)
        if self.name == "postgres":
            copy_empty_files()
        return getattr(dlt.destinations, self.name)

    @cached_property
    def credentials(self) -> Any:  # noqa: ANN401 - each destination has a class of its own
        """Resolved credentials. Raises ConfigurationError naming what is missing."""
        if self.file:
            return DuckDbCredentials(str(self.file))
        probe = dlt.pipeline(PIPELINE, destination=self.destination(), dataset_name=self.dataset)
        try:
            credentials: Any = probe.destination_client().config.credentials
        except ConfigurationException as error:
            raise ConfigurationError(
                f"destination {self.name}: {str(error).splitlines()[0]}; set DESTINATION__{self.name.upper()}__CREDENTIALS"
            ) from None
        if self.name == "duckdb":
            self.refuse_ambiguous_file(Path(credentials._conn_str()))  # noqa: SLF001 - the only way to the resolved path
            credentials.global_config = DUCKDB_CONFIG | (credentials.global_config or {})
        return credentials

    def refuse_ambiguous_file(self, path: Path) -> None:
        """DuckDB calls a database by its file's name, and then cannot tell it from a schema of that name."""
        schemas = {self.dataset, *(f"{self.dataset}_{layer}" for layer in ("staging", "stg", "marts", "fivetran"))}
        if path.stem.lower() in schemas:
            raise ConfigurationError(
                f"destination duckdb: a file named {path.name} clashes with the schema {path.stem.lower()} inside it; "
                "name it otherwise, such as warehouse.duckdb"
            )

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
        return hashlib.sha256(f"{self.name} {self.place} {self.dataset}".encode()).hexdigest()[:16]

    @property
    def workspace(self) -> Path:
        """Where loads are prepared; nothing in it outlives a run."""
        return Path(get_dlt_pipelines_dir()) / PIPELINE / self.identity

    def pipeline(self) -> dlt.Pipeline:
        """A pipeline that knows what the destination knows, and nothing else.

        The destination holds the truth about what has been loaded. What a killed run left on this disk is dropped:
        it was never committed, and is read again.
        """
        return self.synced(self.workspace)

    def onlooker(self) -> dlt.Pipeline:
        """A pipeline to look with, beside a run that may be under way."""
        return self.synced(self.workspace.with_suffix(".look"))

    def synced(self, workspace: Path) -> dlt.Pipeline:
        shutil.rmtree(workspace, ignore_errors=True)
        pipeline = dlt.pipeline(
            PIPELINE,
            destination=self.destination(self.credentials, **dict(self.kind.options)),
            dataset_name=self.dataset,
            pipelines_dir=str(workspace),
        )
        with destination_errors(self):
            pipeline.sync_destination()
        return pipeline


def copy_empty_files() -> None:
    """Let dlt copy Parquet files without rows, as empty tables have: in one piece, which is its way, that fails."""
    try:
        from dlt.destinations.impl.postgres.postgres import PostgresParquetCopyJob  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigurationError("destination postgres is an extra: pip install 'klaviyo-etl[postgres]'") from None
    PostgresParquetCopyJob._ingest_per_rowgroup = True  # noqa: SLF001 - the switch that dlt sets for SQL Server


def expected(error: BaseException) -> bool:
    """Whether this is what a destination or a disk may raise; PostgreSQL's driver is an extra."""
    return isinstance(error, DestinationException | OSError | duckdb.Error) or "psycopg2" in type(error).__module__


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
    last = str(causes[-1]).strip().splitlines()
    return DestinationError(f"{where}: {last[0] if last else type(error).__name__}")


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
        """Make an index unless it is there; a sparse one leaves out rows that have no value."""
        name, of = self.column(f"{table}_by_{column}"), self.column(column)
        only = f" WHERE {of} IS NOT NULL" if sparse else ""
        self.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {self.name(table)} USING {using} ({of}){only}")
