"""The same story in real accounts: `pytest -m live`, with credentials in the environment. Nobody has run this yet."""

from __future__ import annotations

import os
from uuid import uuid4

import pytest

from pipelines.destinations import DESTINATIONS
from pipelines.warehouse import Warehouse
from sandbox.server import Sandbox
from tests.conftest import Job
from tests.destinations.installed import needs_driver
from tests.destinations.proofs import prove
from tests.destinations.story import Story

pytestmark = [pytest.mark.live, pytest.mark.timeout(3600)]


@pytest.fixture
def dataset(monkeypatch: pytest.MonkeyPatch) -> str:
    """A dataset of the test's own, so that it meets no other."""
    name = f"klaviyo_test_{uuid4().hex[:8]}"
    monkeypatch.setenv("SOURCES__KLAVIYO__DATASET", name)
    return name


@pytest.mark.parametrize("name", [name for name in DESTINATIONS if name not in ("duckdb", "ducklake", "postgres")])
def test_a_real_account_holds_what_duckdb_holds(
    name: str, job: Job, sandbox: Sandbox, dataset: str, *, record: bool
) -> None:
    variables = [one for one in os.environ if one.startswith(f"DESTINATION__{name.upper()}__CREDENTIALS")]
    if not variables:
        pytest.skip(f"no DESTINATION__{name.upper()}__CREDENTIALS")
    needs_driver(name)
    try:
        prove(Story(job, sandbox, name), "live", "a real account", record=record)
    finally:
        with Warehouse(name).onlooker() as pipeline, pipeline.sql_client() as client:
            client.drop_dataset()
            with client.with_staging_dataset():
                if client.has_dataset():
                    client.drop_dataset()
