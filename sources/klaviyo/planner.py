"""What to ask a report next, and how much of the day's allowance it may cost. Pure.

Days are those of the account's own calendar, written as windows between midnights. A day is *open* while what was sent
on it may still be opened, clicked or bought from: its figures are asked for again. Later it is *settled*: asked for once
more, and never again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

import pendulum
from pendulum import DateTime

from sources.klaviyo.windows import Window, gaps, moment, stamp, union

State = dict[str, Any]
Period = Literal["day", "week", "month"]

DAY: Final = timedelta(days=1)
LATELY: Final = timedelta(days=2)
"""Days that settle between two refreshes wait for the next one."""
SPAN: Final = timedelta(days=1)
"""Of the daily allowance. Klaviyo does not say when its day begins: any span of a day is kept within the allowance."""


class Question(NamedTuple):
    """Days to ask about, and the metric where the answer depends on one."""

    metric: str
    window: Window
    settled: DateTime
    """Days before this one no longer change."""

    @property
    def for_good(self) -> Window:
        """The days that need not be asked for again; empty if all are open."""
        return Window(self.window.start, min(self.window.end, self.settled))

    def __str__(self) -> str:
        return f"{self.window.start.date()} to {(self.window.end - DAY).date()}"


class Refresh(NamedTuple):
    """What has lately been read of open days, which ended here when that began: over as many runs as it took."""

    end: DateTime
    read: list[Window]


def midnight(instant: DateTime) -> DateTime:
    """The local day of an instant, as days are written here."""
    return pendulum.datetime(instant.year, instant.month, instant.day)


def begun(day: DateTime, period: Period) -> DateTime:
    """The first day of the period that a day lies in."""
    if period == "month":
        return day.replace(day=1)
    return day.subtract(days=day.weekday()) if period == "week" else day


def ended(day: DateTime, period: Period) -> DateTime:
    """The first day after the period that the day before lies in."""
    start = begun(day - DAY, period)
    return start.add(months=1) if period == "month" else start.add(days=7 if period == "week" else 1)


@dataclass(frozen=True)
class Calendar:
    """The days that a report is about, as of today."""

    period: Period
    since: DateTime
    today: DateTime
    open_days: int
    """How long a day's figures go on changing."""
    longest: timedelta
    """The most days that one question may span."""

    def questions(
        self,
        metrics: Sequence[str],
        read: Mapping[str, Iterable[Window]],
        refreshes: Mapping[str, Refresh] = MappingProxyType({}),
    ) -> list[Question]:
        """What is due, in the order of what it is worth: days that still change, then history, each from its newest end.

        By metric, `read` are the settled days that have been read, and `refreshes` what has lately been read of the open ones.
        """
        due = [
            question
            for metric in metrics
            for window in self.due(read.get(metric, ()), refreshes.get(metric))
            for question in self.pieces(metric, window)
        ]
        # Sorting keeps the order of metrics.
        return sorted(due, key=lambda question: question.window.end, reverse=True)

    def due(self, read: Iterable[Window], refresh: Refresh | None) -> list[Window]:
        """The days to ask for; those settled since the open ones were read go with them."""
        missing = gaps(Window(self.start, self.settled), read)
        if refresh is None:
            return union([*missing, Window(self.settled, self.end)])
        lately = [gap for gap in missing if gap.end == self.settled and gap.end - gap.start <= LATELY]
        still_open = gaps(Window(self.settled, min(self.end, refresh.end)), refresh.read)
        return union([*(gap for gap in missing if gap not in lately), *still_open])

    def within(self, asked: Window, metrics: Sequence[str]) -> list[Question]:
        """A range that somebody names, whatever has been read of it; in whole periods."""
        end = min(ended(asked.end, self.period), self.end)
        window = Window(max(begun(asked.start, self.period), self.start), end)
        return [question for metric in metrics for question in self.pieces(metric, window)]

    def pieces(self, metric: str, window: Window) -> Iterator[Question]:
        """The window in as few parts of whole periods as questions may hold, the newest first."""
        end = window.end
        while end > window.start:
            earliest = max(end - self.longest, window.start)
            start = begun(earliest, self.period)
            start = start if start == earliest else ended(earliest, self.period)
            yield Question(metric, Window(start, end), self.settled)
            end = start

    @property
    def start(self) -> DateTime:
        return begun(self.since, self.period)

    @property
    def settled(self) -> DateTime:
        """The first day, or the first of the month, that may still change."""
        return max(begun(self.today.subtract(days=self.open_days), self.period), self.start)

    @property
    def end(self) -> DateTime:
        """The end of the period that today lies in."""
        return ended(self.today + DAY, self.period)


class Here(NamedTuple):
    """The account's own time, written as if it were UTC, and its zone."""

    now: DateTime
    zone: ZoneInfo


@dataclass
class Budget:
    """The requests that one endpoint takes a day: counted in dlt's state, which is committed with the rows they brought."""

    state: Callable[[], State]
    allowed: int | None
    """Our share of the daily limit; None where there is none."""
    clock: Callable[[], DateTime] = lambda: pendulum.now("UTC")

    @property
    def spent(self) -> int:
        return sum(self.recent().values())

    @property
    def left(self) -> int | None:
        """Requests that may be sent now; None for any number."""
        if self.clock() < self.barred_until:
            return 0
        return None if self.allowed is None else max(self.allowed - self.spent, 0)

    def spend(self, requests: int) -> None:
        """Count requests that have been sent."""
        if self.allowed is None:
            return
        minute = stamp(self.clock().replace(second=0))
        recent = self.recent()
        self.state()["requests"] = recent | {minute: recent.get(minute, 0) + requests}

    def bar(self, seconds: float) -> None:
        """Klaviyo says that the day is spent, whoever spent it."""
        self.state()["barred_until"] = stamp(self.clock() + timedelta(seconds=seconds))

    @property
    def resumes(self) -> DateTime:
        """When there is something left again."""
        oldest = min((moment(minute) + SPAN + timedelta(minutes=1) for minute in self.recent()), default=self.clock())
        full = self.allowed is not None and self.spent >= self.allowed
        return max(oldest if full else self.clock(), self.barred_until)

    @property
    def barred_until(self) -> DateTime:
        noted = self.state().get("barred_until")
        return moment(noted) if noted else pendulum.datetime(1970, 1, 1)

    def recent(self) -> dict[str, int]:
        """Requests of the last day, by minute."""
        since = self.clock() - SPAN - timedelta(minutes=1)
        return {minute: count for minute, count in self.state().get("requests", {}).items() if moment(minute) > since}
