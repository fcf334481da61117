from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.klaviyo.windows import BEGINNING, Window, due, gaps, intersection, moment, stamp, union, whole_second

HORIZON = 12

SECONDS = [BEGINNING + timedelta(seconds=second) for second in range(HORIZON + 1)]
PLACE = {instant: second for second, instant in enumerate(SECONDS)}


def window(start: int, end: int) -> Window:
    return Window(SECONDS[start], SECONDS[end])


ANY_WINDOW = st.builds(window, st.integers(0, HORIZON), st.integers(0, HORIZON))
WITHIN = ANY_WINDOW.filter(lambda one: not one.empty)
WINDOWS = st.lists(ANY_WINDOW, max_size=6)


def seconds(*windows: Window) -> set[int]:
    """The model: a window is the set of its seconds."""
    return {second for start, end in windows for second in range(PLACE[start], PLACE[end])}


def assert_tidy(windows: list[Window]) -> None:
    """In order, none empty, none touching another."""
    assert not any(one.empty for one in windows)
    assert all(earlier.end < later.start for earlier, later in pairwise(windows))


@given(ANY_WINDOW)
def test_a_window_is_empty_when_it_holds_no_second(one: Window) -> None:
    assert one.empty == (not seconds(one))


@given(WINDOWS)
def test_the_union_is_the_same_time_in_the_fewest_windows(windows: list[Window]) -> None:
    joined = union(windows)
    assert_tidy(joined)
    assert seconds(*joined) == seconds(*windows)


@given(WINDOWS, WINDOWS)
def test_the_intersection_is_the_time_that_is_in_both(some: list[Window], others: list[Window]) -> None:
    both = intersection(some, others)
    assert_tidy(both)
    assert seconds(*both) == seconds(*some) & seconds(*others)
    assert both == intersection(others, some)


@given(WITHIN, WINDOWS)
def test_the_gaps_are_what_has_not_been_read(within: Window, read: list[Window]) -> None:
    missing = gaps(within, read)
    assert_tidy(missing)
    assert seconds(*missing) == seconds(within) - seconds(*read)


@given(WITHIN, WINDOWS, st.integers(0, HORIZON))
def test_due_is_every_gap_and_the_lookback_before_it(within: Window, read: list[Window], lookback: int) -> None:
    asked = due(within, read, timedelta(seconds=lookback))
    missing = seconds(within) - seconds(*read)
    looked_back = {second - back for second in missing for back in range(lookback + 1)}
    assert_tidy(asked)
    assert seconds(*asked) == looked_back & seconds(within)


@given(WITHIN, WINDOWS, st.integers(0, HORIZON))
def test_after_reading_what_is_due_nothing_is(within: Window, read: list[Window], lookback: int) -> None:
    after = [*read, *due(within, read, timedelta(seconds=lookback))]
    assert due(within, after, timedelta(seconds=lookback)) == []


def test_the_next_run_asks_from_the_last_windows_end_less_the_lookback() -> None:
    day = timedelta(days=1)
    now = pendulum.datetime(2026, 6, 30)
    asked = due(Window(BEGINNING, now), [Window(BEGINNING, now - day)], 7 * day)
    assert asked == [Window(now - 8 * day, now)]


def test_a_window_says_its_bounds() -> None:
    assert str(Window(pendulum.datetime(2026, 1, 31), pendulum.datetime(2026, 2, 1, 12))) == (
        "[2026-01-31T00:00:00Z, 2026-02-01T12:00:00Z)"
    )


@given(st.datetimes(datetime(1971, 1, 1), datetime(9998, 1, 1), timezones=st.timezones()))  # noqa: DTZ001 - the zones are drawn
def test_the_whole_second_is_the_last_one_that_has_begun(instant: datetime) -> None:
    second = whole_second(instant)
    assert second.timezone_name == "UTC"
    assert second.microsecond == 0
    assert timedelta(0) <= instant - second < timedelta(seconds=1)


# --- spelling ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T10:20:30Z", datetime(2026, 1, 31, 10, 20, 30, tzinfo=UTC)),
        ("2026-01-31T10:20:30", datetime(2026, 1, 31, 10, 20, 30, tzinfo=UTC)),
        ("2026-01-31 10:20:30", datetime(2026, 1, 31, 10, 20, 30, tzinfo=UTC)),
        ("2026-01-31T10:20:30+02:00", datetime(2026, 1, 31, 8, 20, 30, tzinfo=UTC)),
        ("2026-01-31T10:20:30.999999Z", datetime(2026, 1, 31, 10, 20, 30, tzinfo=UTC)),
    ],
)
def test_a_moment_is_utc_at_the_whole_second(text: str, instant: datetime) -> None:
    assert moment(text) == instant
    assert moment(text).timezone_name == "UTC"


@pytest.mark.parametrize(
    "text",
    ["", " ", "yesterday", "31/01/2026", "2026-13-01", "2026-02-30", "2026-01-31T25:00:00Z", "P1D", "1782173723"],
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        moment(text)


def test_an_interval_is_no_moment() -> None:
    with pytest.raises(ValueError, match="2026-01-01/2026-02-01"):
        moment("2026-01-01/2026-02-01")


ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(datetime(1971, 1, 1), datetime(9998, 1, 1), timezones=ZONES))  # noqa: DTZ001 - the zones are drawn
def test_a_stamp_is_the_moment_it_was_made_of(instant: datetime) -> None:
    spelled = stamp(pendulum.instance(instant))
    assert spelled.endswith("Z")
    assert moment(spelled) == instant.replace(microsecond=0)
