"""How many rows lie where in time, as far as a few pages of a query tell.

    start ···gap···├ page ┤····gap····├ page ┤··gap·· end

A page shows a stretch of time with its rows; what lies between two of them is reckoned from their paces.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import isclose, log
from typing import Final, NamedTuple

import pendulum
from pendulum import DateTime

from sources.klaviyo.lanes import Range
from sources.klaviyo.windows import BEGINNING

UNLIKE: Final = 3
"""How much faster than the other a neighbour must be for a gap to be taken as crowded on its side."""

Span = tuple[float, float]
"""From one instant to another, in Unix seconds."""


@dataclass
class Piece:
    """A stretch of time, in Unix seconds, and the rows in it: seen, or else reckoned from its neighbours."""

    start: float
    end: float
    rows: float = 0.0
    pace: float = 0.0
    """Rows a second of the page that showed it; 0 where none has."""
    peak: float = 0.0
    """As `pace`, of this part of the page alone where that is more."""
    seen: bool = False
    counted: bool = False
    """By Klaviyo."""

    @property
    def seconds(self) -> float:
        return self.end - self.start


class Gap(NamedTuple):
    """A piece not seen, between two that are, or that the window ends."""

    piece: Piece
    before: float
    after: float
    """Paces of the neighbours."""
    peak: float
    """The highest that may lie within."""

    @property
    def rows(self) -> float:
        """If the pace falls, or rises, evenly in proportion from one neighbour's to the other's."""
        even = isclose(self.before, self.after, rel_tol=1e-6)
        pace = self.after if even else (self.before - self.after) / log(self.before / self.after)
        return pace * self.piece.seconds

    @property
    def most(self) -> float:
        return self.peak * self.piece.seconds

    @property
    def probe(self) -> float:
        """Where a page tells most: the middle, but near the crowded side where the neighbours differ much."""
        slower, faster = sorted((self.before, self.after))
        part = 0.5 if faster < UNLIKE * slower else 1 / (1 + (faster / slower) ** 0.25)
        return self.piece.start + self.piece.seconds * (part if self.before >= self.after else 1 - part)


class Survey:
    """What is known of the rows of one query, in one window or in all time."""

    def __init__(self, part: Range) -> None:
        self.part = part
        window = part.window
        self.pieces = [Piece(window.start.timestamp(), window.end.timestamp())] if window else [Piece(0.0, 1.0)]

    @property
    def rows(self) -> float:
        return sum(piece.rows for piece in self.pieces)

    @property
    def complete(self) -> bool:
        return all(piece.seen for piece in self.pieces)

    @property
    def untouched(self) -> bool:
        return len(self.pieces) == 1 and not self.complete

    def gaps(self) -> Iterator[Gap]:
        """What has not been seen, once a page has been."""
        for place, piece in enumerate(self.pieces):
            if not piece.seen:
                beside = [near for near in self.pieces[max(place - 1, 0) : place + 2] if near is not piece]
                yield Gap(piece, beside[0].pace, beside[-1].pace, max(near.peak for near in beside))

    def see(self, gap: Piece, start: float, times: Sequence[float], *, last: bool) -> None:
        """Take note of the rows that come next at or after an instant in a gap; `last` if there are no more."""
        inside = sorted(instant for instant in times if instant < gap.end)
        filled = last or len(inside) < len(times) or not inside
        end = gap.end if filled else min(float(int(inside[-1])) + 1, gap.end)
        pieces = (Piece(gap.start, start), *stretches(start, inside, end), Piece(end, gap.end))
        place = self.pieces.index(gap)
        self.pieces[place : place + 1] = [piece for piece in pieces if piece.seconds]
        for between in self.gaps():
            between.piece.rows = between.rows

    def replace(self, span: Span, counted: Iterable[Piece]) -> None:
        """Put what has been counted in a span of time in the place of what was known of it."""
        kept = [part for piece in self.pieces for part in outside(piece, span)]
        self.pieces = sorted([*kept, *counted], key=lambda piece: piece.start)


def stretches(start: float, times: Sequence[float], end: float) -> Iterator[Piece]:
    """The rows of a page as pieces: as a page may span quiet and crowded times, its two halves apart."""
    half = len(times) // 2
    # Of a page without rows only this is known, that another one's worth would not fit.
    since = start if start > BEGINNING.timestamp() or not times else times[0]
    pace = max(len(times), 1) / max(end - since, 1.0)
    bounds = [start, times[0], times[half], min(float(int(times[-1])) + 1, end), end] if times else [start, end]
    carried = 0
    for low, high, rows in zip(bounds, bounds[1:], [0, half, len(times) - half, 0], strict=False):
        carried += rows
        if high > low:
            # What comes after a page may be as crowded as its end.
            crowded = carried / (high - low) if low >= bounds[len(bounds) // 2] else 0.0
            yield Piece(low, high, carried, max(pace, (pace * crowded) ** 0.5), max(pace, crowded), seen=True)
            carried = 0


def outside(piece: Piece, span: Span) -> Iterator[Piece]:
    """The parts of a piece that lie outside a span."""
    for start, end in ((piece.start, min(piece.end, span[0])), (max(piece.start, span[1]), piece.end)):
        if end > start:
            yield Piece(start, end, piece.rows * (end - start) / piece.seconds, piece.pace, piece.peak, piece.seen)


def total(surveys: Iterable[Survey]) -> float:
    return sum(survey.rows for survey in surveys)


def instant(seconds: float) -> DateTime:
    return pendulum.from_timestamp(seconds)


class Curve:
    """The rows of a query, counted up over time."""

    def __init__(self, pieces: Iterable[Piece]) -> None:
        self.pieces = sorted((piece for piece in pieces if piece.rows), key=lambda piece: piece.start)
        self.starts = [piece.start for piece in self.pieces]
        self.before = [*accumulate((piece.rows for piece in self.pieces), initial=0.0)]

    @property
    def rows(self) -> float:
        return self.before[-1]

    def until(self, seconds: float) -> float:
        """Rows before an instant."""
        place = bisect_right(self.starts, seconds) - 1
        if place < 0:
            return 0.0
        piece = self.pieces[place]
        return self.before[place] + piece.rows * min((seconds - piece.start) / piece.seconds, 1.0)

    def at(self, row: float) -> DateTime:
        place = min(max(bisect_right(self.before, row) - 1, 0), len(self.pieces) - 1)
        piece = self.pieces[place]
        return instant(piece.start + piece.seconds * min((row - self.before[place]) / piece.rows, 1.0))
