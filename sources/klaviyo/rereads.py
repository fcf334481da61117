"""What is read again of what may arrive late, or change without a mark: a short while often, a long one rarely.

    tier        finds what is late by up to its reach; done `every` so long
    window      [when the tier was done last - reach, now): whatever came since then and is no later than that lies in it
    cell        a part of what was read again: all of it was read at one time before, and is late by about the same

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise
from typing import Final

from pendulum import DateTime

from sources.klaviyo.windows import Window, intersection, union, without

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)

SLACK: Final = timedelta(hours=4)
"""A daily run does not start at the same second every day."""


@dataclass(frozen=True)
class Tier:
    name: str
    reach: timedelta
    every: timedelta

    def due(self, now: DateTime, done: DateTime | None) -> bool:
        return done is None or now - done >= self.every - SLACK


# Attribution attaches within 3 hours, as Klaviyo has it, and by default for orders up to 5 days after a message. Other readers of the API
# settled on 7 days after shorter ones had missed events, and have met some 17 days late. An account may attribute for up to 90 days.
TIERS: Final = (
    Tier("each_run", 7 * DAY, timedelta()),
    Tier("daily", 14 * DAY, DAY),
    Tier("weekly", 30 * DAY, 7 * DAY),
    Tier("monthly", 90 * DAY, 30 * DAY),
)

BANDS: Final = (
    *(hours * HOUR for hours in (0, 1, 3, 6, 12)),
    *(days * DAY for days in (1, 2, 3, 5, 7, 14, 30, 60, 90, 180)),
)
"""Where lateness is told apart; the last band has no end."""


@dataclass(frozen=True)
class Cell:
    """A part of what is read again."""

    tier: str
    """The shortest of those that read it."""
    window: Window
    late_from: timedelta
    late_to: timedelta | None
    """How long after it happened what is found here was not there yet, or not as it is."""


def tiers_of(reach_days: Mapping[str, float]) -> tuple[Tier, ...]:
    """The tiers with other reaches; one of 0 days is none. Raises KeyError for a name that no tier has."""
    known = {tier.name: tier for tier in TIERS}
    reaches = {tier.name: tier.reach for tier in TIERS}
    reaches |= {known[name].name: days * DAY for name, days in reach_days.items()}
    return tuple(replace(tier, reach=reaches[tier.name]) for tier in TIERS if reaches[tier.name])


def trailing(tiers: Sequence[Tier], done: Mapping[str, DateTime], within: Window, now: DateTime) -> dict[str, Window]:
    """The window of each tier that is due, shortest first."""
    due = [tier for tier in tiers if tier.due(now, done.get(tier.name))]
    windows = {
        tier.name: Window(max((done.get(tier.name) or within.end) - tier.reach, within.start), within.end)
        for tier in sorted(due, key=lambda one: one.reach)
    }
    return {name: window for name, window in windows.items() if not window.empty}


def newest_first(fresh: Sequence[Window], due: Mapping[str, Window]) -> list[Window]:
    """The windows to read: what is new, together with what the shortest tier reads again; after it, what longer ones do."""
    shortest = [*due.values()][:1]
    first = union([*fresh, *shortest])
    return [*first, *without(union(due.values()), first)]


def cells(
    due: Mapping[str, Window], read: Sequence[Window], tiers: Sequence[Tier], done: Mapping[str, DateTime]
) -> list[Cell]:
    """What of the due windows was read before, and when that was, in parts by lateness. What no tier has read is left out."""
    covered = {Window(at - tier.reach, at): at for tier in tiers if (at := done.get(tier.name))}
    found: list[Cell] = []
    for part in apart([*due.values(), *covered], read):
        tier = next((name for name, window in due.items() if within(part, window)), None)
        seen = max((at for window, at in covered.items() if within(part, window)), default=None)
        if tier and seen:
            found += by_lateness(tier, part, seen)
    return found


def within(part: Window, window: Window) -> bool:
    return window.start <= part.start and part.end <= window.end


def apart(windows: Sequence[Window], among: Sequence[Window]) -> Iterator[Window]:
    """The time that is among others, in parts in which no window begins or ends."""
    edges = sorted({edge for window in windows for edge in window})
    for start, end in pairwise(edges):
        yield from intersection([Window(start, end)], among)


def by_lateness(tier: str, part: Window, seen: DateTime) -> Iterator[Cell]:
    """A part that was read at one time before, cut at the bands."""
    for late_from, late_to in zip(BANDS, [*BANDS[1:], None], strict=True):
        start = part.start if late_to is None else max(part.start, seen - late_to)
        window = Window(start, min(part.end, seen - late_from))
        if not window.empty:
            yield Cell(tier, window, late_from, late_to)
