"""PostgreSQL, to which rows are copied in their binary form."""

from __future__ import annotations

from dlt.common.destination import DestinationCapabilitiesContext
from dlt.destinations import postgres
from dlt.destinations.impl.postgres.factory import PostgresTypeMapper
from dlt.destinations.impl.postgres.postgres import PostgresParquetCopyJob

from pipelines.destinations.settled import Settled


class ByteFaithfulJson(PostgresTypeMapper):
    """`json`, not `jsonb`: what Klaviyo sent is kept to the letter, order, repeated keys and digits included."""

    sct_to_unbound_dbt = PostgresTypeMapper.sct_to_unbound_dbt | {"json": "json"}
    dbt_to_sct = PostgresTypeMapper.dbt_to_sct | {"json": "json"}


class FaithfulPostgres(Settled, postgres):
    """dlt's PostgreSQL, configured as that."""

    def _raw_capabilities(self) -> DestinationCapabilitiesContext:
        capabilities = super()._raw_capabilities()
        capabilities.preferred_loader_file_format = "parquet"
        capabilities.type_mapper = ByteFaithfulJson
        return capabilities


# Empty tables have files without rows. To copy those in one piece, which is dlt's way, fails; this is the switch that it sets for SQL Server.
PostgresParquetCopyJob._ingest_per_rowgroup = True  # noqa: SLF001 - as above

DESTINATION = FaithfulPostgres
