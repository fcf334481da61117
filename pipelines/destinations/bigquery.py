"""BigQuery, to which Parquet files are sent.

Its own JSON type takes no Parquet, rounds or refuses long numbers and drops repeated keys: JSON is kept as text, to the letter, which
all its functions for JSON take as well.
"""

from __future__ import annotations

from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.destination.typing import PreparedTableSchema
from dlt.common.schema.typing import TColumnSchema
from dlt.common.typing import TLoaderFileFormat
from dlt.destinations import bigquery
from dlt.destinations.impl.bigquery.bigquery import BigQueryClient
from dlt.destinations.impl.bigquery.bigquery_adapter import CLUSTER_COLUMNS_HINT
from dlt.destinations.impl.bigquery.factory import BigQueryTypeMapper

from pipelines.destinations.settled import Settled


class JsonAsText(BigQueryTypeMapper):
    sct_to_unbound_dbt = BigQueryTypeMapper.sct_to_unbound_dbt | {"json": "STRING"}

    def ensure_supported_type(
        self, column: TColumnSchema, table: PreparedTableSchema, loader_file_format: TLoaderFileFormat
    ) -> None:
        """Take all that dlt's own mapper refuses: JSON in Parquet."""


class ClusteringClient(BigQueryClient):
    """Says of a table by which columns it is clustered; dlt calls saying so of the columns outdated."""

    def prepare_load_table(self, table_name: str) -> PreparedTableSchema:
        table = super().prepare_load_table(table_name)
        assert table is not None
        if columns := [name for name, column in table["columns"].items() if column.get("cluster")]:
            table[CLUSTER_COLUMNS_HINT] = columns  # type: ignore[typeddict-unknown-key]  # dlt's own
        return table


class ParquetBigquery(Settled, bigquery):
    """dlt's BigQuery, configured as that."""

    def _raw_capabilities(self) -> DestinationCapabilitiesContext:
        capabilities = super()._raw_capabilities()
        capabilities.preferred_loader_file_format = "parquet"
        capabilities.type_mapper = JsonAsText
        return capabilities

    @property
    def client_class(self) -> type[BigQueryClient]:
        return ClusteringClient


DESTINATION = ParquetBigquery
