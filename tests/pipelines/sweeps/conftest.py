"""A warehouse that holds all of the account, made once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sandbox.account import Account
from sandbox.server import Sandbox
from tests.conftest import Job, Once, load_once
from tests.pipelines.sweeps.people import (
    LOADED,
    people,
)


@pytest.fixture(scope="session")
def loaded(once: Once, request: pytest.FixtureRequest) -> Path:
    """A warehouse with all of it."""
    return load_once(once, "people", people, *LOADED, revision=str(request.config.getoption("--revision")))


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
