"""MotherDuck: DuckDB as a service."""

from __future__ import annotations

from dlt.common.destination import DestinationCapabilitiesContext
from dlt.destinations import motherduck
from dlt.destinations.impl.motherduck.motherduck import MotherDuckClient

from pipelines.destinations.duckdb import DirectClient, one_file_at_a_time
from pipelines.destinations.settled import Settled


class DirectMotherduckClient(DirectClient, MotherDuckClient):
    """Merges files straight into their tables."""


class DirectMotherduck(Settled, motherduck):
    """dlt's MotherDuck, configured as that, with direct upserts."""

    def _raw_capabilities(self) -> DestinationCapabilitiesContext:
        return one_file_at_a_time(super()._raw_capabilities())

    @property
    def client_class(self) -> type[MotherDuckClient]:
        return DirectMotherduckClient


DESTINATION = DirectMotherduck
