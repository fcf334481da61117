"""Destinations other than DuckDB, real or in place of real ones."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from sandbox.account import Account
from tests.conftest import free_port
from tests.destinations import story
from tests.destinations.extensions import FOLDER


@pytest.fixture
def account() -> Account:
    return story.account()


@pytest.fixture
def record(request: pytest.FixtureRequest) -> bool:
    """Whether what is proven is noted for the page."""
    return bool(request.config.getoption("--record"))


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many connections are opened, and DuckDB would check an extension's signature in each."""
    connect: Any = duckdb.connect

    def without_a_check(*arguments: Any, config: dict[str, Any] | None = None, **more: Any) -> Any:
        return connect(*arguments, config={"allow_unsigned_extensions": "true", **(config or {})}, **more)

    monkeypatch.setattr(duckdb, "connect", without_a_check)


@pytest.fixture
def bucket() -> Iterator[str]:
    """The address of a local S3 that has a bucket named `shop`."""
    server = FOLDER.parent / "s3-server" / "bin" / "moto_server"
    if not server.exists():
        pytest.skip("`make destinations` has not brought a local S3")
    address = f"http://127.0.0.1:{free_port()}"
    process = subprocess.Popen([server, "-p", address.rpartition(":")[2]], stderr=subprocess.DEVNULL)
    try:
        patient = requests.Session()
        patient.mount("http://", HTTPAdapter(max_retries=Retry(20, backoff_factor=0.2)))
        patient.put(f"{address}/shop", timeout=30).raise_for_status()
        yield address
    finally:
        process.kill()
        process.wait()


def lie_in_bucket(monkeypatch: pytest.MonkeyPatch, destination: str, address: str = "") -> None:
    """Let a destination's files lie in the bucket `shop`, of S3 or of another address."""
    settings = {
        "BUCKET_URL": "s3://shop/lake",
        "CREDENTIALS__AWS_ACCESS_KEY_ID": "one",
        "CREDENTIALS__AWS_SECRET_ACCESS_KEY": "two",
        "CREDENTIALS__REGION_NAME": "us-east-1",
        **({"CREDENTIALS__ENDPOINT_URL": address} if address else {}),
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"DESTINATION__{destination.upper()}__CREDENTIALS__STORAGE__{name}", value)
