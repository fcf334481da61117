"""MotherDuck as far as it is ours: how it is configured. The service itself is not asked."""

from __future__ import annotations

import duckdb
import pytest

from pipelines.destinations.duckdb import DirectClient
from pipelines.errors import DestinationError
from pipelines.transform import environment
from pipelines.warehouse import Warehouse

TOKEN = "a-token-that-nobody-may-see"


@pytest.mark.parametrize(
    "settings",
    [
        {"": f"md:shop?motherduck_token={TOKEN}"},
        {"": f"md:///shop?token={TOKEN}"},
        {"__DATABASE": "shop", "__PASSWORD": TOKEN},
    ],
)
def test_a_line_of_configuration_names_database_and_token(
    settings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"DESTINATION__MOTHERDUCK__CREDENTIALS{name}", value)
    warehouse = Warehouse("motherduck")
    assert (warehouse.credentials.database, warehouse.credentials.password) == ("shop", TOKEN)
    assert warehouse.place == "md://motherduck:***@/shop"
    assert environment(warehouse)["DBT_ENV_SECRET_KLAVIYO_MOTHERDUCK_TOKEN"] == TOKEN


def test_its_tables_are_merged_as_those_of_duckdb_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESTINATION__MOTHERDUCK__CREDENTIALS", f"md:shop?motherduck_token={TOKEN}")
    warehouse = Warehouse("motherduck")
    assert issubclass(warehouse.destination().client_class, DirectClient)
    capabilities = warehouse.destination().capabilities()
    assert capabilities.preferred_loader_file_format == "parquet"
    assert capabilities.loader_parallelism_strategy == "table-sequential"


def test_the_token_is_not_told_with_what_the_driver_says(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(database: str, **_: object) -> None:
        raise duckdb.IOException(f"cannot reach {database}")

    monkeypatch.setattr(duckdb, "connect", refused)
    monkeypatch.setenv("DESTINATION__MOTHERDUCK__CREDENTIALS", f"md:shop?motherduck_token={TOKEN}")
    with pytest.raises(DestinationError) as failed:
        Warehouse("motherduck").pipeline()
    assert "cannot reach md:shop?motherduck_token=***" in str(failed.value)
    assert TOKEN not in str(failed.value)
