"""When things happen: the shop's busy days and hours, in New York."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sandbox.story.spelling import DAY, HOUR

if TYPE_CHECKING:
    from random import Random

NEW_YORK = ZoneInfo("America/New_York")

MONTHS = (0.8, 0.8, 0.9, 0.9, 1.0, 0.9, 0.8, 0.9, 1.0, 1.1, 1.6, 1.7)
WEEKDAYS = (1.0, 1.1, 1.1, 1.1, 1.0, 0.8, 1.2)
HOURS = (2, 1, 1, 1, 1, 2, 4, 7, 10, 12, 13, 13, 14, 12, 11, 11, 11, 12, 13, 15, 17, 16, 11, 6)
SALE_DAYS = (5.0, 2.5, 2.5, 4.0)
"""Black Friday, the weekend, Cyber Monday."""
LATE_COMERS = 0.65


def black_friday(year: int) -> date:
    november = date(year, 11, 1)
    return november + timedelta(days=(3 - november.weekday()) % 7 + 22)


def local(day: date, hour: int, minute: int = 0) -> int:
    """The second at which New York's clocks show this."""
    return int(datetime(day.year, day.month, day.day, hour, minute, tzinfo=NEW_YORK).timestamp())


def busyness(day: date) -> float:
    since_black_friday = (day - black_friday(day.year)).days
    sale = SALE_DAYS[since_black_friday] if 0 <= since_black_friday < len(SALE_DAYS) else 1.0
    return MONTHS[day.month - 1] * WEEKDAYS[day.weekday()] * sale


class Calendar:
    """The days from `start` to `now`, each with its weight, so that moments can be drawn as they fall."""

    def __init__(self, start: int, now: int) -> None:
        self.start = start
        self.now = now
        first = datetime.fromtimestamp(start, UTC).date()
        self.days = [first + timedelta(days=number) for number in range((now - start) // DAY)]
        self._weights = [0.0, *accumulate(map(busyness, self.days))]
        self._hours = [0, *accumulate(HOURS)]

    def moment(self, dice: Random, since: int) -> int:
        """A second after `since`, on a day and at an hour as likely as they are busy."""
        known = self._weights[min(max(since - self.start, 0) // DAY, len(self.days) - 1)]
        day = bisect_right(self._weights, known + dice.random() * (self._weights[-1] - known)) - 1
        second = local(self.days[min(day, len(self.days) - 1)], self._hour(dice)) + dice.randrange(HOUR)
        return second if second > since else since + dice.randrange(1, DAY)

    def growth(self, dice: Random) -> int:
        """A second at which somebody new turns up: more of them as the shop becomes known."""
        earlier, later = sorted((self.moment(dice, self.start), self.moment(dice, self.start)))
        # The last day's evening, where the shop is, is after midnight.
        return min(later if dice.random() < LATE_COMERS else earlier, self.now - 1)

    def _hour(self, dice: Random) -> int:
        return bisect_right(self._hours, dice.randrange(self._hours[-1])) - 1
