"""Snowflake, to which Parquet files are sent.

JSON is kept as text, to the letter: a VARIANT forgets the order of keys and the digits of long numbers, and would hold a string, as it
comes in Parquet.
"""

from __future__ import annotations

from dlt.common.data_writers.escape import escape_snowflake_literal
from dlt.common.destination import DestinationCapabilitiesContext
from dlt.destinations import snowflake
from dlt.destinations.impl.snowflake.factory import SnowflakeTypeMapper
from dlt.destinations.impl.snowflake.snowflake import SnowflakeClient

from pipelines.destinations.settled import Settled


class JsonAsText(SnowflakeTypeMapper):
    sct_to_unbound_dbt = SnowflakeTypeMapper.sct_to_unbound_dbt | {"json": "VARCHAR"}


class ClusteringClient(SnowflakeClient):
    """Clusters a table as it is made, by day and then by what its rows are told apart by; dlt knows of no days."""

    def _add_cluster_sql(
        self,
        sql: list[str],
        table_name: str,
        generate_alter: bool,  # noqa: FBT001 - dlt's signature
    ) -> list[str]:
        columns = self.schema.get_table_columns(table_name).values()
        name = self.sql_client.escape_column_name
        by = [
            *(f"TO_DATE({name(str(one['name']))})" for one in columns if one.get("partition")),
            *(name(str(one["name"])) for one in columns if one.get("cluster")),
        ]
        if by and not generate_alter:
            sql[0] += f"CLUSTER BY ({', '.join(by)})"
        return sql


class ParquetSnowflake(Settled, snowflake):
    """dlt's Snowflake, configured as that."""

    def _raw_capabilities(self) -> DestinationCapabilitiesContext:
        capabilities = super()._raw_capabilities()
        capabilities.preferred_loader_file_format = "parquet"
        capabilities.type_mapper = JsonAsText
        capabilities.escape_literal = escape_snowflake_literal
        return capabilities

    @property
    def client_class(self) -> type[SnowflakeClient]:
        return ClusteringClient


DESTINATION = ParquetSnowflake
