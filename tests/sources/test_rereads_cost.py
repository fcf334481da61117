"""What reading events again costs an account of any size, beside a reader who knew before which had changed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from math import ceil
from typing import Final

import pendulum
import pytest
from pendulum import DateTime

from sources.klaviyo.rereads import newest_first, tiers_of, trailing
from sources.klaviyo.windows import Window, due

BEGINNING: Final = pendulum.datetime(2025, 1, 1)
BEFORE, DAYS = 120, 90
PAGE: Final = 1_000
LATE: Final = {0: 1 / 12, 3: 1 / 12, 11: 1 / 60, 19: 1 / 12, 27: 1 / 120}
"""By age in days, the share of a day's events that turn up, or are attributed, only then: about as in the simulated quarter."""


def ours(events: int, reach: Mapping[str, float]) -> int:
    """Requests for events by a run each day, at so many events a day."""
    tiers, done, read = tiers_of(reach), dict[str, DateTime](), list[Window]()
    count = 0
    for day in range(BEFORE, BEFORE + DAYS):
        now = BEGINNING.add(days=day)
        within = Window(BEGINNING, now)
        rereads = trailing(tiers, done, within, now)
        windows = newest_first(due(within, read, timedelta(minutes=10)), rereads)
        if day > BEFORE:
            count += sum(max(ceil((window.end - window.start).total_days() * events / PAGE), 1) for window in windows)
        done |= dict.fromkeys(rereads, now)
        read = [within]
    return count


def ideal(events: int) -> int:
    """As many as show each event that is new or has changed, by pages that begin with one."""
    return sum(pages(changed(events, day)) for day in range(BEFORE + 1, BEFORE + DAYS))


def changed(events: int, day: int) -> Iterator[int]:
    """Places of the events that are new or have changed, in order, those of one age evenly over their day."""
    for age, share in sorted(LATE.items(), reverse=True):
        number = round(events * share)
        yield from ((day - 1 - age) * events + place * events // number for place in range(number))
    yield from range((day - 1) * events, day * events)


def pages(places: Iterable[int]) -> int:
    count, end = 0, 0
    for place in sorted(places):
        if place >= end:
            count, end = count + 1, place + PAGE
    return count


REACHES: Final[dict[str, dict[str, float]]] = {
    "as it is": {},
    "short": {"each_run": 0.25, "daily": 2, "weekly": 7, "monthly": 30},
}


@pytest.mark.parametrize(
    ("tiers", "events", "most"),
    [("as it is", 1_000, 4.2), ("as it is", 3_000, 4.2), ("as it is", 10_000, 4.2), ("short", 3_000, 1.3)],
)
def test_what_reading_again_costs_beside_a_reader_who_knew_what_had_changed(
    tiers: str, events: int, most: float
) -> None:
    asked, least = ours(events, REACHES[tiers]), ideal(events)
    print(f"{events} events a day, tiers {tiers}: {asked} requests, {least} ideal, {asked / least:.1f} times")  # noqa: T201 - shown by -s
    assert asked <= most * least
