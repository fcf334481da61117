"""Delta tables in a folder or a bucket, read and changed in the SQL of DuckDB.

A connection is a DuckDB in memory that shows the tables as views. A table that a statement changes is copied into it first; as the
transaction ends, what has become different is written, as one commit of Delta's for each table, in the order in which they were first changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Final, NamedTuple
from uuid import uuid4

import deltalake
import duckdb
import pyarrow as pa
from deltalake.exceptions import DeltaError, TableNotFoundError
from deltalake.fs import DeltaStorageHandler
from dlt.common.configuration import configspec
from dlt.common.configuration.exceptions import ConfigFieldMissingException
from dlt.common.configuration.specs.mixins import WithObjectStoreRsCredentials
from dlt.common.destination import Destination, DestinationCapabilitiesContext
from dlt.common.destination.client import DestinationClientDwhWithStagingConfiguration
from dlt.common.libs.deltalake import evolve_delta_table_schema
from dlt.common.schema import Schema
from dlt.common.storages import WithLocalFiles
from dlt.common.storages.configuration import FilesystemConfigurationWithLocalFiles
from dlt.destinations.exceptions import DatabaseTerminalException, DatabaseTransientException
from dlt.destinations.impl.duckdb.configuration import DuckDbBaseCredentials, DuckDbConnectionPool
from dlt.destinations.impl.duckdb.factory import _set_duckdb_raw_capabilities
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient
from dlt.destinations.insert_job_client import InsertValuesJobClient
from dlt.destinations.typing import DBTransaction
from pyarrow.fs import FileSelector, FileType, PyFileSystem

from pipelines.destinations.dialects import DIALECTS
from pipelines.destinations.duckdb import CONFIG, DirectClient, UpsertJob, one_file_at_a_time
from pipelines.destinations.settled import Settled
from sources.klaviyo.merging import history

FOLDER: Final = "klaviyo_etl.delta"

NAME: Final = r'(?:"(?:[^"]|"")+"|\w+)'
CHANGING: Final = re.compile(
    rf"\s*(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM|MERGE\s+INTO|(?:ALTER|CREATE|DROP|TRUNCATE)\s+TABLE)\s+"
    rf"(?:IF\s+(?:NOT\s+)?EXISTS\s+)?(?:(?P<dataset>{NAME})\.)?(?P<table>{NAME})",
    re.IGNORECASE,
)
"""What changes a table, and its name."""
GONE: Final = "_gone"
BATCH: Final = 10_000
RETENTION: Final = {
    "delta.logRetentionDuration": "interval 30 days",
    "delta.deletedFileRetentionDuration": "interval 7 days",
}
"""Delta's own defaults."""
WORD: Final = re.compile(r"\w+")


# --- where the tables are --------------------------------------------------------------------------------------------


@configspec(init=False)
class DeltaCredentials(DuckDbBaseCredentials):
    """A folder or a bucket."""

    storage: FilesystemConfigurationWithLocalFiles = None  # type: ignore[assignment]  # as dlt declares what is resolved later

    def _conn_str(self) -> str:
        return ":memory:"

    def on_partial(self) -> None:
        """Take a folder where the command runs, without a setting."""
        if isinstance(self.__exception__, ConfigFieldMissingException) and not self.storage:
            self.storage = FilesystemConfigurationWithLocalFiles(bucket_url=FOLDER, local_dir=".").resolve()
        if not self.is_partial():
            self.resolve()

    def on_resolved(self) -> None:
        self.global_config = CONFIG | (self.global_config or {})
        # Each connection is a database of its own.
        self.conn_pool = DuckDbConnectionPool(self, always_open_connection=True)

    def __str__(self) -> str:
        return self.url

    @property
    def url(self) -> str:
        """Where all datasets are, without a secret."""
        storage = self.storage
        return str(storage.make_local_path(storage.bucket_url) if storage.is_local_filesystem else storage.bucket_url)

    @property
    def options(self) -> dict[str, str]:
        """What Delta's library is told to get there."""
        credentials = self.storage.credentials
        return (
            credentials.to_object_store_rs_credentials()
            if isinstance(credentials, WithObjectStoreRsCredentials)
            else {}
        )


@configspec
class DeltaConfiguration(WithLocalFiles, DestinationClientDwhWithStagingConfiguration):
    destination_type: str = field(default="delta", init=False, repr=False, compare=False)
    credentials: DeltaCredentials = None  # type: ignore[assignment]  # as dlt declares what is resolved later
    create_indexes: bool = False

    def on_resolved(self) -> None:
        storage = self.credentials.storage
        storage.attach_from(self)
        if storage.is_resolved():
            storage.normalize_bucket_url()
        else:
            storage.resolve()

    def data_location(self) -> str:
        return self.credentials.url


