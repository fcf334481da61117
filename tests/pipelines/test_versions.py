"""Versions rebuilt from looks at a row, held against what truly happened to it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.definitions import encoded, exactly
from pipelines.versions import Look, Sight, Version, changes, fingerprint, follow
from sources.klaviyo.spec import Versioned

START = datetime(2026, 1, 1, tzinfo=UTC)
KIND = Versioned(unordered=("groups",))


def at(minute: int) -> datetime:
    return START + timedelta(minutes=minute)


def content(value: object, marked: datetime | None = None, **more: object) -> dict[str, Any]:
    return {"id": "A", "name": value, "updated": marked.isoformat() if marked else None, **more}


def sight(said: dict[str, Any], vanished_at: datetime | None = None) -> Sight:
    return Sight(id="A", content=said, loaded_at=START, vanished_at=vanished_at)


class Keeper:
    """Keeps versions as the warehouse does: by their number."""

    def __init__(self) -> None:
        self.kept: dict[int, Version] = {}

    def look(self, seen: Sight, look: Look) -> list[Version]:
        written = [*follow(self.latest, seen, look, KIND)]
        self.kept |= {version.number: version for version in written}
        return written

    @property
    def latest(self) -> Version | None:
        return self.kept[max(self.kept)] if self.kept else None

    @property
    def all(self) -> list[Version]:
        return [self.kept[number] for number in sorted(self.kept)]


# --- a true history, and looks at it ---------------------------------------------------------------------------------

Truth = list[tuple[datetime, object]]
"""From when on the row said what; None while it is gone."""

steps = st.lists(
    st.tuples(st.integers(1, 50), st.sampled_from(["a", "b", "c", None]), st.booleans()), min_size=1, max_size=8
)
looks = st.lists(st.integers(1, 60), min_size=1, max_size=10)


def truth_of(drawn: Sequence[tuple[int, object, bool]]) -> tuple[Truth, dict[datetime, datetime]]:
    """What the row said from when on, and its mark of change from then on, which some changes do not move."""
    minute, marked, said = 0, START, None
    truth: Truth = []
    marks: dict[datetime, datetime] = {}
    for pause, value, moves in drawn:
        if value == said:
            continue
        minute, said = minute + pause, value
        marked = at(minute) if moves or not truth else marked
        truth.append((at(minute), value))
        marks[at(minute)] = marked
    return truth, marks


@dataclass
class Watched:
    """A row that was looked at from time to time."""

    changed_at: list[datetime]
    seen: list[tuple[datetime, object]]
    versions: list[Version]


def watch(drawn: Sequence[tuple[int, object, bool]], pauses: Sequence[int]) -> Watched:
    truth, marks = truth_of(drawn)
    keeper = Keeper()
    now, last, gone_at, said = START, None, None, None
    seen: list[tuple[datetime, object]] = []
    for pause in pauses:
        now += timedelta(minutes=pause, seconds=30)  # never at the very time of a change
        since, value = next(((when, what) for when, what in reversed(truth) if when <= now), (START, None))
        if value is not None:
            said, gone_at = content(value, marks[since]), None
        elif said is not None:
            gone_at = gone_at or now
        if said is not None:
            keeper.look(sight(said, gone_at), Look(now, now, last))
            known = keeper.all
            keeper.look(sight(said, gone_at), Look(now, now, now))
            assert keeper.all == known, "what was looked at again is told already"
        last = now
        seen.append((now, value))
    return Watched([when for when, _ in truth], seen, keeper.all)


watched = st.builds(watch, steps, looks)


@given(watched)
def test_versions_follow_one_another_and_only_the_last_may_be_open(row: Watched) -> None:
    for before, after in pairwise(row.versions):
        assert before.valid_to is not None
        assert before.valid_from <= before.valid_to <= after.valid_from


@given(watched)
def test_at_each_look_just_that_version_is_valid_which_was_seen(row: Watched) -> None:
    for when, value in row.seen:
        held = [one for one in row.versions if one.valid_from <= when and (one.valid_to is None or when < one.valid_to)]
        assert [one.content["name"] for one in held] == ([value] if value is not None else [])


@given(watched)
def test_changes_truly_happened_in_the_time_that_versions_state(row: Watched) -> None:
    for version in row.versions:
        if version.valid_from_by == "updated":
            assert version.valid_from in row.changed_at
        elif version.valid_from_after:
            assert any(version.valid_from_after < when <= version.valid_from for when in row.changed_at)
        if version.valid_to:
            assert version.valid_to_after is not None
            assert any(version.valid_to_after < when <= version.valid_to for when in row.changed_at)


def test_what_was_there_at_the_first_look_is_valid_from_its_mark_or_from_its_first_load() -> None:
    look = Look(at(9), at(10))
    [marked] = follow(None, sight(content("a", at(3))), look, KIND)
    assert (marked.valid_from, marked.valid_from_by) == (at(3), "updated")
    [unmarked] = follow(None, sight(content("a")), look, KIND)
    assert (unmarked.valid_from, unmarked.valid_from_by, unmarked.valid_from_after) == (START, "seen", None)
    [ahead] = follow(None, sight(content("a", at(11))), look, KIND)
    assert ahead.valid_from_by == "seen"


def test_what_changed_is_named() -> None:
    old = content("a", at(1), colour=None, size=1)
    assert changes(old, content("b", at(2), colour="red", size=1), KIND) == ("colour", "name")


def test_a_mark_that_moves_alone_is_no_change_nor_is_another_order_where_none_is_meant() -> None:
    one = content("a", at(1), groups=[{"x": [1, 2]}, {"y": 3}], steps=[1, 2])
    other = content("a", at(2), groups=[{"y": 3}, {"x": [2, 1]}], steps=[1, 2])
    assert changes(one, other, KIND) == ()
    assert fingerprint(one, KIND) == fingerprint(other, KIND)
    swapped = one | {"steps": [2, 1]}
    assert changes(one, swapped, KIND) == ("steps",)
    assert fingerprint(one, KIND) != fingerprint(swapped, KIND)


def test_a_column_that_was_not_known_before_is_learnt_without_a_new_version() -> None:
    keeper = Keeper()
    keeper.look(sight(content("a")), Look(at(1), at(1)))
    keeper.look(sight(content("a", colour="red")), Look(at(2), at(2), at(1)))
    assert [version.content.get("colour") for version in keeper.all] == ["red"]
    keeper.look(sight(content("a", colour="blue")), Look(at(3), at(3), at(2)))
    assert [version.changed for version in keeper.all] == [(), ("colour",)]


def test_a_change_lies_after_the_last_look_that_saw_otherwise() -> None:
    keeper = Keeper()
    keeper.look(sight(content("a")), Look(at(1), at(2)))
    keeper.look(sight(content("b")), Look(at(8), at(9), at(6)))
    old, new = keeper.all
    assert (new.valid_from, new.valid_from_by, new.valid_from_after) == (at(9), "seen", at(6))
    assert (old.valid_to, old.valid_to_after) == (at(9), at(6))


@pytest.mark.parametrize("marked", [5, 10], ids=["before a look that saw otherwise", "ahead of time"])
def test_a_mark_that_cannot_be_true_is_not_believed(marked: int) -> None:
    keeper = Keeper()
    keeper.look(sight(content("a", at(0))), Look(at(1), at(2)))
    keeper.look(sight(content("b", at(marked))), Look(at(8), at(9), at(6)))
    assert (keeper.all[1].valid_from, keeper.all[1].valid_from_by) == (at(9), "seen")


def test_no_version_ends_before_it_begins_though_changes_fall_into_the_run_that_saw_it_first() -> None:
    keeper = Keeper()
    keeper.look(sight(content("a"), None), Look(at(4), at(9), at(1)))
    keeper.look(sight(content("b", at(6))), Look(at(11), at(12)))
    assert [(one.valid_from, one.valid_to) for one in keeper.all] == [(at(9), at(9)), (at(9), None)]
    keeper.look(sight(content("b", at(6)), vanished_at=at(8)), Look(at(13), at(14)))
    assert keeper.all[-1].valid_to == at(9)


def test_the_version_before_is_written_again_when_a_row_comes_back_as_it_is_the_latest_no_more() -> None:
    keeper = Keeper()
    keeper.look(sight(content("a"), vanished_at=at(2)), Look(at(1), at(3)))
    assert [one.number for one in keeper.look(sight(content("a")), Look(at(5), at(6)))] == [1, 2]


def test_a_version_keeps_all_digits_of_numbers_and_stays_json() -> None:
    text = '{"a":[1.10,1e400,-0.0,0.1,123456789012345678901234567890.5,100000000000000000000000],"b":[7,-7,1E2]}'
    kept = json.loads(encoded(exactly(text)), parse_float=Decimal, parse_constant=pytest.fail)
    assert kept == json.loads(text, parse_float=Decimal)
    assert fingerprint({"x": exactly(text)}, KIND) == fingerprint({"x": json.loads(text)}, KIND)
    assert not changes({"x": exactly("[1.10, 2]")}, {"x": exactly("[1.1, 2]")}, KIND)
