"""A walk performed over rows that are only imagined: by the run's lanes and limiter, on a clock of its own."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from itertools import count
from math import ceil
from typing import Final, NamedTuple

from pipelines.survey import Curve, Survey
from sources.klaviyo.client import SMOOTHING, Client
from sources.klaviyo.contract import Endpoint
from sources.klaviyo.extraction import Extraction
from sources.klaviyo.lanes import Lanes, Range
from sources.klaviyo.limits import Limiter
from sources.klaviyo.walk import Walk

REHEARSED: Final = 4_000
"""Pages up to which a walk is rehearsed; what lanes cost beside so many pages hardly matters."""
FIXED_PAGE: Final = 200
"""Rows of a page where Klaviyo lets nobody choose."""
HALF: Final = 0.5
"""Of a row: figures are fractions where they are reckoned."""


class Stretch(NamedTuple):
    """A page that is only imagined."""

    first: datetime | None
    last: datetime | None
    next: str | None


def imagined(curve: Curve, part: Range, size: int) -> Iterator[Stretch]:
    """The pages of a range, as it is when the first one is asked for."""
    row, end = 0.0, curve.rows
    if part.window:
        row, end = curve.until(part.window.start.timestamp()), curve.until(part.window.end.timestamp())
    while (top := min(row + size, end)) < end - HALF:
        yield imagined_page(curve, part, (row, top), "more")
        row = top
    yield imagined_page(curve, part, (row, end), None)


def imagined_page(curve: Curve, part: Range, rows: tuple[float, float], more: str | None) -> Stretch:
    first, last = rows[0] + HALF, rows[1] - HALF
    if part.window is None or last < first - HALF:
        return Stretch(None, None, more)
    return Stretch(curve.at(first), curve.at(last), more)


class ImaginedLanes(Lanes[Stretch, None]):
    """The run's lanes, by the run's rules, moved by a rehearsal instead of threads."""

    opened: Callable[[], None]

    def open_lane(self) -> None:
        if self.lanes < self.most and (self.todo or self.richest() is not None):
            self.lanes += 1
            self.most_at_once = max(self.most_at_once, self.lanes)
            self.opened()


class Rehearsal:
    """A walk over rows that are only imagined, at the run's pace."""

    def __init__(
        self, extraction: Extraction, walk: Walk, surveys: Sequence[Survey], latency: float, labour: float
    ) -> None:
        self.now, self.requests, self.latency, self.labour = 0.0, 0, latency, labour
        self.busy_until = 0.0
        """The processor: it takes one page after another."""
        self.endpoint, self.size = walk.endpoint, walk.endpoint.page_size or FIXED_PAGE
        self.limiter = Limiter(extraction.client.limiter.share, clock=lambda: self.now)
        self.client = Client("", "", extraction.client.revision, self.limiter, clock=lambda: self.now)
        # The run has one notion of latency, which the collections with the largest pages make.
        self.client.latency = max(latency, extraction.client.latency)
        self.curves = {
            query: Curve(piece for survey in surveys if survey.part.query == query for piece in survey.pieces)
            for query in dict.fromkeys(survey.part.query for survey in surveys)
        }
        self.lanes = ImaginedLanes(
            [survey.part for survey in surveys],
            lambda part: imagined(self.curves[part.query], part, self.size),
            lambda _page, _within: None,
            extraction.max_lanes,
            partial(self.client.has_room, walk.endpoint),
        )
        self.lanes.opened = self.enter
        self.order = count()
        self.waiting: list[tuple[float, int, Iterator[float]]] = []

    def perform(self) -> tuple[int, float]:
        """Requests and seconds that the walk takes."""
        pages = sum(curve.rows for curve in self.curves.values()) / self.size
        if pages > REHEARSED:
            return self.reckon(pages)
        self.lanes.open_lane()
        while self.waiting:
            self.now, _, lane = heapq.heappop(self.waiting)
            self.move(lane)
        return self.requests, self.now

    def reckon(self, pages: float) -> tuple[int, float]:
        """As `perform`, for so many pages that what lanes cost beside them hardly matters."""
        requests = ceil(pages) + self.lanes.most
        in_turn = requests * max(self.latency / self.lanes.most, self.labour)
        return requests, max(at_full_rate(self.limiter, self.endpoint, requests), in_turn)

    def queue(self) -> float:
        """Seconds until a page has been worked on; to the client, pages that wait look like slow answers."""
        done = max(self.now, self.busy_until) + self.labour
        pause, self.busy_until = done - self.now, done
        self.client.latency += (self.latency + pause - self.client.latency) * SMOOTHING
        return pause

    def enter(self) -> None:
        heapq.heappush(self.waiting, (self.now, next(self.order), self.lane()))

    def move(self, lane: Iterator[float]) -> None:
        pause = next(lane, None)
        if pause is not None:
            heapq.heappush(self.waiting, (self.now + pause, next(self.order), lane))

    def lane(self) -> Iterator[float]:
        """The course of a lane: the seconds that each step takes."""
        while (work := self.lanes.next_range()) is not None:
            for page in self.lanes.follow(work):
                while wait := self.limiter.reserve(self.endpoint):
                    yield wait
                self.requests += 1
                yield self.latency
                yield self.queue()
                if not self.lanes.place(work, page)[2]:
                    break
            self.lanes.busy.discard(work)
        self.lanes.lanes -= 1


def at_full_rate(limiter: Limiter, endpoint: Endpoint, requests: int) -> float:
    """Seconds until our share of the limit has let so many requests pass."""
    windows = limiter.bucket(endpoint).windows
    return max(max(requests - 1, 0) // window.requests * window.seconds for window in windows)


def per_minute(endpoint: Endpoint) -> int:
    return int(min(limit.requests * 60 / limit.seconds for limit in endpoint.limits))
