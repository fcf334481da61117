"""Which tiers are due, what they read, and how late what they find is."""

from __future__ import annotations

import re
from datetime import timedelta

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.klaviyo.rereads import BANDS, DAY, HOUR, cells, newest_first, tiers_of, trailing
from sources.klaviyo.windows import BEGINNING, Window, intersection, union, without
from tests.conftest import ROOT

NOW = pendulum.datetime(2026, 7, 1, 6)
TIERS = tiers_of({"each_run": 0.25, "daily": 7})
WITHIN = Window(BEGINNING, NOW)


def done(**ago: timedelta) -> dict[str, pendulum.DateTime]:
    return {name: NOW - time for name, time in ago.items()}


def test_a_tier_reads_all_that_came_since_it_was_done_last_and_is_no_later_than_its_reach() -> None:
    last = done(each_run=HOUR, daily=DAY, weekly=3 * DAY, monthly=3 * DAY)
    assert trailing(TIERS, last, WITHIN, NOW) == {
        "each_run": Window(NOW - 7 * HOUR, NOW),
        "daily": Window(NOW - 8 * DAY, NOW),
    }


@pytest.mark.parametrize(("ago", "due"), [(19, False), (20, True), (26, True), (24 * 9, True)])
def test_a_daily_tier_is_due_even_when_todays_run_starts_a_little_early(ago: int, *, due: bool) -> None:
    last = done(each_run=HOUR, daily=ago * HOUR, weekly=DAY, monthly=DAY)
    assert ("daily" in trailing(TIERS, last, WITHIN, NOW)) == due


def test_after_a_missed_week_the_window_covers_it() -> None:
    last = done(each_run=7 * DAY, daily=7 * DAY, weekly=DAY, monthly=DAY)
    assert trailing(TIERS, last, WITHIN, NOW)["each_run"] == Window(NOW - 7 * DAY - 6 * HOUR, NOW)


def test_what_is_not_loaded_is_not_read_again_either() -> None:
    start = NOW - 10 * DAY
    assert {window.start for window in trailing(TIERS, {}, Window(start, NOW), NOW).values()} == {
        NOW - 6 * HOUR,
        NOW - 7 * DAY,
        start,
    }
    assert trailing(TIERS, {}, Window(NOW, NOW), NOW) == {}


def test_what_is_new_comes_first_and_the_longest_tier_last() -> None:
    fresh = [Window(NOW - HOUR, NOW)]
    last = done(each_run=HOUR, daily=DAY, weekly=7 * DAY, monthly=DAY)
    assert newest_first(fresh, trailing(TIERS, last, WITHIN, NOW)) == [
        Window(NOW - 7 * HOUR, NOW),
        Window(NOW - 37 * DAY, NOW - 7 * HOUR),
    ]


def test_a_tier_of_no_days_is_none_and_an_unknown_one_is_refused() -> None:
    assert [(tier.name, tier.reach) for tier in tiers_of({"daily": 0, "weekly": 0, "monthly": 10.5})] == [
        ("each_run", 7 * DAY),
        ("monthly", 252 * HOUR),
    ]
    with pytest.raises(KeyError, match="hourly"):
        tiers_of({"hourly": 1})


def test_how_late_something_is_is_told_from_when_its_time_was_read_last() -> None:
    last = done(each_run=DAY, daily=DAY, weekly=3 * DAY, monthly=3 * DAY)
    due = trailing(TIERS, last, WITHIN, NOW)
    found = cells(due, [Window(BEGINNING, NOW - DAY)], TIERS, last)
    # An order of two days ago: yesterday, a day after it had happened, it was not there.
    (of_two_days,) = [cell for cell in found if cell.window.start <= NOW - 2 * DAY < cell.window.end]
    assert (of_two_days.tier, of_two_days.late_from, of_two_days.late_to) == ("daily", 12 * HOUR, DAY)
    assert {cell.tier for cell in found} == {"each_run", "daily"}
    assert max(cell.late_to or 999 * DAY for cell in found) == 7 * DAY


TIMES = st.integers(0, 200 * 24).map(lambda hours: hours * HOUR)


@given(st.dictionaries(st.sampled_from([tier.name for tier in TIERS]), TIMES), TIMES, TIMES)
def test_cells_are_what_was_read_by_a_tier_before_each_second_once(
    ago: dict[str, timedelta], back: timedelta, length: timedelta
) -> None:
    last = done(**ago)
    due = trailing(TIERS, last, WITHIN, NOW)
    read = [one for one in [Window(NOW - back - length, NOW - back)] if not one.empty]
    found = cells(due, read, TIERS, last)
    covered = union(Window(last[tier.name] - tier.reach, last[tier.name]) for tier in TIERS if tier.name in last)
    assert union(cell.window for cell in found) == intersection(intersection(due.values(), read), covered)
    seconds = sum((cell.window.end - cell.window.start).total_seconds() for cell in found)
    assert seconds == sum((one.end - one.start).total_seconds() for one in union(cell.window for cell in found))
    assert all(cell.late_from in BANDS and cell.late_to in (*BANDS, None) for cell in found)


@given(st.lists(st.tuples(TIMES, TIMES)), st.dictionaries(st.sampled_from([tier.name for tier in TIERS]), TIMES))
def test_all_that_is_due_is_read_once(gaps: list[tuple[timedelta, timedelta]], ago: dict[str, timedelta]) -> None:
    fresh = [Window(NOW - back - length, NOW - back) for back, length in gaps if length]
    due = trailing(TIERS, done(**ago), WITHIN, NOW)
    read = newest_first(fresh, due)
    assert union(read) == union([*fresh, *due.values()])
    assert all(not intersection([one], read[place + 1 :]) for place, one in enumerate(read))
    assert without(read, [*fresh, *due.values()]) == []


# --- what it costs -------------------------------------------------------------------------------------------------

STATED = [
    ([float(reach) for reach in reaches.split(",")], float(daily), float(hourly))
    for reaches, daily, hourly in re.findall(
        r"^\| ([\d., ]+) \| ([\d.]+) \| ([\d.]+) \|", (ROOT / "docs" / "freshness.md").read_text(), re.MULTILINE
    )
]
"""What the documentation says that reaches cost: how often each event is read, by runs a day and runs an hour."""


@pytest.mark.parametrize(("reaches", "daily", "hourly"), STATED)
def test_each_event_is_read_as_often_as_the_documentation_says(
    reaches: list[float], daily: float, hourly: float
) -> None:
    names = ("each_run", "daily", "weekly", "monthly")
    reach_days = dict(zip(names, reaches, strict=True))
    assert times_read(reach_days, DAY) == pytest.approx(daily, rel=0.02)
    assert times_read(reach_days, HOUR) == pytest.approx(hourly, rel=0.02)


def times_read(reach_days: dict[str, float], every: timedelta, days: int = 90) -> float:
    """How much of the time that passes is read, by runs every so often, against reading it once."""
    tiers, seconds = tiers_of(reach_days), 0.0
    last, now = {tier.name: NOW for tier in tiers}, NOW
    for run in range(1, int(days * DAY / every) + 1):
        before, now = now, NOW + run * every
        due = trailing(tiers, last, Window(BEGINNING, now), now)
        windows = newest_first([Window(before, now)], due)
        seconds += sum((window.end - window.start).total_seconds() for window in windows)
        last |= {name: window.end for name, window in due.items()}
    return seconds / (days * DAY).total_seconds()


def test_the_documentation_says_what_three_settings_cost() -> None:
    assert len(STATED) == 3
