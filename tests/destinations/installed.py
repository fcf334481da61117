"""Which destinations can be tried here."""

from __future__ import annotations

from importlib import import_module

import pytest


def needs_driver(name: str) -> None:
    """Skip the test where the destination's extra is not installed."""
    try:
        import_module(f"pipelines.destinations.{name}")
    except ImportError:
        pytest.skip(
            f"the extra {name} is not installed here: `make destinations` runs this in an environment that has it"
        )
