"""A collection in memory that is listed as Klaviyo lists one, quirks included, without a network."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

import pendulum
from pendulum import DateTime

from sources.klaviyo import contract
from sources.klaviyo.errors import CursorExpired
from sources.klaviyo.lanes import Lanes
from sources.klaviyo.spec import Cursor, Resource
from sources.klaviyo.walk import Walk
from sources.klaviyo.windows import Window
from tests.sources.filters import conditions
from tests.sources.pages import REVISION

DAWN = pendulum.datetime(2025, 1, 1)
ONE_SECOND = timedelta(seconds=1)


class Row(NamedTuple):
    time: datetime
    id: int


class Page(NamedTuple):
    items: list[Row]
    next: str | None

    @property
    def first(self) -> datetime | None:
        return min((row.time for row in self.items), default=None)

    @property
    def last(self) -> datetime | None:
        return max((row.time for row in self.items), default=None)


def at(second: float) -> DateTime:
    return DAWN + timedelta(seconds=second)


def window(start: float, end: float) -> Window:
    return Window(at(start), at(end))


@dataclass
class Listing:
    """Answers as a client does. Rows are listed in the order of their ranks, which may be a little out of time's order."""

    rows: Mapping[str, Iterable[Row]]
    """By the query that lists them, in the order in which they are listed."""
    page_size: int = 10
    path: str = "/api/events"
    around: bool = False
    """Whether the filter lets rows of the seconds beside its bounds pass."""
    hollow: int = 0
    """Each so-manieth page is empty and leads on."""
    trailing: bool = False
    """Whether an empty page follows the last one."""
    expires: frozenset[int] = frozenset()
    """Requests, counted from one, whose page cursor has expired."""
    fails: frozenset[int] = frozenset()
    changes: Mapping[int, Callable[[Listing], None]] = field(default_factory=dict)
    """What happens to the collection before a request."""
    gate: Callable[[], None] = lambda: None
    """Called by each request before it is answered."""

    def __post_init__(self) -> None:
        self.ranked: dict[str, list[tuple[float, Row]]] = {
            query: [(float(rank), row) for rank, row in enumerate(rows)] for query, rows in self.rows.items()
        }
        self.lock = threading.Lock()
        self.requests = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self.expired = 0

    def read(self, _endpoint: object, target: str, _parse: object, _tally: object) -> Page:
        with self.lock:
            self.requests += 1
            number = self.requests
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            self.gate()
            with self.lock:
                if number in self.changes:
                    self.changes[number](self)
                if number in self.fails:
                    raise ConnectionError("the line is cut")
                return self.page(number, {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()})
        finally:
            with self.lock:
                self.in_flight -= 1

    def page(self, number: int, asked: Mapping[str, str]) -> Page:
        cursor = asked.get("page[cursor]")
        if cursor and number in self.expires:
            self.expired += 1
            raise CursorExpired("the page cursor has expired")
        query, lower, upper = self.bounds(asked.get("filter", ""))
        after = float(cursor.split()[0]) if cursor else float("-inf")
        left = [(rank, row) for rank, row in self.ranked[query] if rank > after and lower <= row.time < upper]

        def link(rank: float) -> str:
            return f"{self.path}?{urlencode({**asked, 'page[cursor]': f'{rank} {number}'})}"

        if self.hollow and number % self.hollow == 0:
            return Page([], link(after))
        shown = left[: self.page_size]
        goes_on = len(left) > self.page_size or (self.trailing and shown)
        return Page([row for _, row in shown], link(shown[-1][0]) if goes_on else None)

    def bounds(self, text: str) -> tuple[str, DateTime, DateTime]:
        """The query without its window, and the window as the filter understands it."""
        query, lower, upper = [], at(-1e9), at(1e10)
        for one in conditions(text):
            if one.operator == "equals":
                query.append(f"equals({one.on},{one.value})")
                continue
            instant = pendulum.instance(datetime.fromisoformat(one.value))
            if one.operator == "less-than":
                upper = instant
            else:
                lower = instant + (ONE_SECOND if one.operator == "greater-than" else timedelta(0))
        assert upper - lower >= ONE_SECOND, f"Klaviyo refuses ranges of less than a second: {text}"
        if self.around:
            return ",".join(query), lower - ONE_SECOND, upper + ONE_SECOND
        return ",".join(query), lower, upper

    def add(self, query: str, row: Row) -> None:
        """A row that appears where its time belongs."""
        later = (rank for rank, other in self.ranked[query] if other.time > row.time)
        rank = min(later, default=len(self.ranked[query]) + row.id) - 0.5 - random.Random(row.id).random() / 4
        self.ranked[query] = sorted([*self.ranked[query], (rank, row)])

    def move(self, id_: int, to: datetime) -> None:
        for query, ranked in self.ranked.items():
            if any(row.id == id_ for _, row in ranked):
                self.ranked[query] = [(rank, row) for rank, row in ranked if row.id != id_]
                self.add(query, Row(to, id_))

    # --- walking it ------------------------------------------------------------------------------------------------

    @property
    def host(self) -> Resource:
        partitions = {query: query for query in self.rows}
        return Resource(name="events", grain="", path=self.path, cursor=Cursor(field="datetime"), partitions=partitions)

    def lanes(self, windows: Iterable[Window | None], most: int, **settings: Any) -> Lanes[Page, list[Row]]:
        """Lanes over this collection, as an extraction makes them."""
        walk = Walk(self.host, [], contract.load(REVISION))
        by = "datetime" if self.path == "/api/events" else "updated"
        follow: Any = walk.follow
        reader = SimpleNamespace(cursor=by, page=None)
        return Lanes(walk.ranges([*windows]), partial(follow, self, reader), inside, most, **settings)


def inside(page: Page, within: Window | None) -> list[Row]:
    return [row for row in page.items if within is None or within.start <= row.time < within.end]


@dataclass
class Rounds:
    """Answers one request after another, each when no lane has anything else to do; so there is latency, but no chance.

    A round answers the requests that are under way when it begins.
    """

    listing: Listing
    in_flight: list[int] = field(default_factory=list)
    """Requests under way in each round."""

    def __post_init__(self) -> None:
        self.listing.gate = self.wait
        self.changed = threading.Condition()
        self.waiting: list[int] = []
        self.tickets = 0

    def wait(self) -> None:
        with self.changed:
            ticket, self.tickets = self.tickets, self.tickets + 1
            self.waiting.append(ticket)
            assert self.changed.wait_for(lambda: ticket not in self.waiting, timeout=20)

    def run(self, lanes: Lanes[Page, list[Row]]) -> None:
        while asked := self.rest(lanes):
            self.in_flight.append(len(asked))
            for ticket in asked:
                before = lanes.lanes
                with self.changed:
                    self.waiting.remove(ticket)
                    self.changed.notify_all()
                self.rest(lanes)
                with lanes.changed:
                    assert lanes.lanes >= before or lanes.richest() is None, "a lane left though there was work for it"

    def rest(self, lanes: Lanes[Page, list[Row]]) -> list[int]:
        """Wait until every lane waits for an answer. The requests under way; none when all is over."""
        deadline = time.monotonic() + 20
        while True:
            with lanes.changed, self.changed:
                if lanes.lanes == len(self.waiting) and not lanes.waiting and (self.waiting or lanes.done):
                    return [*self.waiting]
            assert time.monotonic() < deadline, "the lanes do not come to rest"
            time.sleep(0.0001)


def query_of(number: int) -> str:
    return f'equals(metric_id,"{number}")'
