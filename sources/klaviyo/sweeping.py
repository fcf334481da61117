"""Sweeps: every id of a collection that is otherwise read by its changes. What is gone shows only by its absence.

A sweep is a walk like any other, of a resource derived from the one that it looks after: in parallel windows by a time
that does not move, committed in packages together with what has been read, gone on with by a later run. It asks for
little more than ids, and fills a table of its own, which `pipelines` holds beside what has been loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

import dlt
import pendulum
from dlt.common.storages.load_package import load_package_state
from pendulum import DateTime

from sources.klaviyo.client import Client
from sources.klaviyo.contract import Contract
from sources.klaviyo.extraction import Extraction
from sources.klaviyo.ledger import State
from sources.klaviyo.reading import Plan
from sources.klaviyo.rows import PageReader
from sources.klaviyo.spec import LOOKBACK, Cursor, Resource
from sources.klaviyo.tables import Table, full_table
from sources.klaviyo.walk import Walk, any_of
from sources.klaviyo.windows import Window, stamp, union, whole_second

PREFIX: Final = "etl_sweep_"
BIRTHS: Final = ("created", "created_at")
"""Times that never move."""
IDS: Final = ("id", "profile_id")
"""What objects of a collection can be asked for by."""
SECONDS_ASKED: Final = 20
"""Seconds of joining that are asked for once more, of one list."""
BEGAN: Final = "began"


def is_swept(resource: Resource) -> bool:
    """Whether only a sweep can tell what is gone: events have counts of their own, what is read whole needs none."""
    return resource.cursor is not None and resource.cursor.marks_change


def usual_days(resource: Resource) -> int:
    """How often it is swept unless a setting says otherwise: people and memberships are many."""
    assert resource.cursor is not None
    return 7 if resource.per or resource.cursor.first_load else 1


@dataclass(frozen=True, eq=False)
class Sweep:
    """One resource, and the walk over its ids."""

    of: Resource
    contract: Contract
    some: bool = False
    """Whether only some parents' children are looked at: apart from a sweep of all, which may be under way."""

    @cached_property
    def resource(self) -> Resource:
        assert self.of.cursor is not None
        by = self.of.cursor.field if self.of.per else self.birth
        return Resource(
            name=f"{PREFIX}{'some_' if self.some else ''}{self.of.name}",
            grain=f"one row per id seen by a sweep of {self.of.name} that is under way",
            path=self.of.endpoint,
            partitions=self.of.partitions,
            # All of it is asked for once: nothing may change in the order of this field.
            cursor=Cursor(field=by, lookback=timedelta()) if by else None,
            fields=tuple(dict.fromkeys(filter(None, (by, self.mark)))),
            per=self.of.per,
            links=self.of.links,
        )

    @property
    def birth(self) -> str:
        endpoint = self.contract.collection(self.of.endpoint)
        return next((name for name in BIRTHS if endpoint.allows("less-than", name)), "")

    @property
    def mark(self) -> str:
        """The time by which a row is newer than another of the same key."""
        assert self.of.cursor is not None
        return self.of.cursor.field

    @property
    def whole(self) -> bool:
        """Whether ids are all there is to a row."""
        return self.of.links

    @cached_property
    def table(self) -> Table:
        """What is looked after."""
        return full_table(self.of, self.contract)


@dataclass
class Sweeping(Extraction):
    """The sweeps of a run."""

    only: frozenset[str] | None = None
    """Of which parents the children are looked at; of all by default."""

    def plan(self, walk: Walk, state: Callable[[], State] = dlt.current.resource_state) -> Plan:
        """What is left of the sweep. The load package in which it began is noted: what is loaded since may be unseen."""
        noted = state()
        noted.setdefault(BEGAN, load_package_state()["load_id"])
        noted.setdefault("began_at", stamp(self.now))
        plan = super().plan(walk, state)
        if self.only is None or plan.parents is None:
            return plan
        walk.parents = {parent: True for parent in plan.parents if parent in self.only}
        return replace(plan, parents={parent: plan.parents[parent] for parent in walk.parents})


def began_at(load_id: str) -> DateTime:
    """When a load package was begun: dlt calls it by that time."""
    return pendulum.from_timestamp(float(load_id))


@dataclass(frozen=True)
class Missing:
    """What a sweep has not seen, of one parent where there are parents."""

    ids: Sequence[str]
    times: Sequence[datetime | None]
    """By which the sweep is ordered."""
    parent: str = ""


def shown_after_all(walk: Walk, client: Client, missing: Missing, began: DateTime) -> set[str]:
    """Which of these Klaviyo shows when asked once more: a page may have been cut, and things move while they are read.

    Asked by id where Klaviyo lets us. Members of a list cannot be: of them, who joined since the sweep began is read,
    and, where they are few, the seconds in which those joined who are missing.
    """
    reader = PageReader(walk.tables, walk.host.cursor.field if walk.host.cursor else None)
    return {
        item.id
        for part in walk.ranges_where(conditions(walk, missing, began), missing.parent)
        for page in walk.follow(client, reader, part)
        for item in page.items
    }


def conditions(walk: Walk, missing: Missing, began: DateTime) -> Iterator[str]:
    on = next((name for name in IDS if walk.endpoint.allows("any", name)), "")
    if on:
        yield from any_of(on, missing.ids)
        return
    assert walk.host.cursor is not None
    by = walk.host.cursor.field
    yield f"greater-or-equal({by},{stamp(began - LOOKBACK)})"
    starts = [whole_second(time) for time in missing.times if time]
    seconds = union(Window(start, start + timedelta(seconds=1)) for start in starts)
    if len(seconds) <= SECONDS_ASKED:
        for second in seconds:
            yield f"greater-or-equal({by},{stamp(second.start)}),less-than({by},{stamp(second.end)})"
