from __future__ import annotations

from pipelines.destinations import DESTINATIONS
from tests.destinations import proofs


def test_the_page_says_what_the_suite_has_proven() -> None:
    assert proofs.PAGE.read_text() == proofs.page()


def test_the_page_names_every_destination() -> None:
    assert all(f"`{name}`" in proofs.PAGE.read_text() for name in DESTINATIONS)
