"""DuckDB with upserts straight from the files of a load package.

dlt copies the rows of a package into a staging table, and merges them from there into theirs. DuckDB reads Parquet files as
well as tables: without the copy a load takes a third less CPU, and half as many tables are made and kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.destination.client import FollowupJobRequest, LoadJob
from dlt.common.destination.typing import PreparedTableSchema
from dlt.destinations import duckdb
from dlt.destinations.impl.duckdb.duck import DuckDbClient, DuckDbCopyJob
from dlt.destinations.sql_jobs import SqlMergeFollowupJob

from pipelines.destinations.settled import Settled

CONFIG: Final[dict[str, Any]] = {
    # DuckDB would fill most of the machine's memory with pages of the file; merging a package needs this much.
    "memory_limit": "256MB",
    "preserve_insertion_order": False,
    # A second thread spins while it waits: a load takes a quarter more CPU with it, and is no sooner done on two cores.
    "threads": 1,
}


class UpsertJob(DuckDbCopyJob):
    """Merges one file into its table."""

    def __init__(self, file_path: str, table: PreparedTableSchema) -> None:
        super().__init__(file_path)
        self.table = table

    def run(self) -> None:
        client = self._job_client.sql_client
        table = client.make_qualified_table_name(self.load_table_name)
        file = client.capabilities.escape_literal(self._file_path)
        # The file may lack columns of the table.
        rows = f"(SELECT * FROM {table} WHERE false UNION ALL BY NAME SELECT * FROM read_parquet({file}))"  # noqa: S608 - names are escaped
        columns = {client.escape_column_name(name): column for name, column in self.table["columns"].items()}
        keys = [name for name, column in columns.items() if column.get("primary_key")]
        client.execute_many(SqlMergeFollowupJob.gen_upsert_merge_sql(table, rows, keys, [*columns], None, None))


class DirectClient(DuckDbClient):
    """Loads what is to be upserted from its files, and all else as dlt does."""

    upsert_job: ClassVar = UpsertJob

    def should_load_data_to_staging_dataset(self, table_name: str) -> bool:
        staged: bool = super().should_load_data_to_staging_dataset(table_name)
        return staged and not is_upserted(self.prepare_load_table(table_name))

    def create_load_job(
        self,
        table: PreparedTableSchema,
        file_path: str,
        load_id: str,
        restore: bool = False,  # noqa: FBT001, FBT002 - dlt's signature
    ) -> LoadJob:
        job = super().create_load_job(table, file_path, load_id, restore)
        return self.upsert_job(file_path, table) if isinstance(job, DuckDbCopyJob) and is_upserted(table) else job

    def _create_merge_followup_jobs(self, table_chain: Sequence[PreparedTableSchema]) -> list[FollowupJobRequest]:
        return [] if is_upserted(table_chain[0]) else super()._create_merge_followup_jobs(table_chain)


def is_upserted(table: PreparedTableSchema) -> bool:
    return table["write_disposition"] == "merge" and table.get("x-merge-strategy") == "upsert"


def one_file_at_a_time(capabilities: DestinationCapabilitiesContext) -> DestinationCapabilitiesContext:
    """Rows are merged from Parquet files; two of one table may hold the same key."""
    capabilities.preferred_loader_file_format = "parquet"
    if capabilities.loader_parallelism_strategy != "sequential":
        capabilities.loader_parallelism_strategy = "table-sequential"
    return capabilities


class DirectDuckdb(Settled, duckdb):
    """dlt's DuckDB, configured as that, with direct upserts."""

    def _raw_capabilities(self) -> DestinationCapabilitiesContext:
        return one_file_at_a_time(super()._raw_capabilities())

    @property
    def client_class(self) -> type[DuckDbClient]:
        return DirectClient


DESTINATION = DirectDuckdb
