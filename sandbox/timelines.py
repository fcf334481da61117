"""The events of one metric in the order of time."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from sandbox.account import Account, Event
from sandbox.listing import ALWAYS_ORDERED_ANEW


class Ordered(Protocol):
    """Events by (second, id): all of an account, or some."""

    def __len__(self) -> int: ...

    def at(self, index: int) -> Event: ...

    def some(self, indexes: range) -> Sequence[Event]: ...

    def index(self, second: int, event_id: str = "") -> int: ...


@runtime_checkable
class KnowsMetrics(Protocol):
    """Events that tell those of a metric apart by themselves."""

    def of(self, metric_id: str) -> Ordered: ...


@dataclass(frozen=True, slots=True)
class Timeline:
    events: list[Event]

    def __len__(self) -> int:
        return len(self.events)

    def at(self, index: int) -> Event:
        return self.events[index]

    def some(self, indexes: range) -> Sequence[Event]:
        return [self.events[index] for index in indexes]

    def index(self, second: int, event_id: str = "") -> int:
        return bisect_left(self.events, (second, event_id), key=lambda event: (event.second, event.id))


@dataclass(slots=True)
class Timelines:
    """Those of all metrics; in large accounts kept until the account changes."""

    account: Account
    _kept: dict[str, Timeline] | None = None

    def forget(self) -> None:
        self._kept = None

    def of(self, metric_id: str) -> Ordered:
        if isinstance(self.account.events, KnowsMetrics):
            return self.account.events.of(metric_id)
        if self._kept is None or len(self.account.events) <= ALWAYS_ORDERED_ANEW:
            self._kept = self._sorted()
        return self._kept.get(metric_id, Timeline([]))

    def _sorted(self) -> dict[str, Timeline]:
        events, found = self.account.events, defaultdict[str, list[Event]](list)
        for index in range(len(events)):
            event = events.at(index)
            if event.metric_id is not None:
                found[event.metric_id].append(event)
        return {metric_id: Timeline(some) for metric_id, some in found.items()}
