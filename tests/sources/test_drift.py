"""When an attribute counts as sent no more, and how many new values are told."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from sources.klaviyo.drift import (
    ENOUGH,
    GONE,
    MORE_VALUES,
    MOST_VALUES,
    SOMETIMES,
    Change,
    Drift,
    carried,
    noted_changes,
)


@pytest.mark.parametrize(
    ("streak", "having", "of", "then"),
    [
        (None, 5, 5, 5),
        (5, 30, 30, ENOUGH),
        (None, 3, 5, SOMETIMES),
        (None, 0, 5, SOMETIMES),
        (5, 0, 5, SOMETIMES),
        (SOMETIMES, 5, 5, SOMETIMES),
        (ENOUGH, 0, 5, -5),
        (ENOUGH, 3, 5, ENOUGH),
        (-5, 0, 30, GONE),
        (-5, 1, 5, SOMETIMES),
        (GONE, 0, 5, GONE),
        (GONE, 5, 5, SOMETIMES),
    ],
)
def test_an_attribute_is_missed_when_many_in_a_row_lack_what_many_in_a_row_had(
    streak: int | None, having: int, of: int, then: int
) -> None:
    assert carried(streak, having, of) == then


def note(state: dict[str, Any], having: int, of: int, *, all_read: bool = True) -> list[Change]:
    before = {*noted_changes(state)}
    drift = Drift(sent=Counter({("lists", "deep.", "name"): having}), objects=Counter({("lists", "deep."): of}))
    drift.note(state, all_read=all_read)
    return [change for change in noted_changes(state) if change not in before]


def test_a_walk_that_was_cut_short_shows_nothing_of_what_is_not_sent() -> None:
    state: dict[str, Any] = {}
    assert note(state, ENOUGH, ENOUGH) == []
    assert note(state, 0, ENOUGH, all_read=False) == []
    assert note(state, 0, 0) == [], "there was no object"
    assert note(state, 0, ENOUGH) == [Change("lists", "deep.name", "not_sent")]


def test_pages_of_a_walk_add_up() -> None:
    drift, page = Drift(), Drift({Change("lists", "colour", "new_attribute")})
    page.sent["lists", "", "name"] = 0
    page.objects["lists", ""] = 2
    for _ in range(ENOUGH // 2):
        drift.add(page)
    state: dict[str, Any] = {"drift": {"changes": [], "streaks": {"lists": {"name": ENOUGH}}}}
    drift.note(state, all_read=True)
    assert {change.kind for change in noted_changes(state)} == {"new_attribute", "not_sent"}


def test_of_values_without_end_many_are_told_and_that_there_are_more() -> None:
    state: dict[str, Any] = {}
    for first in (0, MOST_VALUES):
        values = {Change("lists", "kind", "new_value", f"v{number:04}") for number in range(first, first + MOST_VALUES)}
        Drift(values).note(state, all_read=False)
    kept = [change.detail for change in noted_changes(state)]
    assert len(kept) == MOST_VALUES + 1
    assert MORE_VALUES in kept
