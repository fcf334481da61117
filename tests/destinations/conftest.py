"""Destinations other than DuckDB, real or in place of real ones."""

from __future__ import annotations

import pytest

from sandbox.account import Account
from tests.destinations import story


@pytest.fixture
def account() -> Account:
    return story.account()


@pytest.fixture
def record(request: pytest.FixtureRequest) -> bool:
    """Whether what is proven is noted for the page."""
    return bool(request.config.getoption("--record"))
