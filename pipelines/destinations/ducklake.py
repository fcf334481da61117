"""DuckLake: tables that are Parquet files in a folder or a bucket, and a database that is their catalog."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from dlt.common.configuration import configspec
from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.normalizers.naming import NamingConvention
from dlt.common.schema.typing import TColumnSchema
from dlt.destinations import ducklake
from dlt.destinations.impl.ducklake.configuration import DuckLakeClientConfiguration, DuckLakeCredentials
from dlt.destinations.impl.ducklake.ducklake import DuckLakeClient

from pipelines.destinations.duckdb import CONFIG, DirectClient, one_file_at_a_time
from pipelines.destinations.settled import Settled
from pipelines.errors import ConfigurationError

IN_FILES: Final = ("duckdb", "sqlite")
"""Catalogs that are files."""


@configspec(init=False)
class LakeCredentials(DuckLakeCredentials):
    """dlt's, which can be told without a secret, and to dbt."""

    def on_resolved(self) -> None:
        super().on_resolved()
        self.global_config = CONFIG | (self.global_config or {})

    def __str__(self) -> str:
        """Where the catalog is, without a password."""
        return str(self.file) if self.file else self.catalog_location()

    @property
    def file(self) -> Path | None:
        """The catalog's file, where it is one."""
        return Path(str(self.catalog.database)).resolve() if self.catalog.drivername in IN_FILES else None

    @property
    def attached(self) -> str:
        """The catalog as DuckDB attaches it, a password included."""
        if self.file:
            return f"ducklake:sqlite:{self.file}" if self.catalog.drivername == "sqlite" else f"ducklake:{self.file}"
        return f"ducklake:postgres:{self.catalog.to_url().set(drivername='postgres').render_as_string(hide_password=False)}"

    @property
    def options(self) -> str:
        """With what dbt attaches it. Raises ConfigurationError where that would take a bucket's keys."""
        if not self.storage.is_local_filesystem:
            raise ConfigurationError(
                "models cannot be built on a lake in a bucket: dbt is not given its keys; run with --no-transform"
            )
        schema = {} if self.file else {"metadata_schema": self.metadata_schema or self.ducklake_name}
        return str({"data_path": self.storage_url, **schema})

    @property
    def session(self) -> str:
        """What a connection of DuckDB is configured with, besides what is for loads."""
        return str({name: value for name, value in (self.global_config or {}).items() if CONFIG.get(name) != value})


@configspec
class LakeConfiguration(DuckLakeClientConfiguration):
    """dlt's, with our credentials."""

    credentials: LakeCredentials = None  # type: ignore[assignment]  # as dlt declares what is resolved later


class LakeClient(DirectClient, DuckLakeClient):
    """Merges files straight into tables that are kept by months."""

    def _get_table_update_sql(
        self,
        table_name: str,
        new_columns: Sequence[TColumnSchema],
        generate_alter: bool,  # noqa: FBT001 - dlt's signature
    ) -> list[str]:
        # dlt would make a file for each moment.
        whole: list[Any] = [{**column, "partition": False} for column in new_columns]
        statements: list[str] = super()._get_table_update_sql(table_name, whole, generate_alter)
        for column in new_columns:
            if column.get("partition") and not generate_alter:
                table = self.sql_client.make_qualified_table_name(table_name)
                at = self.sql_client.escape_column_name(str(column["name"]))
                statements.append(f"ALTER TABLE {table} SET PARTITIONED BY (year({at}), month({at}))")
        return statements


class DirectDucklake(Settled, ducklake):
    """dlt's DuckLake, configured as that, with direct upserts."""

    @property
    def spec(self) -> type[DuckLakeClientConfiguration]:
        return LakeConfiguration

    @property
    def client_class(self) -> type[DuckLakeClient]:
        return LakeClient

    @classmethod
    def adjust_capabilities(
        cls,
        caps: DestinationCapabilitiesContext,
        config: DuckLakeClientConfiguration,
        naming: NamingConvention | None,
    ) -> DestinationCapabilitiesContext:
        return one_file_at_a_time(super().adjust_capabilities(caps, config, naming))


DESTINATION = DirectDucklake
