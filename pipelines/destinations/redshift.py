"""Redshift, to which rows are sent in INSERT statements.

JSON is kept as text: what dlt puts into a SUPER column is a string, too, unless it has parsed it. dlt has no upsert for Redshift; this is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.destination.client import FollowupJobRequest
from dlt.common.destination.typing import PreparedTableSchema
from dlt.common.schema.typing import TColumnHint
from dlt.destinations import redshift
from dlt.destinations.impl.redshift.factory import RedshiftTypeMapper
from dlt.destinations.impl.redshift.redshift import RedshiftClient, RedshiftMergeJob

from pipelines.destinations.settled import Settled
from sources.klaviyo.merging import kept

HINTS: Final[dict[TColumnHint, str]] = {"sort": "SORTKEY"}
"""Rows are found by time. To distribute them by metric, as dlt would, leaves most of them on one node."""


class JsonAsText(RedshiftTypeMapper):
    sct_to_unbound_dbt = RedshiftTypeMapper.sct_to_unbound_dbt | {"json": "varchar(65535)", "text": "varchar(65535)"}


class UpsertJob(RedshiftMergeJob):
    """Updates the rows that are there, then inserts the others, in the one transaction that dlt runs a job in."""

    @classmethod
    def gen_upsert_merge_sql(
        cls,
        root_table_name: str,
        staging_root_table_name: str,
        primary_keys: Sequence[str],
        root_table_column_names: Sequence[str],
        *_: object,
        **__: object,
    ) -> list[str]:
        table, staged, columns = root_table_name, staging_root_table_name, root_table_column_names
        same = " AND ".join(f"d.{key} = s.{key}" for key in primary_keys)
        values = ", ".join(f"{column} = s.{column}" for column in columns)
        staged_values = ", ".join(f"s.{column}" for column in columns)
        update = f"UPDATE {table} AS d SET {values} FROM {staged} AS s WHERE {same};"  # noqa: S608 - names are escaped
        insert = (
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {staged_values} FROM {staged} AS s "  # noqa: S608 - as above
            f"WHERE NOT EXISTS (SELECT 1 FROM {table} AS d WHERE {same});"
        )
        return [*kept([update], columns), insert]


class UpsertingClient(RedshiftClient):
    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]  # dlt's own
        self.active_hints = HINTS

    def _create_merge_followup_jobs(self, table_chain: Sequence[PreparedTableSchema]) -> list[FollowupJobRequest]:
        return [UpsertJob.from_table_chain(table_chain, self.sql_client)]


class UpsertingRedshift(Settled, redshift):
    """dlt's Redshift, configured as that, with upserts."""

    def _raw_capabilities(self) -> DestinationCapabilitiesContext:
        capabilities = super()._raw_capabilities()
        capabilities.type_mapper = JsonAsText
        capabilities.supported_merge_strategies = [*(capabilities.supported_merge_strategies or ()), "upsert"]
        return capabilities

    @property
    def client_class(self) -> type[RedshiftClient]:
        return UpsertingClient


DESTINATION = UpsertingRedshift
