"""Half-open ranges of time, `[start, end)` at whole seconds, and which of them have been read."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import pendulum
from pendulum import DateTime

BEGINNING: Final = pendulum.datetime(1970, 1, 1)
"""Before anything that Klaviyo can hold: a window from here has no lower bound."""


class Window(NamedTuple):
    start: DateTime
    end: DateTime

    @property
    def empty(self) -> bool:
        return self.end <= self.start

    def __str__(self) -> str:
        return f"[{stamp(self.start)}, {stamp(self.end)})"


def stamp(instant: DateTime) -> str:
    """The spelling that Klaviyo's filters take, e.g. `2026-01-31T00:00:00Z`."""
    return instant.in_timezone("UTC").strftime("%Y-%m-%dT%H:%M:%SZ")


def whole_second(instant: datetime) -> DateTime:
    """The second that the instant lies in."""
    return pendulum.instance(instant).in_timezone("UTC").replace(microsecond=0)


def moment(text: str) -> DateTime:
    """An ISO date or instant, in UTC unless it says otherwise, at the whole second. Raises ValueError."""
    return whole_second(pendulum.instance(datetime.fromisoformat(text), tz="UTC"))


def union(windows: Iterable[Window]) -> list[Window]:
    """The same time, in the fewest windows, in order."""
    joined: list[Window] = []
    for window in sorted(window for window in windows if not window.empty):
        if joined and window.start <= joined[-1].end:
            joined[-1] = Window(joined[-1].start, max(joined[-1].end, window.end))
        else:
            joined.append(window)
    return joined


def gaps(within: Window, read: Iterable[Window]) -> list[Window]:
    """What of `within` is in none of the windows read."""
    missing, start = [], within.start
    for window in union(read):
        missing.append(Window(start, min(window.start, within.end)))
        start = max(start, window.end)
    missing.append(Window(start, within.end))
    return [window for window in missing if not window.empty]


def without(windows: Iterable[Window], taken: Iterable[Window]) -> list[Window]:
    """The time that is in the former and not in the latter."""
    taken = [*taken]
    return [gap for window in union(windows) for gap in gaps(window, taken)]


def intersection(one: Iterable[Window], other: Iterable[Window]) -> list[Window]:
    """The time that is in both."""
    return union(Window(max(left.start, right.start), min(left.end, right.end)) for left in one for right in [*other])


def due(within: Window, read: Iterable[Window], lookback: timedelta) -> list[Window]:
    """The windows to ask for: every gap, widened backwards by the lookback, for what changed or came late since."""
    widened = [Window(max(gap.start - lookback, within.start), gap.end) for gap in gaps(within, read)]
    return union(widened)
