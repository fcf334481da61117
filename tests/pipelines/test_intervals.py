"""Memberships rebuilt from what runs saw and were told, held against who truly was a member."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.intervals import LONG_AGO, Fact, Interval, Joined, Left, Missing, Shown, intervals, refuse_overlap

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


# --- a true history, and the runs that watch it ----------------------------------------------------------------------


@dataclass(frozen=True)
class Turn:
    """The person joins or leaves, in turns."""

    at: datetime
    told_after: int | None
    """Minutes until an event of it is there to be read; None if there never is one."""


@dataclass
class Warehouse:
    """What runs know of one person in one list: the row of the membership, and the intervals kept beside it."""

    turns: Sequence[Turn]
    kept: list[Interval] = field(default_factory=list)
    joined: datetime | None = None
    seen: datetime | None = None
    marked: bool = False
    read_until: datetime = START
    swept_at: list[tuple[datetime, bool]] = field(default_factory=list)

    def joined_at(self, now: datetime) -> datetime | None:
        """When the member joined last, if the person is one."""
        so_far = [turn for turn in self.turns if turn.at <= now]
        return so_far[-1].at if len(so_far) % 2 else None

    def run(self, now: datetime, *, sweeps: bool) -> None:
        facts: list[Fact] = [fact for one in self.kept for fact in one.facts]
        joined = self.joined_at(now)
        if joined and (joined > self.read_until or sweeps):
            self.joined, self.seen, self.marked = joined, now, False
            facts.append(Shown(joined, now))
        if sweeps:
            self.swept_at.append((now, joined is not None))
            if self.joined and not joined and not self.marked:
                self.marked = True
                facts.append(Missing(now, self.seen))
        for place, turn in enumerate(self.turns):
            told_at = turn.at + timedelta(minutes=turn.told_after) if turn.told_after is not None else None
            if told_at and self.read_until < told_at <= now:
                facts += self.told(turn.at, now) if place % 2 == 0 else [Left(turn.at)]
        self.kept = intervals(facts)
        assert intervals(fact for one in self.kept for fact in one.facts) == self.kept, "said again, it is the same"
        self.read_until = now

    def told(self, joined: datetime, now: datetime) -> list[Fact]:
        if self.joined and self.joined >= joined:
            return [Joined(joined)]
        return [Joined(joined, shown=False), Missing(now, after=joined, of=joined)]


turns = st.lists(st.tuples(st.integers(1, 9), st.none() | st.integers(0, 60)), min_size=1, max_size=7)
runs = st.lists(st.tuples(st.integers(1, 15), st.booleans()), min_size=1, max_size=8)


def watch(drawn: Sequence[tuple[int, int | None]], visits: Sequence[tuple[int, bool]]) -> Warehouse:
    minute, happened = 0, []
    for pause, told_after in drawn:
        minute += pause * 10
        happened.append(Turn(at(minute), told_after))
    found = Warehouse(happened)
    minute = 5
    for pause, sweeps in visits:
        minute += pause * 10  # never at the very time of a turn
        found.run(at(minute), sweeps=sweeps)
    return found


watched = st.builds(watch, turns, runs)


@given(watched)
def test_memberships_follow_one_another_and_only_the_last_may_be_open(found: Warehouse) -> None:
    for one, following in pairwise(found.kept):
        assert one.valid_to is not None
        assert one.begun <= one.valid_to <= following.begun


@given(watched)
def test_each_beginning_is_a_true_joining(found: Warehouse) -> None:
    joinings = [turn.at for turn in found.turns[::2]]
    for one in found.kept:
        if one.valid_from:
            assert one.valid_from in joinings


@given(watched)
def test_each_end_is_a_true_leaving_as_precisely_as_it_says(found: Warehouse) -> None:
    leavings = [turn.at for turn in found.turns[1::2]]
    for one in found.kept:
        if one.valid_to_by == "event":
            assert one.valid_to in leavings
        elif one.valid_to:
            assert one.valid_to_after is not None
            assert any(one.valid_to_after < left <= one.valid_to for left in leavings)


def certainly(one: Interval, when: datetime) -> bool:
    """Whether it says that the person was shown to be a member then, whatever its precision."""
    until = one.valid_to if one.valid_to_by == "event" else one.valid_to_after
    begun = one.valid_from_by == "joined_group_at" and one.begun <= when
    return begun and (one.valid_to is None or when < (until or when))


@given(watched)
def test_who_was_shown_at_a_sweep_was_a_member_then_and_who_was_not_was_not_certainly_one(found: Warehouse) -> None:
    for when, was_member in found.swept_at:
        held = [one for one in found.kept if one.begun <= when and (one.valid_to is None or when < one.valid_to)]
        assert held or not was_member
        assert was_member or not any(certainly(one, when) for one in found.kept)


def test_where_everything_is_told_in_time_the_history_is_whole() -> None:
    happened = [Turn(at(minute), 0) for minute in (10, 20, 30, 40, 50)]
    found = Warehouse(happened)
    for minute in (15, 35, 60):
        found.run(at(minute), sweeps=False)
    assert [(one.valid_from, one.valid_to) for one in found.kept] == [
        (at(10), at(20)),
        (at(30), at(40)),
        (at(50), None),
    ]


# --- single cases ----------------------------------------------------------------------------------------------------


def told(*facts: Fact) -> list[tuple[datetime | None, str, datetime | None, str | None, datetime | None]]:
    return [
        (one.valid_from, one.valid_from_by, one.valid_to, one.valid_to_by, one.valid_to_after)
        for one in intervals(facts)
    ]


def test_a_member_who_joined_again_had_left_some_time_before() -> None:
    assert told(Shown(at(0), at(60)), Shown(at(90), at(120))) == [
        (at(0), "joined_group_at", at(90), "rejoined", at(60)),
        (at(90), "joined_group_at", None, None, None),
    ]


def test_an_event_that_arrives_late_tells_when_somebody_left_who_was_found_missing() -> None:
    shown, missing = Shown(at(0), at(60)), Missing(at(200), at(60))
    assert told(shown, missing) == [(at(0), "joined_group_at", at(200), "seen", at(60))]
    assert told(shown, missing, Left(at(100))) == [(at(0), "joined_group_at", at(100), "event", None)]


def test_who_is_shown_did_not_leave_before_whatever_was_told() -> None:
    assert told(Shown(at(0), at(60)), Left(at(30)), Joined(at(40)), Missing(at(50))) == [
        (at(0), "joined_group_at", None, None, None)
    ]


def test_who_joined_again_was_no_member_all_the_time_before() -> None:
    assert told(Shown(at(0), at(100)), Shown(at(90), at(120))) == [
        (at(0), "joined_group_at", at(90), "rejoined", at(90)),
        (at(90), "joined_group_at", None, None, None),
    ]


def test_who_leaves_and_joins_within_a_second_has_left_before() -> None:
    assert told(Joined(at(0)), Left(at(50)), Joined(at(50))) == [
        (at(0), "event", at(50), "event", None),
        (at(50), "event", None, None, None),
    ]


def test_who_is_shown_without_a_time_of_joining_is_there_since_nobody_knows_when() -> None:
    assert told(Shown(LONG_AGO, at(60)), Missing(at(90), at(60))) == [(None, "unknown", at(90), "seen", at(60))]


def test_a_leaving_that_is_told_twice_is_one_and_the_event_is_believed() -> None:
    assert told(Joined(at(0)), Left(at(50)), Left(at(52))) == [(at(0), "event", at(50), "event", None)]
    assert told(Shown(at(0), at(60)), Missing(at(100), at(60)), Left(at(103))) == [
        (at(0), "joined_group_at", at(103), "event", None)
    ]


def test_an_end_is_remembered_as_precisely_as_it_was_known() -> None:
    found = intervals([Shown(at(0), at(60)), Missing(at(100), after=at(80))])
    assert [one.valid_to_after for one in found] == [at(80)]
    assert intervals(fact for one in found for fact in one.facts) == found


def test_a_joining_that_was_told_and_then_never_shown_means_nothing_to_who_is_a_member() -> None:
    unshown = (Joined(at(100)), Joined(at(100), shown=False), Missing(at(150), after=at(100), of=at(100)))
    assert told(Shown(at(0), at(60)), *unshown) == [(at(0), "joined_group_at", None, None, None)]


def test_a_joining_that_is_told_twice_is_one() -> None:
    assert told(Joined(at(0)), Shown(at(1), at(1))) == [(at(1), "joined_group_at", None, None, None)]
    assert told(Shown(at(0), at(0)), Joined(at(1))) == [(at(0), "joined_group_at", None, None, None)]


def test_a_subscription_of_who_is_a_member_already_means_nothing_unless_it_is_shown() -> None:
    unshown = (Joined(at(100), shown=False), Missing(at(150), after=at(100), of=at(100)))
    assert told(Shown(at(0), at(60)), *unshown) == [(at(0), "joined_group_at", None, None, None)]


def test_who_leaves_without_having_been_seen_was_there_since_nobody_knows_when() -> None:
    assert told(Left(at(50)), Shown(at(90), at(95))) == [
        (None, "unknown", at(50), "event", None),
        (at(90), "joined_group_at", None, None, None),
    ]


def test_a_member_of_a_merged_profile_ends_with_it() -> None:
    assert told(Shown(at(0), at(60)), Missing(at(90), at(60), "merged")) == [
        (at(0), "joined_group_at", at(90), "merged", at(60))
    ]


def test_two_open_memberships_are_refused_and_so_is_an_end_before_the_beginning() -> None:
    opened = Interval(valid_from=at(0), valid_from_by="event")
    with pytest.raises(ValueError, match="two memberships"):
        refuse_overlap([opened, Interval(valid_from=at(5), valid_from_by="event")])
    with pytest.raises(ValueError, match="before it begins"):
        refuse_overlap([Interval(valid_from=at(5), valid_from_by="event", valid_to=at(4), valid_to_by="event")])
