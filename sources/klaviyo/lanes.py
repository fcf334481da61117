"""Ranges of a collection walked at once, by lanes that take work from each other.

A lane walks its range in ascending order, page after page. Where there is more than one lane can fetch, another one joins
and takes the later half of the range that is expected to hold most; the robbed lane goes on with the page
cursor it has and stops at its new end. No plan is made, so no skew can spoil it.

    range   [start ······ position ······ end)
             delivered     │       │
                           │       └ a thief's new range begins in the middle of what remains, here
                           └ the last row seen

Rules, each with a test that breaks without it:
- Ranges are disjoint, and rows are kept only within their range: every row comes out once, whatever else a page holds.
- A range ends when its pages end, or when a whole page lies at or past its end: pages may be a little unsorted.
- What has been read of a range reaches to the *lowest* row of the latest page, for the same reason.
- A range is split at whole seconds, in parts of at least one second, which is what Klaviyo's filter can tell apart.
- The walk is over when every range is; the first error ends it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Generic, Protocol, TypeVar

import pendulum
from pendulum import DateTime

from sources.klaviyo.windows import Window, whole_second

PAGES_WAITING: Final = 8
"""Pages whose rows wait to be taken, beside the one that each lane holds: the bound of our memory."""
ONE_SECOND: Final = timedelta(seconds=1)
WORTH_SPLITTING: Final = 3
"""Pages that a range must be expected to hold still: each split costs a part of two."""


class Page(Protocol):
    """As much of a page as lanes need to know."""

    @property
    def first(self) -> datetime | None: ...

    @property
    def last(self) -> datetime | None: ...

    @property
    def next(self) -> str | None: ...


P = TypeVar("P", bound=Page)
R = TypeVar("R")


@dataclass(eq=False)
class Range:
    """A part of one query: all of it where `window` is None, and then one lane's alone."""

    query: str
    window: Window | None
    reached: DateTime | None = None
    """The highest row seen: what remains to be read lies at or after it."""
    sure: DateTime | None = None
    """The lowest row of the latest page: all below it has been seen, even where pages are a little unsorted."""
    pace: timedelta | None = None
    """The time that the latest page spans; None until a page has been seen that another one follows."""
    parent: str = ""
    """The object whose collection this is, where each has one."""
    order: str = ""
    """The field by which its pages are asked for, where that is not the walk's."""

    @property
    def position(self) -> DateTime:
        assert self.window is not None
        return max(self.window.start, self.reached) if self.reached else self.window.start

    @property
    def pages_left(self) -> float:
        """As many as the latest page leads to expect; none while it is not known that there is more than one."""
        if self.window is None or self.pace is None:
            return 0.0
        remaining = self.window.end - self.position
        return remaining.total_seconds() / max(self.pace.total_seconds(), 1.0)

    @property
    def middle(self) -> DateTime | None:
        """Where to split what remains, if both parts are at least a second."""
        assert self.window is not None
        middle = whole_second(self.position + (self.window.end - self.position) / 2)
        splits = middle - self.position >= ONE_SECOND and self.window.end - middle >= ONE_SECOND
        return middle if splits else None


@dataclass(frozen=True)
class Delivery(Generic[R]):
    """A page's rows, and what of its query has now been read."""

    rows: R
    query: str
    read: Window | None
    parent: str = ""


