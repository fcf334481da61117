"""One person in one list or segment, from when to when: built from what Klaviyo showed and told, and how precise that is. Pure.

What Klaviyo shows outweighs what was found missing, and both outweigh events: a member who joined at one time and is shown at
a later one was there all the time between.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final, Literal

ALIKE: Final = timedelta(minutes=5)
"""Within which two tell of the same joining, or leaving."""
LONG_AGO: Final = datetime(1, 1, 1, tzinfo=UTC)

Begun = Literal["joined_group_at", "event", "unknown"]
Ended = Literal["event", "seen", "rejoined", "merged"]


@dataclass(frozen=True)
class Shown:
    """Klaviyo showed the member, who had joined last at `joined`, and was there still at `seen`."""

    joined: datetime
    seen: datetime


@dataclass(frozen=True)
class Missing:
    """The member was not shown any more at `at`, and was there `after`, as far as that is known."""

    at: datetime
    after: datetime | None = None
    by: Literal["seen", "merged"] = "seen"
    of: datetime | None = None
    """The joining, told by an event, that was never shown; by default whichever was last."""


@dataclass(frozen=True)
class Joined:
    """An event told so."""

    at: datetime
    shown: bool = True
    """False where Klaviyo showed nobody who had joined then. To who is known to be there it then means nothing."""


@dataclass(frozen=True)
class Left:
    """An event told so."""

    at: datetime


Fact = Shown | Missing | Joined | Left


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A membership. Its end, where nobody told it, lies after `valid_to_after` and not after `valid_to`."""

    valid_from: datetime | None
    valid_from_by: Begun
    valid_from_after: datetime | None = None
    valid_to: datetime | None = None
    valid_to_by: Ended | None = None
    valid_to_after: datetime | None = None
    seen_at: datetime | None = None
    """The last time at which the member is known to have been shown."""

    @property
    def begun(self) -> datetime:
        return self.valid_from or self.valid_from_after or LONG_AGO

    @property
    def known(self) -> datetime:
        """The last time at which the person is known to have been a member."""
        return max(self.begun, self.seen_at or LONG_AGO)

    @property
    def facts(self) -> Iterator[Fact]:
        """What it was built from, as far as it matters still."""
        if self.valid_from_by == "event" and self.valid_from:
            yield Joined(self.valid_from)
        if self.valid_from_by != "event" and self.seen_at:
            yield Shown(self.valid_from or LONG_AGO, self.seen_at)
        if self.valid_to:
            match self.valid_to_by:
                case "event":
                    yield Left(self.valid_to)
                case "seen" | "merged" as by:
                    yield Missing(self.valid_to, self.valid_to_after, by)


def intervals(facts: Iterable[Fact]) -> list[Interval]:
    """The memberships that the facts amount to, in order; they do not overlap, and only the last may be open."""
    facts = {*facts}
    spans = shown_spans(facts)
    facts -= {Joined(fact.at) for fact in facts if isinstance(fact, Joined) and not fact.shown}
    told = (fact for fact in facts if not isinstance(fact, Shown) and not refuted(fact, spans))
    built = History()
    for fact in sorted([*spans, *told], key=order):
        match fact:
            case Shown():
                built.shown(fact)
            case Joined():
                built.joined(fact)
            case Left():
                built.left(fact.at)
            case Missing():
                built.missing(fact)
    found = [*built.over, *([built.open] if built.open else [])]
    refuse_overlap(found)
    return found


def refuse_overlap(found: list[Interval]) -> None:
    """Raises ValueError for memberships that overlap, end before they begin, or are open twice."""
    for one in found:
        if one.valid_to and one.valid_to < one.begun:
            raise ValueError(f"a membership that ends before it begins: {one}")
    for one, following in pairwise(found):
        if one.valid_to is None or following.begun < one.valid_to:
            raise ValueError(f"two memberships of one person at once: {one}, {following}")


def shown_spans(facts: Iterable[Fact]) -> list[Shown]:
    """From when to when the member is known to have been there; who has joined again was not there all the time before."""
    latest: dict[datetime, datetime] = {}
    for fact in facts:
        if isinstance(fact, Shown):
            latest[fact.joined] = max(fact.seen, fact.joined, latest.get(fact.joined, LONG_AGO))
    spans = sorted(latest.items())
    ends = [joined for joined, _ in spans[1:]]
    return [Shown(joined, min([seen, *ends[place : place + 1]])) for place, (joined, seen) in enumerate(spans)]


def refuted(fact: Joined | Left | Missing, spans: Iterable[Shown]) -> bool:
    """Whether the member was there all the time around."""
    return any(span.joined < fact.at <= span.seen for span in spans)


def order(fact: Fact) -> tuple[datetime, int]:
    """By time; who leaves and joins within a second has left before."""
    if isinstance(fact, Shown):
        return fact.joined, 3
    return fact.at, 2 if isinstance(fact, Joined) else 1 if isinstance(fact, Missing) else 0


class History:
    """Memberships as they come about."""

    def __init__(self) -> None:
        self.over: list[Interval] = []
        self.open: Interval | None = None

    def shown(self, fact: Shown) -> None:
        if fact.joined == LONG_AGO:
            self.open = Interval(valid_from=None, valid_from_by="unknown", seen_at=fact.seen)
            return
        if self.open and not self.told_twice(fact.joined):
            self.end(fact.joined, "rejoined", self.open.known)
        self.open = Interval(valid_from=fact.joined, valid_from_by="joined_group_at", seen_at=fact.seen)

    def joined(self, fact: Joined) -> None:
        if self.open:
            if self.told_twice(fact.at) or not fact.shown:
                return
            self.end(fact.at, "rejoined", self.open.known)
        self.open = Interval(valid_from=fact.at, valid_from_by="event")

    def told_twice(self, at: datetime) -> bool:
        return self.open is not None and self.open.valid_from is not None and at - self.open.valid_from <= ALIKE

    def left(self, at: datetime) -> None:
        if self.open:
            self.end(at, "event", None)
            return
        last = self.over[-1] if self.over else None
        if last and last.valid_to and at - last.valid_to <= ALIKE:
            # Told a little after it was seen, or twice.
            if last.valid_to_by == "seen":
                self.over[-1] = replace(last, valid_to=at, valid_to_by="event", valid_to_after=None)
            return
        # Who leaves was there, since when is not known.
        self.open = Interval(valid_from=None, valid_from_by="unknown", valid_from_after=last.valid_to if last else None)
        self.end(at, "event", None)

    def missing(self, fact: Missing) -> None:
        if self.open and fact.of in (None, self.open.valid_from):
            self.end(fact.at, fact.by, max(self.open.known, fact.after or LONG_AGO))

    def end(self, at: datetime, by: Ended, after: datetime | None) -> None:
        assert self.open is not None
        after = None if after == LONG_AGO else after
        self.over.append(replace(self.open, valid_to=at, valid_to_by=by, valid_to_after=after))
        self.open = None
