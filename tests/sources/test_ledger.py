"""What is remembered of what has been read, run after run."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pendulum import DateTime

from sources.klaviyo.ledger import Ledger
from sources.klaviyo.resources import select
from sources.klaviyo.windows import BEGINNING, Window, due, gaps, union

EVENTS, ATTRIBUTIONS = select(["events", "event_attributions"])
(PROFILES,) = select(["profiles"])
DAY = 20


def at(second: int) -> DateTime:
    return BEGINNING + timedelta(seconds=second)


def window(start: int, end: int) -> Window:
    return Window(at(start), at(end))


def still(state: dict[str, Any]) -> Callable[[], dict[str, Any]]:
    """A state that stays as long as it is asked for."""
    return lambda: state


def committed(state: dict[str, Any]) -> dict[str, Any]:
    """The state as dlt keeps it: as JSON."""
    kept: dict[str, Any] = json.loads(json.dumps(state))
    return kept


PARTS = st.lists(st.tuples(st.integers(0, DAY), st.integers(0, DAY)).map(sorted), max_size=6)


@given(PARTS)
def test_what_is_noted_piece_by_piece_is_read_whole(parts: list[list[int]]) -> None:
    state: dict[str, Any] = {}
    for start, end in parts:
        Ledger(still(state), [EVENTS, ATTRIBUTIONS]).add([window(start, end)])
        state = committed(state)
    ledger = Ledger(still(state), [EVENTS, ATTRIBUTIONS])
    assert ledger.read(EVENTS) == ledger.read(ATTRIBUTIONS) == union(window(start, end) for start, end in parts)
    assert ledger.alike
    assert ledger.untouched == (not ledger.read(EVENTS))


def test_resources_of_one_walk_are_alike_only_when_the_same_has_been_read_of_them() -> None:
    state: dict[str, Any] = {}
    both = Ledger(still(state), [EVENTS, ATTRIBUTIONS])
    seen = [(both.alike, both.untouched)]
    Ledger(still(state), [EVENTS]).add([window(0, 9)])
    seen.append((both.alike, both.untouched))
    assert both.read(ATTRIBUTIONS) == []
    both.add(iter([window(0, 9)]))
    seen.append((both.alike, both.untouched))
    assert seen == [(True, True), (False, False), (True, False)]


def test_reading_it_changes_nothing() -> None:
    state: dict[str, Any] = {}
    ledger = Ledger(still(state), [EVENTS])
    assert ledger.read(EVENTS) == []
    assert ledger.untouched
    assert ledger.alike
    assert state == {}


# --- the first load ------------------------------------------------------------------------------------------------


def test_the_first_load_covers_what_its_first_run_found_however_late_it_ends() -> None:
    state: dict[str, Any] = {}
    assert Ledger(still(state), [PROFILES]).first_load(window(0, 10)) == [window(0, 10)]
    Ledger(still(state), [PROFILES]).add_first_load([window(0, 4)])
    later = Ledger(still(committed(state)), [PROFILES])
    assert later.untouched
    assert later.first_load(window(0, 17)) == [window(4, 10)]


def test_with_its_last_part_all_changes_before_its_first_run_have_been_read() -> None:
    state: dict[str, Any] = {}
    ledger = Ledger(still(state), [PROFILES])
    ledger.first_load(window(0, 10))
    ledger.add_first_load([window(6, 10)])
    assert ledger.untouched
    ledger.add_first_load([window(0, 6)])
    assert ledger.read(PROFILES) == [window(0, 10)]
    assert "first_load" not in state
    # What was read later by creation may have changed since: that is read from the first run's end on.
    assert due(window(0, 17), ledger.read(PROFILES), timedelta(seconds=2)) == [window(8, 17)]


@given(st.lists(st.tuples(PARTS, st.booleans()), min_size=1, max_size=6), st.integers(1, DAY))
def test_a_first_load_that_is_cut_off_anywhere_is_taken_up_where_it_was_committed(
    runs: list[tuple[list[list[int]], bool]], horizon: int
) -> None:
    """Rows are created at each second; a run reads parts, which the destination may fail to commit."""
    state: dict[str, Any] = {}
    there: set[int] = set()
    first_end = 0
    for number, (parts, is_committed) in enumerate([*runs, ([[0, 10_000]], True), ([[0, 10_000]], True)]):
        end = horizon + number
        run = committed(state)
        ledger = Ledger(still(run), [PROFILES])
        loading = ledger.untouched
        asked = (
            ledger.first_load(window(0, end))
            if loading
            else due(window(0, end), ledger.read(PROFILES), timedelta(seconds=0))
        )
        read = [both for part in parts for one in asked if not (both := cut(one, *part)).empty]
        rows = {second for second in range(end) if any(start <= at(second) < stop for start, stop in read)}
        if read:
            (ledger.add_first_load if loading else ledger.add)(read)
        if is_committed:
            first_end = first_end or end
            state = run
            there |= rows
        left = Ledger(still(committed(state)), [PROFILES])
        if not left.untouched:
            assert {second for one in left.read(PROFILES) for second in seconds(one)} <= there
            assert set(range(first_end)) <= there
    assert there == set(range(horizon + len(runs) + 1))
    assert Ledger(still(state), [PROFILES]).read(PROFILES) == [window(0, horizon + len(runs) + 1)]


def cut(one: Window, start: int, end: int) -> Window:
    return Window(max(one.start, at(start)), min(one.end, at(end)))


def seconds(one: Window) -> range:
    return range(int((one.start - BEGINNING).total_seconds()), int((one.end - BEGINNING).total_seconds()))


@given(PARTS, st.integers(1, DAY))
def test_the_parts_of_a_first_load_together_leave_no_gap(parts: list[list[int]], end: int) -> None:
    state: dict[str, Any] = {}
    whole = window(0, end)
    for start, stop in parts:
        ledger = Ledger(still(state), [PROFILES])
        if not ledger.untouched:
            break
        missing = ledger.first_load(whole)
        read = [both for one in missing if not (both := cut(one, start, stop)).empty]
        if read:
            ledger.add_first_load(read)
        state = committed(state)
    done = union(cut(whole, *part) for part in parts)
    ledger = Ledger(still(state), [PROFILES])
    if done == [whole]:
        assert ledger.read(PROFILES) == [whole]
    else:
        assert ledger.first_load(whole) == gaps(whole, done)


# --- what is read again --------------------------------------------------------------------------------------------


def test_a_tier_is_done_when_all_of_its_window_has_been_read_in_one_run() -> None:
    state: dict[str, Any] = {}
    ledger = Ledger(still(state), [EVENTS, ATTRIBUTIONS])
    due = {"each_run": window(80, 99), "daily": window(50, 99), "weekly": window(0, 99)}
    ledger.add_reread(due, [window(60, 99)])
    assert ledger.reread == {"each_run": window(80, 99).end}
    ledger.add_reread(due, iter([window(60, 99), window(40, 60)]))
    assert ledger.reread.keys() == {"each_run", "daily"}
    assert ledger.read(EVENTS) == [window(40, 99)]


def test_a_tier_is_done_with_a_walk_when_it_is_with_all_its_resources() -> None:
    state: dict[str, Any] = {}
    both = Ledger(still(state), [EVENTS, ATTRIBUTIONS])
    both.add_reread({"daily": window(0, 50)}, [window(0, 50)])
    Ledger(still(state), [EVENTS]).add_reread({"daily": window(0, 99), "weekly": window(0, 99)}, [window(0, 99)])
    assert both.reread == {"daily": window(0, 50).end}
