from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from hypothesis import settings

from sandbox.account import Account
from sandbox.server import Sandbox
from sources.klaviyo import contract
from sources.klaviyo.client import Client
from sources.klaviyo.contract import Contract
from sources.klaviyo.limits import Limiter
from tests.sandbox.tiny import tiny_account
from tests.sources.clock import Clock
from tests.sources.house import House
from tests.sources.pages import REVISION

Connect = Callable[..., Client]
Open = Callable[[Account], House]

OPENAPI = Path(__file__).resolve().parents[3] / "shared/klaviyo/openapi-2026-07-15.json"


# The same examples on every run and no stopwatch: a failure is then the fault of a change, not of chance or a busy machine.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.load_profile("steady")


@pytest.fixture(scope="session")
def openapi() -> dict[str, Any]:
    """Klaviyo's own document at the pinned revision."""
    if not OPENAPI.exists():
        pytest.skip("Klaviyo's OpenAPI document is not at hand; it is not ours to pass on")
    document: dict[str, Any] = json.loads(OPENAPI.read_text())
    return document


@pytest.fixture(scope="session")
def facts() -> Contract:
    return contract.load(REVISION)


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(tiny_account(), limits="off") as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Iterator[Sandbox]:
    """A Klaviyo with a tiny account, in order and with a clean log; to be broken, not to be changed."""
    running.api.requests.clear()
    yield running
    running.api.faults.ordered.clear()


@pytest.fixture
def open_house(tmp_path: Path) -> Iterator[Open]:
    """Opens a house for an account; all are closed in the end."""
    with ExitStack() as running:

        def opened(account: Account) -> House:
            return House(tmp_path, running.enter_context(Sandbox(account, limits="off")))

        yield opened


@pytest.fixture(autouse=True, scope="session")
def _quiet() -> Iterator[None]:
    """Nothing that dlt has to say goes to anybody, or to the log."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
        environment.setenv("RUNTIME__LOG_LEVEL", "CRITICAL")
        yield


@pytest.fixture(autouse=True, scope="module")
def _configuration_as_read() -> None:
    """What the main job has set for dlt in this process, in a test before, is not the source's own."""
    Container()[PluggableRunContext].reload_providers()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def connect(clock: Clock) -> Connect:
    """A client whose pauses pass on a clock of their own."""

    def connected(url: str, key: str = "pk_sandbox", **settings: Any) -> Client:
        limiter = Limiter(1.0, clock=clock, sleep=clock.sleep)
        return Client(key, url, REVISION, limiter, sleep=clock.sleep, clock=clock, **settings)

    return connected