class Place(NamedTuple):
    """Of a table."""

    dataset: str
    table: str


@dataclass(frozen=True)
class Lake:
    """All tables, as files."""

    url: str
    options: dict[str, str]

    def tables(self, dataset: str) -> set[Place]:
        try:
            there = self.files(dataset).get_file_info(FileSelector("", allow_not_found=True))
        except TableNotFoundError:
            return set()  # a folder that is not there yet
        return {Place(dataset, one.base_name) for one in there if one.type is FileType.Directory}

    def files(self, dataset: str) -> PyFileSystem:
        return PyFileSystem(DeltaStorageHandler(f"{self.url}/{dataset}", self.options))

    def open(self, place: Place) -> deltalake.DeltaTable:
        return deltalake.DeltaTable(self.path(place), storage_options=self.options)

    def create(self, place: Place, shape: pa.Schema) -> None:
        deltalake.DeltaTable.create(self.path(place), schema=shape, storage_options=self.options)

    def drop(self, place: Place) -> None:
        self.files(place.dataset).delete_dir(place.table)

    def path(self, place: Place) -> str:
        return f"{self.url}/{place.dataset}/{place.table}"


# --- how they are read and changed -----------------------------------------------------------------------------------


class DeltaSqlClient(DuckDbSqlClient):
    """Tables are seen as they were when a connection first named them, and as it has changed them since."""

    dialect: Final = replace(DIALECTS["duckdb"], stored_as="VIEW")

    def __init__(
        self,
        dataset_name: str,
        staging_dataset_name: str,
        credentials: DeltaCredentials,
        capabilities: DestinationCapabilitiesContext,
        schema: Schema,
    ) -> None:
        super().__init__(dataset_name, staging_dataset_name, credentials, capabilities)
        self.storage = credentials.storage
        self.lake = Lake(credentials.url, credentials.options)
        self.datasets = (dataset_name, staging_dataset_name)
        self.schema = schema
        self.there: set[Place] = set()
        self.seen: set[Place] = set()
        self.changed: dict[Place, None] = {}
        self.in_transaction = False

    def open_connection(self) -> duckdb.DuckDBPyConnection:
        # Of its own: databases that share a folder take each other's files for theirs.
        self._global_config["temp_directory"] = str(Path(gettempdir()) / f"klaviyo-etl-{uuid4().hex}")
        super().open_connection()
        for name in map(self.escape_column_name, self.datasets):
            self._conn.execute(f"CREATE SCHEMA {name}")
        self._conn.execute(f"SET search_path = '{self.fully_qualified_dataset_name()}'")
        if not self.storage.is_local_filesystem:
            self.create_secret(self.storage.bucket_url, self.storage.credentials)
        self.there = {place for dataset in self.datasets for place in self.lake.tables(dataset)}
        self.forget()
        return self._conn

    def has_dataset(self) -> bool:
        return any(place.dataset == self.dataset_name for place in self.there)

    def create_dataset(self) -> None:
        """A dataset is there as soon as it has a table."""

    @contextmanager
    def execute_query(self, query: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:  # noqa: ANN401 - dlt's signature
        found = CHANGING.match(query)
        if found and not self.in_transaction:
            with self.begin_transaction(), self.execute_query(query, *args, **kwargs) as cursor:
                yield cursor
            return
        for place in self.named(query) - self.seen:
            self.show(place)
        if found:
            self.copy(Place((found["dataset"] or self.dataset_name).strip('"'), found["table"].strip('"')))
        with super().execute_query(query, *args, **kwargs) as cursor:
            yield cursor

    @contextmanager
    def begin_transaction(self) -> Iterator[DBTransaction]:
        self.in_transaction = True
        try:
            with super().begin_transaction():
                yield self
        finally:
            self.in_transaction = False

    def commit_transaction(self) -> None:
        try:
            for place in self.changed:
                self.write(place)
            self.changed.clear()
        except DeltaError as error:
            raise DatabaseTransientException(error) from error
        super().commit_transaction()

    def rollback_transaction(self) -> None:
        self.forget()
        super().rollback_transaction()

    def forget(self) -> None:
        self.seen, self.changed = set(), {}

    def named(self, query: str) -> set[Place]:
        """The tables that a statement may be about."""
        if "INFORMATION_SCHEMA" in query.upper():
            return {*self.there}
        words = {*WORD.findall(query)}
        return {place for place in self.there if place.table in words}

    def name(self, place: Place) -> str:
        return f"{self.escape_column_name(place.dataset)}.{self.escape_column_name(place.table)}"

    def show(self, place: Place) -> None:
        """Let a table be read."""
        try:
            files = self.lake.open(place)
        except TableNotFoundError:
            return  # a folder without a table in it
        self.show_files(place, files)
        self._conn.execute(f"CREATE OR REPLACE VIEW {self.name(place)} AS SELECT * FROM {files_of(place)}")  # noqa: S608 - names are escaped
        self.seen.add(place)

    def show_files(self, place: Place, files: deltalake.DeltaTable) -> None:
        """What a table's files hold, by a name that no table has."""
        if special := {*(files.protocol().reader_features or ())} | {*files.metadata().partition_columns}:
            raise DatabaseTerminalException(
                ValueError(f"{place.table} was changed by another program: {', '.join(sorted(special))}")
            )
        view, shape = files_of(place), f"shape of {place.dataset} {place.table}"
        # DuckDB cannot filter an Arrow table by all that it joins it with.
        self._conn.register("shape", pa.schema(files.schema().to_arrow()).empty_table())
        self._conn.execute(f'CREATE OR REPLACE TEMP TABLE "{shape}" AS FROM shape')
        held = [f'FROM "{shape}"']
        if uris := files.file_uris():
            listed = ", ".join(map(self.capabilities.escape_literal, uris))
            held.append(f"FROM read_parquet([{listed}], union_by_name => true)")
        self._conn.execute(f"CREATE OR REPLACE TEMP VIEW {view} AS {' UNION ALL BY NAME '.join(held)}")

    def copy(self, place: Place) -> None:
        """Let a table be changed."""
        if place in self.seen and place not in self.changed:
            self._conn.execute(f"DROP VIEW {self.name(place)}")
            self._conn.execute(f"CREATE TABLE {self.name(place)} AS SELECT * FROM {files_of(place)}")  # noqa: S608 - names are escaped
        self.changed[place] = None

    def write(self, place: Place) -> None:
        """Bring the files to what the copy holds."""
        shape = self.shape(place)
        if shape is None:
            if place in self.there:
                self.lake.drop(place)
            self.there.discard(place)
            self.seen.discard(place)
            return
        if place not in self.seen:
            self.lake.create(place, shape)
            self.there.add(place)
        self.write_difference(place, shape)
        self._conn.execute(f"DROP TABLE {self.name(place)}")
        self.show(place)

    def shape(self, place: Place) -> pa.Schema | None:
        """The columns of a copy, unless it was dropped."""
        try:
            return self.rows(f"SELECT * FROM {self.name(place)} LIMIT 0").schema  # noqa: S608 - names are escaped
        except duckdb.CatalogException:
            return None

    def write_difference(self, place: Place, shape: pa.Schema) -> None:
        """Add rows that are new. Where others are gone or changed they are told apart by their key; without one, all are written anew."""
        files = self.lake.open(place)
        evolve_delta_table_schema(files, shape)
        self.show_files(place, files)
        names = [*map(self.escape_column_name, shape.names)]
        now, before, keys = self.name(place), files_of(place), self.keys(place)
        if keys:
            # Rows are compared by 64 bits of all that they hold: whole ones would not fit into memory.
            said = f"SELECT {', '.join(keys)}, hash({', '.join(names)}) AS said FROM {before}"  # noqa: S608 - names are escaped
            new = f"{now} n ANTI JOIN ({said}) b ON {same('n', 'b', keys)} AND b.said = hash({of('n', names)})"
            old = f"{before} ANTI JOIN {now} USING ({', '.join(keys)})"
        else:
            new, old = (
                f"(SELECT {', '.join(names)} FROM {one} EXCEPT ALL SELECT {', '.join(names)} FROM {other})"  # noqa: S608 - as above
                for one, other in ((now, before), (before, now))
            )
        for name, rows in (("arrived", new), ("gone", old)):
            self._conn.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT {', '.join(names)} FROM {rows}")  # noqa: S608 - as above
        if keys and (self.any("gone") or self.any(f"arrived SEMI JOIN {before} USING ({', '.join(keys)})")):
            rows = f"SELECT *, false AS {GONE} FROM arrived UNION ALL SELECT *, true FROM gone"  # noqa: S608 - as above
            merge(files, self.rows(rows), keys, {name: f"s.{name}" for name in names})
        elif self.any("gone"):
            deltalake.write_deltalake(files, self.rows(f"SELECT {', '.join(names)} FROM {now}"), mode="overwrite")  # noqa: S608 - as above
        elif self.any("arrived"):
            deltalake.write_deltalake(files, self.rows("FROM arrived"), mode="append")

    def upsert(self, place: Place, file: str) -> None:
        """Merge a Parquet file, without a copy of the table. Of rows that are there, what is kept of history is."""
        self.show(place)
        name, keys, path = self.name(place), self.keys(place), self.capabilities.escape_literal(file)
        # The file may lack columns of the table.
        rows = f"(SELECT * FROM {name} WHERE false UNION ALL BY NAME SELECT * FROM read_parquet({path}))"  # noqa: S608 - names are escaped
        files = self.lake.open(place)
        if self.any(f"{rows} SEMI JOIN {name} USING ({', '.join(keys)})"):
            columns = [self.escape_column_name(one.name) for one in files.schema().fields]
            values = {column: f"s.{column}" for column in columns} | history(columns)
            merge(files, self.rows(f"SELECT *, false AS {GONE} FROM {rows}"), keys, values)  # noqa: S608 - as above
        else:
            deltalake.write_deltalake(files, self.rows(f"FROM {rows}"), mode="append")

    def clean(self) -> None:
        """Leave nothing of what tables held before: files, and the log that tells what was in them."""
        for place in sorted(self.there):
            files = self.lake.open(place)
            files.alter.set_table_properties(dict.fromkeys(RETENTION, "interval 0 seconds"))
            files.vacuum(0, dry_run=False, enforce_retention_duration=False, full=True)
            files.create_checkpoint()
            files.cleanup_metadata()
            files.alter.set_table_properties(RETENTION)

    def keys(self, place: Place) -> list[str]:
        known = self.schema.tables.get(place.table) if place.dataset == self.datasets[0] else None
        columns = known["columns"] if known else {}
        return [self.escape_column_name(name) for name, column in columns.items() if column.get("primary_key")]

    def rows(self, query: str) -> pa.RecordBatchReader:
        return self._conn.execute(query).to_arrow_reader(BATCH)

    def any(self, name: str) -> bool:
        return bool(self._conn.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchall())  # noqa: S608 - names are ours


def files_of(place: Place) -> str:
    """What is read of a table's files, by a name that no table has."""
    return f'"files of {place.dataset} {place.table}"'


def of(table: str, columns: Sequence[str]) -> str:
    return ", ".join(f"{table}.{column}" for column in columns)


def same(one: str, other: str, keys: Sequence[str]) -> str:
    return " AND ".join(f"{one}.{key} = {other}.{key}" for key in keys)


def merge(
    files: deltalake.DeltaTable, rows: pa.RecordBatchReader, keys: Sequence[str], values: Mapping[str, str]
) -> None:
    """Merge rows on a key, and drop those that are said to be gone, in one commit."""
    (
        files.merge(rows, same("d", "s", keys), "s", "d", streamed_exec=False)
        .when_matched_delete(f"s.{GONE}")
        .when_matched_update({**values})
        .when_not_matched_insert({column: f"s.{column}" for column in values})
        .execute()
    )


class MergeJob(UpsertJob):
    def run(self) -> None:
        client: Any = self._job_client.sql_client
        client.upsert(Place(client.dataset_name, self.load_table_name), self._file_path)


class DeltaClient(DirectClient):
    """Loads as into DuckDB, but for how rows are merged."""

    upsert_job = MergeJob

    def __init__(
        self, schema: Schema, config: DeltaConfiguration, capabilities: DestinationCapabilitiesContext
    ) -> None:
        dataset, staging = InsertValuesJobClient.create_dataset_names(schema, config)
        client = DeltaSqlClient(dataset, staging, config.credentials, capabilities, schema)
        InsertValuesJobClient.__init__(self, schema, config, client)
        self.config = config  # type: ignore[assignment]  # which has all that is asked of it
        self.sql_client = client
        self.active_hints = {}
        self.type_mapper = self.capabilities.get_type_mapper()


class Delta(Settled, Destination[DeltaConfiguration, DeltaClient]):
    """Of dlt's, nearest to its DuckDB."""

    spec = DeltaConfiguration

    def __init__(self, credentials: DeltaCredentials | None = None, **more: Any) -> None:  # noqa: ANN401 - dlt's signature
        super().__init__(credentials=credentials, **more)

    def _raw_capabilities(self) -> DestinationCapabilitiesContext:
        capabilities = one_file_at_a_time(_set_duckdb_raw_capabilities(DestinationCapabilitiesContext()))
        capabilities.supports_multiple_statements = False
        return capabilities

    @property
    def client_class(self) -> type[DeltaClient]:
        return DeltaClient


DESTINATION = Delta
