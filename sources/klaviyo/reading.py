"""A walk under way: what it is to read, by which field, and what it has read so far."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial, reduce

from pendulum import DateTime

from sources.klaviyo.client import Client
from sources.klaviyo.handing import Handing
from sources.klaviyo.held import Held, Nothing
from sources.klaviyo.lanes import Delivery, Lanes, Range
from sources.klaviyo.ledger import Ledger
from sources.klaviyo.policy import NO_POLICY, Policy
from sources.klaviyo.rereads import Cell
from sources.klaviyo.rows import Page, PageReader, Rows
from sources.klaviyo.walk import Walk
from sources.klaviyo.windows import Window, intersection, union

Parts = Mapping[str, Sequence[Window | None]]
"""The windows to read of what each parent holds."""


def note_nothing(_read: Iterable[Window], _parent: str) -> None:
    """A collection that is read whole has no windows to note."""


def nothing() -> None:
    pass


@dataclass(frozen=True)
class Plan:
    """The windows to read, in the order of a field; none of both for a collection that is read whole."""

    by: str | None = None
    windows: Sequence[Window | None] = (None,)
    note: Callable[[Iterable[Window], str], None] = note_nothing
    """Keeps what has been read of a parent, or of a collection without, for runs to come."""
    known: Container[int] = field(default_factory=frozenset)
    """Hashes of rows that the warehouse has."""
    parents: Parts | None = None
    """In place of the windows, where there is a collection for each parent."""
    also: Sequence[Range] = ()
    """Queries beside, each read whole."""
    complete: Callable[[], None] = nothing
    """Called once all has been read."""
    whole: Ledger | None = None
    """Where to keep what a collection comes to that is read whole."""
    held: Held = field(default_factory=Nothing)
    again: Sequence[Cell] = ()
    """What of the windows was read before."""

    def ranges(self, walk: Walk) -> list[Range]:
        ranges = walk.ranges(self.windows) if self.parents is None else walk.ranges_of(self.parents)
        return [*ranges, *self.also]


def rows_of(reader: PageReader, page: Page, within: Window | None) -> Rows:
    """A page's rows. The page is let go of: many lanes may wait with their rows."""
    rows = reader.rows(page, within)
    page.release()
    return rows


class Reading:
    """Delivers the rows of a walk, over as many load packages as it takes."""

    def __init__(
        self, walk: Walk, plan: Plan, client: Client, most_lanes: int, *, now: DateTime, policy: Policy = NO_POLICY
    ) -> None:
        reader = PageReader(walk.tables, plan.by, plan.known, policy)
        self.walk = walk
        self.plan = plan
        self.handing = Handing(walk, now)
        self.lanes: Lanes[Page, Rows] = Lanes(
            plan.ranges(walk),
            partial(walk.follow, client, reader),
            partial(rows_of, reader),
            most_lanes,
            partial(client.has_room, walk.endpoint),
        )
        self.deliveries: Iterator[Delivery[Rows]] = iter(self.lanes)
        self.read: dict[str, dict[str, list[Window]]] = defaultdict(partial(defaultdict, list))
        """By parent and query."""
        walk.tally.status = "reading"
        walk.tally.windows = [window for window in plan.windows if window]
        walk.tally.again = plan.again

    def take(self, delivery: Delivery[Rows]) -> Iterator[object]:
        """Yield a page's rows as dlt wants them; once they are taken, what has been read with them counts."""
        yield from self.handing.rows(delivery.rows)
        self.walk.tally.drift.add(delivery.rows.drift)
        self.walk.tally.count(unchanged=delivery.rows.unchanged)
        self.walk.tally.lanes = self.lanes.most_at_once
        if delivery.read:
            read = self.read[delivery.parent]
            read[delivery.query] = union([*read[delivery.query], delivery.read])

    def rest(self) -> Iterator[object]:
        """Yield what is not handed over yet: the package ends here. A whole that the warehouse holds just so is not."""
        ledger = self.plan.whole
        if ledger is not None:
            whole = self.handing.whole() if self.walk.tally.status == "complete" else None
            if whole and whole == ledger.whole and self.is_held():
                self.walk.kept = True
                self.handing.let_go()
                return
            ledger.note_whole(whole)
        yield from self.handing.rest()

    def is_held(self) -> bool:
        """Whether the warehouse shows as many rows: it may have lost some, or shows some that are to be marked."""
        return all(self.plan.held.rows(table) == self.walk.tally.rows[table.name] for table in self.walk.tables)

    def note(self) -> None:
        """Keep what all queries of a collection have read."""
        if self.walk.host.cursor:
            for parent, read in self.read.items():
                if both := reduce(intersection, (read[query] for query in self.walk.host.partitions.values())):
                    self.plan.note(both, parent)
        if self.walk.tally.status == "complete":
            self.plan.complete()
