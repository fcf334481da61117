"""A warehouse that holds all of the account, made once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sandbox.account import Account
from sandbox.server import Sandbox
from tests.conftest import FILE, Job, Once
from tests.pipelines.sweeps.people import (
    LOADED,
    people,
)


@pytest.fixture(scope="session")
def loaded(once: Once, request: pytest.FixtureRequest) -> Path:
    """A warehouse with all of it."""

    def load(home: Path) -> None:
        with Sandbox(people(), limits="off") as sandbox, pytest.MonkeyPatch.context() as monkeypatch:
            Job(sandbox, home, monkeypatch, revision=str(request.config.getoption("--revision"))).load(*LOADED)

    return once("people", load) / FILE


@pytest.fixture
def account() -> Account:
    return people()


@pytest.fixture
def job(loaded: Path, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, revision: str) -> Job:
    """One for which the warehouse holds all of the account."""
    started = Job(sandbox, tmp_path, monkeypatch, revision=revision)
    started.settle()
    shutil.copy(loaded, started.database)
    return started
