"""When the events of a year happen: by day rather than by night, and in bursts when a campaign is sent."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from math import isqrt
from typing import Final, NamedTuple

HOUR: Final = 3_600
HOURS: Final = 365 * 24

DAY: Final = (2, 1, 1, 0, 0, 1, 3, 8, 14, 18, 20, 20, 22, 20, 18, 18, 20, 24, 28, 32, 34, 28, 16, 6)
"""How busy the hours of a day are."""

SENDS: Final = range(15 + 3 * 24, HOURS, 14 * 24)
"""The hours in which a campaign is sent."""
SHARE: Final = 10
LARGEST_SHARE: Final = 50
"""What falls into such an hour, in thousandths of the year; and into the hour of the largest campaign."""
BURST: Final = 60_000
"""The most events of one second. Otherwise that second has two fifths of the hour."""


Second = tuple[int, int, int]
"""A second, the first event in it and the first one after it."""


class Hour(NamedTuple):
    begin: int
    first: int
    size: int
    burst: int
    """Events of its first second, if a campaign is sent in it. The others then come ever more slowly."""

    def offset(self, place: int) -> int:
        """The second in which the event at this place in the hour happens."""
        if not self.burst:
            return place * HOUR // self.size
        if place < self.burst:
            return 0
        return 1 + (HOUR - 1) * (place - self.burst) ** 2 // (self.size - self.burst) ** 2

    def place(self, offset: int) -> int:
        """The first place at or after a second: the inverse of `offset`."""
        if not self.burst:
            return -(-offset * self.size // HOUR)
        if offset == 0:
            return 0
        rest = self.size - self.burst
        least = -(-(offset - 1) * rest**2 // (HOUR - 1))
        return self.burst + (isqrt(least - 1) + 1 if least else 0)

    def seconds(self, start: int, stop: int) -> Iterator[Second]:
        """The seconds between two indexes, each with all of its events."""
        index, end = start, min(stop, self.first + self.size)
        if self.size <= HOUR and not self.burst:
            begin, first, size = self.begin, self.first, self.size
            yield from ((begin + (one - first) * HOUR // size, one, one + 1) for one in range(index, end))
            return
        while index < end:
            offset = self.offset(index - self.first)
            last = self.first + self.place(offset + 1)
            yield self.begin + offset, self.first + self.place(offset), last
            index = last


class Calendar:
    """So many events in the year before `until`, numbered in the order of time."""

    def __init__(self, count: int, until: int) -> None:
        self.count = count
        self.begin = until - HOURS * HOUR
        weights = [DAY[hour % 24] for hour in range(HOURS)]
        sent = SHARE * (len(SENDS) - 1) + LARGEST_SHARE
        ordinary = sum(weights)
        for hour in SENDS:
            share = LARGEST_SHARE if hour == SENDS[-1] else SHARE
            weights[hour] += ordinary * share // (1_000 - sent)
        total = sum(weights)
        self._firsts = array("q", (count * weight // total for weight in accumulate(weights, initial=0)))

    def hour(self, number: int) -> Hour:
        first, stop = self._firsts[number], self._firsts[number + 1]
        burst = min((stop - first) * 2 // 5, BURST) if number in SENDS else 0
        return Hour(self.begin + number * HOUR, first, stop - first, burst)

    def hour_of(self, index: int) -> Hour:
        return self.hour(bisect_right(self._firsts, index) - 1)

    def index(self, second: int) -> int:
        """The first event at or after a second."""
        number, offset = divmod(second - self.begin, HOUR)
        if number < 0:
            return 0
        if number >= HOURS:
            return self.count
        hour = self.hour(number)
        return hour.first + hour.place(offset)

    def second_of(self, index: int) -> Second:
        return next(self.hour_of(index).seconds(index, index + 1))

    def seconds(self, start: int, stop: int) -> Iterator[Second]:
        """The seconds in which the events from `start` to before `stop` happen."""
        while start < stop:
            hour = self.hour_of(start)
            yield from hour.seconds(start, stop)
            start = hour.first + hour.size
