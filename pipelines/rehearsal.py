"""A run performed over rows that are only imagined: by its own lanes and limiter, on a clock of their own."""

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


def of(part: Range) -> tuple[str, str]:
    """The query that a range is a part of, and whose."""
    return part.parent, part.query


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


class Stage:
    """A clock, a processor and a client that rehearsed walks share as those of a run do."""

    def __init__(self, of: Client) -> None:
        self.now = self.busy_until = 0.0
        self.limiter = Limiter(of.limiter.share, clock=lambda: self.now)
        self.client = Client("", "", of.revision, self.limiter, clock=lambda: self.now)
        self.order = count()
        self.waiting: list[tuple[float, int, Iterator[float]]] = []

    def enter(self, course: Iterator[float]) -> None:
        """Begin something that yields the seconds until it goes on."""
        heapq.heappush(self.waiting, (self.now, next(self.order), course))

    def perform(self) -> None:
        while self.waiting:
            self.now, _, course = heapq.heappop(self.waiting)
            pause = next(course, None)
            if pause is not None:
                heapq.heappush(self.waiting, (self.now + pause, next(self.order), course))

    def work(self, latency: float, labour: float) -> float:
        """Seconds until a page has been worked on: one at a time. To the client, those that wait look like slow answers."""
        done = max(self.now, self.busy_until) + labour
        pause, self.busy_until = done - self.now, done
        self.client.latency += (latency + pause - self.client.latency) * SMOOTHING
        return pause


class Rehearsal:
    """One walk, at the pace that its answers have had: seconds to wait for each, and seconds of work with each."""

    def __init__(
        self, stage: Stage, extraction: Extraction, walk: Walk, surveys: Sequence[Survey], pace: tuple[float, float]
    ) -> None:
        self.stage, self.endpoint, self.size = stage, walk.endpoint, walk.endpoint.page_size or FIXED_PAGE
        self.latency, self.labour = pace
        self.requests, self.seconds = 0, 0.0
        self.curves = {
            query: Curve(piece for survey in surveys if of(survey.part) == query for piece in survey.pieces)
            for query in dict.fromkeys(of(survey.part) for survey in surveys)
        }
        self.lanes = ImaginedLanes(
            [survey.part for survey in surveys],
            lambda part: imagined(self.curves[of(part)], part, self.size),
            lambda _page, _within: None,
            extraction.max_lanes,
            partial(stage.client.has_room, walk.endpoint),
        )
        self.lanes.opened = lambda: stage.enter(self.lane())

    def begin(self) -> None:
        pages = sum(curve.rows for curve in self.curves.values()) / self.size
        if pages > REHEARSED:
            self.reckon(pages)
        else:
            self.lanes.open_lane()

    def reckon(self, pages: float) -> None:
        """For so many pages that what lanes cost beside them hardly matters."""
        self.requests = ceil(pages) + self.lanes.most
        in_turn = self.requests * max(self.latency / self.lanes.most, self.labour)
        self.seconds = max(at_full_rate(self.stage.limiter, self.endpoint, self.requests), in_turn)

    def lane(self) -> Iterator[float]:
        """The course of a lane."""
        while (work := self.lanes.next_range()) is not None:
            for page in self.lanes.follow(work):
                while wait := self.stage.limiter.reserve(self.endpoint):
                    yield wait
                self.requests += 1
                yield self.latency
                self.stage.limiter.answered(self.endpoint)
                yield self.stage.work(self.latency, self.labour)
                if not self.lanes.place(work, page)[2]:
                    break
            self.lanes.busy.discard(work)
        self.lanes.lanes -= 1
        self.seconds = self.stage.now


def at_full_rate(limiter: Limiter, endpoint: Endpoint, requests: int) -> float:
    """Seconds until our share of the limit has let so many requests pass."""
    windows = limiter.bucket(endpoint).windows
    return max(max(requests - 1, 0) // window.requests * window.seconds for window in windows)


def per_minute(endpoint: Endpoint) -> int:
    return int(min(limit.requests * 60 / limit.seconds for limit in endpoint.limits))