@dataclass
class Lanes(Generic[P, R]):
    """Walks all ranges of a collection. Iterating yields every page's rows once, as they arrive.

    `follow` yields a range's pages in ascending order; `build` makes rows of a page, only those within the window given;
    `spare` says whether there is use for another lane beside so many. At most `most` lanes run, and few pages wait
    to be taken: this bounds memory.
    """

    ranges: list[Range]
    follow: Callable[[Range], Iterator[P]]
    build: Callable[[P, Window | None], R]
    most: int
    spare: Callable[[int], bool] = lambda _lanes: True
    waiting: deque[Delivery[R]] = field(default_factory=deque, init=False)
    busy: set[Range] = field(default_factory=set, init=False)
    lanes: int = field(default=0, init=False)
    most_at_once: int = field(default=0, init=False)
    error: BaseException | None = field(default=None, init=False)
    stopped: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.todo = deque(self.ranges)
        self.changed = threading.Condition()

    def __iter__(self) -> Iterator[Delivery[R]]:
        """Raises what a lane raised, after the pages that came before it."""
        with self.changed:
            self.open_lane()
        try:
            while (delivery := self.take()) is not None:
                yield delivery
        finally:
            self.stop()
        if self.error:
            raise self.error

    def take(self) -> Delivery[R] | None:
        """The next page's rows to come, or None when all ranges are done."""
        with self.changed:
            self.changed.wait_for(lambda: self.waiting or self.done)
            self.changed.notify_all()
            return self.waiting.popleft() if self.waiting else None

    @property
    def done(self) -> bool:
        return self.stopped or (not self.todo and not self.busy)

    def stop(self) -> None:
        """Let the lanes end after the page they are at."""
        with self.changed:
            self.stopped = True
            self.changed.notify_all()

    # --- what lanes do; each method below is called by a lane -----------------------------------------------------

    def open_lane(self) -> None:
        """Start another lane if there is work for it. Called with the lock held."""
        if self.lanes < self.most and not self.stopped and (self.todo or self.richest() is not None):
            self.lanes += 1
            self.most_at_once = max(self.most_at_once, self.lanes)
            threading.Thread(target=self.lane, daemon=True, name=f"lane {self.lanes}").start()

    def lane(self) -> None:
        try:
            while (work := self.next_range()) is not None:
                self.walk(work)
        except BaseException as error:  # noqa: BLE001 - handed to the reader, which raises it
            with self.changed:
                self.error = self.error or error
                self.stopped = True
        finally:
            with self.changed:
                self.lanes -= 1
                self.changed.notify_all()

    def next_range(self) -> Range | None:
        """Work for an idle lane: a range that nobody has, else the later half of the richest."""
        with self.changed:
            if self.stopped:
                return None
            work = self.todo.popleft() if self.todo else self.steal()
            if work:
                self.busy.add(work)
                if self.todo:
                    self.open_lane()
            return work

    def richest(self) -> Range | None:
        """The range with the most left to take from."""
        splittable = [one for one in self.busy if one.pages_left >= WORTH_SPLITTING and one.middle]
        return max(splittable, key=lambda one: one.pages_left, default=None)

    def steal(self) -> Range | None:
        robbed = self.richest()
        if robbed is None:
            return None
        assert robbed.window is not None
        middle = robbed.middle
        assert middle is not None
        stolen = Range(robbed.query, Window(middle, robbed.window.end), parent=robbed.parent)
        robbed.window = Window(robbed.window.start, middle)
        return stolen

    def walk(self, work: Range) -> None:
        for page in self.follow(work):
            within, read, goes_on = self.place(work, page)
            rows = self.build(page, within)
            if not self.deliver(Delivery(rows, work.query, read, work.parent)) or not goes_on:
                break
        with self.changed:
            self.busy.discard(work)
            self.changed.notify_all()

    def place(self, work: Range, page: P) -> tuple[Window | None, Window | None, bool]:
        """Take note of a page: where its rows must lie, what has been read with it, and whether the range goes on.

        From here on a thief can only take what lies after this page. Another lane joins while neither the reader nor the
        rate limit is what we wait for.
        """
        with self.changed:
            past = work.window is not None and page.first is not None and page.first >= work.window.end
            goes_on = page.next is not None and not past
            work.pace = page.last - page.first if goes_on and page.first and page.last else None
            if work.window and page.first and page.last:
                work.reached = max(work.position, pendulum.instance(page.last))
                work.sure = max(work.window.start, whole_second(page.first))
            if goes_on and not self.waiting and self.spare(self.lanes):
                self.open_lane()
            return work.window, self.read(work, goes_on=goes_on), goes_on

    @staticmethod
    def read(work: Range, *, goes_on: bool) -> Window | None:
        """What of the range has been read with its latest page."""
        if work.window is None or not goes_on:
            return work.window
        return Window(work.window.start, min(work.sure or work.window.start, work.window.end))

    def deliver(self, delivery: Delivery[R]) -> bool:
        """Hand rows over when there is room. Whether the walk goes on."""
        with self.changed:
            self.changed.wait_for(lambda: self.stopped or len(self.waiting) < PAGES_WAITING)
            if not self.stopped:
                self.waiting.append(delivery)
            self.changed.notify_all()
            return not self.stopped
