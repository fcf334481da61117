"""One reading of an account: its walks as dlt resources, and what each of them has to read."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, Final

import dlt
import pendulum
from dlt.extract import DltResource
from pendulum import DateTime

from sources.klaviyo import contract
from sources.klaviyo.client import Client
from sources.klaviyo.contract import REVISION
from sources.klaviyo.errors import (
    KlaviyoError,
    NotPermitted,
    PolicyChanged,
    RevisionRetired,
    Stopped,
    Unauthorized,
    Unreachable,
)
from sources.klaviyo.handing import empty
from sources.klaviyo.held import Held, Nothing
from sources.klaviyo.ledger import Ledger, State
from sources.klaviyo.merging import keep_history
from sources.klaviyo.package import Package
from sources.klaviyo.parents import Listing, Parents
from sources.klaviyo.policy import NO_POLICY, Policy
from sources.klaviyo.reading import Plan, Reading, nothing
from sources.klaviyo.rereads import TIERS, Tier, cells, newest_first, trailing
from sources.klaviyo.resources import TABLE, told_otherwise
from sources.klaviyo.spec import LOOKBACK, Cursor, Resource
from sources.klaviyo.tally import Tally
from sources.klaviyo.walk import Walk
from sources.klaviyo.windows import BEGINNING, Window, due, intersection, union

log = logging.getLogger(__name__)

SETTLING: Final = timedelta(seconds=10)
"""How far a window's end stays behind the clock: rows of the last seconds are still arriving, and clocks differ."""

FIELD_POLICIES: Final = "field_policies"
"""In dlt's state of the source: the fingerprint of the policy by which each table's rows were treated."""
CHANGING: Final = "changing"
"""In place of a fingerprint, while rows of two policies lie in one table."""


@dataclass
class Extraction:
    """The walks of a run. Reads what is due, or one given range; counts everything."""

    client: Client
    selected: Sequence[Resource]
    start_date: DateTime | None = None
    start: DateTime | None = None
    end: DateTime | None = None
    full_refresh: frozenset[str] = frozenset()
    """Resources to read from the beginning, whatever has been read."""
    again: Sequence[Window] = ()
    """Windows to read instead of what is due, every row in them loaded, known or not."""
    held: Held = field(default_factory=Nothing)
    where: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By resource, conditions: what meets one of them is read instead of what is due, every row loaded."""
    now: DateTime = field(default_factory=lambda: pendulum.now("UTC"))
    tiers: Sequence[Tier] = TIERS
    """How what happened is read again."""
    max_lanes: int = 24
    """The most requests in flight for one collection; as many are used as its rate limit needs."""
    package: Package = field(default_factory=Package)
    policy: Policy = NO_POLICY
    changed: frozenset[str] | None = None
    """Tables with rows that were treated by another policy, where that is known."""

    def __post_init__(self) -> None:
        self.readings: dict[Walk, Reading] = {}
        self.lock = threading.Lock()
        facts = contract.load(self.client.revision)
        hosts = dict.fromkeys(resource.host for resource in self.selected)
        self.walks = [
            Walk(host, [resource for resource in self.selected if resource.host is host], facts) for host in hosts
        ]
        self.parents = Parents(self.client, facts, self.walks)

    def resources(self) -> list[DltResource]:
        """One dlt resource per walk, named after its host; each fills the tables of its walk."""
        keep_history()
        return [*map(self.resource, self.walks)]

    def resource(self, walk: Walk) -> DltResource:
        def rows() -> Iterator[Any]:
            self.notice_policy(walk)
            if not walk.tally.ended:
                yield from self.read(walk)
                walk.tally.drift.note(dlt.current.resource_state(), all_read=walk.tally.status == "complete")

        return dlt.resource(rows, name=walk.host.name, parallelized=True)

    @property
    def tallies(self) -> list[Tally]:
        return [walk.tally for walk in self.walks]

    @property
    def finished(self) -> bool:
        """Whether no walk has more to read: until then, each further package goes on where the last one ended."""
        return all(walk.tally.ended for walk in self.walks)

    def read(self, walk: Walk) -> Iterator[Any]:
        """Yield a walk's rows until the package is full or the walk is over, and note what has then been read.

        A refusal or an outage ends the walk, not the run; what it has not read stays unread.
        """
        if walk.tally.ended:
            return
        if walk not in self.readings:
            yield from (empty(table) for table in walk.tables if not self.held.has(table))
            try:
                self.notice_revision(walk)
                plan = self.plan_where(walk) if walk.host.name in self.where else self.plan(walk)
                self.readings[walk] = Reading(walk, plan, self.client, self.max_lanes, now=self.now, policy=self.policy)
            except KlaviyoError as error:
                self.give_up(walk, error)
                return
        reading = self.readings[walk]
        try:
            for delivery in reading.deliveries:
                yield from reading.take(delivery)
                if self.package.filled_by(delivery.rows):
                    break
            else:
                walk.refuse_emptiness()
                walk.tally.status = "complete"
        except KlaviyoError as error:
            self.give_up(walk, error)
        yield from reading.rest()
        reading.note()

    def notice_revision(self, walk: Walk) -> None:
        if any(map(told_otherwise, walk.resources)):
            with self.lock:
                forget_other_revisions(dlt.current.source_state(), self.client.revision)

    def notice_policy(self, walk: Walk) -> None:
        """Note by which policy rows are treated. Raises PolicyChanged where others were treated otherwise and stay."""
        if walk in self.readings:
            return
        with self.lock:
            noted = dlt.current.source_state().setdefault(FIELD_POLICIES, {})
            untouched = not dlt.current.resource_state()
            for table in walk.tables:
                fingerprint = self.policy.fingerprint(table.name)
                if noted.get(table.name, "") == fingerprint:
                    continue
                if self.changed is not None:
                    noted[table.name] = CHANGING if table.name in self.changed else fingerprint
                elif table.name in noted or not untouched:
                    raise PolicyChanged(
                        f"{table.name}: loaded under another field policy; a full refresh reads it again"
                    )
                else:
                    noted[table.name] = fingerprint

    def give_up(self, walk: Walk, error: KlaviyoError) -> None:
        if isinstance(error, Stopped):
            walk.tally.status, walk.tally.note = "unfinished", str(error)
            return
        walk.tally.status = "not_permitted" if isinstance(error, NotPermitted) else "failed"
        walk.tally.error = str(error)
        never_answered = isinstance(error, Unreachable) and not self.client.contacted
        if never_answered or isinstance(error, Unauthorized | RevisionRetired):
            raise error
        log.warning("%s: %s", walk.host.name, error)

    def close(self) -> None:
        """Let go of walks that were cut short."""
        for reading in self.readings.values():
            reading.lanes.stop()

    def plan(self, walk: Walk, state: Callable[[], State] = dlt.current.resource_state) -> Plan:
        """What the walk is to read. Called where dlt's state of its resource is at hand, or told where it is."""
        cursor, ledger = walk.host.cursor, Ledger(state, walk.resources)
        if walk.host.per:
            return self.plan_children(walk, walk.host.per, ledger)
        if cursor is None:
            return Plan(whole=ledger, held=self.held_unless_refreshed(walk))
        within = self.bounds(cursor)
        if self.start or self.end:
            asked = self.asked(within)
            return Plan(cursor.field, union([asked]), ledger.add, self.known_rows(walk, [asked], ledger))
        if self.again:
            return Plan(cursor.field, intersection([within], self.again), ledger.add)
        if cursor.first_load and ledger.untouched and not self.refreshes(walk):
            return Plan(cursor.first_load, ledger.first_load(within), ledger.add_first_load)
        return self.plan_due(walk, cursor, within, ledger)

    def plan_due(self, walk: Walk, cursor: Cursor, within: Window, ledger: Ledger) -> Plan:
        """What has not been read, and what is read again; or everything."""
        tiers = () if cursor.marks_change else self.tiers
        done = ledger.reread
        rereads = trailing(tiers, done, within, self.now)
        note = partial(ledger.add_reread, rereads)
        if self.refreshes(walk):
            return Plan(cursor.field, union([within]), note)
        fresh = [
            window for resource in walk.resources for window in due(within, ledger.read(resource), cursor.lookback)
        ]
        windows = newest_first(fresh, rereads)
        return Plan(
            cursor.field,
            windows,
            note,
            self.known_rows(walk, windows, ledger),
            also=walk.ranges_since(max(ledger.also_read - cursor.lookback, BEGINNING)),
            complete=partial(ledger.add_also, within.end) if cursor.also else nothing,
            again=cells(rereads, ledger.read(walk.host), tiers, done) if walk.host in walk.resources else (),
        )

    def plan_where(self, walk: Walk) -> Plan:
        """What meets the conditions, whatever has been read."""
        cursor = walk.host.cursor
        return Plan(cursor.field if cursor else None, (), also=walk.ranges_where(self.where[walk.host.name]))

    def plan_children(self, walk: Walk, per: Resource, ledger: Ledger) -> Plan:
        """Of which parents, and of which windows of theirs."""
        parents, cursor = self.parents(per, walk.tally), walk.host.cursor
        if cursor is None:
            visited = self.to_visit(walk, parents, ledger)
            walk.parents = {parent: parent in visited for parent in parents}
            note = partial(ledger.add_visit, self.now, of_all=len(visited) == len(parents))
            whole = ledger if len(visited) == len(parents) else None
            held = self.held_unless_refreshed(walk)
            return Plan(parents={parent: [None] for parent in visited}, complete=note, whole=whole, held=held)
        walk.parents = dict.fromkeys(parents, True)
        ledger.forget_parents_but(parents)
        within = self.bounds(cursor)
        windows = {parent: due(within, ledger.read_of(parent), cursor.lookback) for parent in parents}
        if self.start or self.end:
            windows = dict.fromkeys(parents, union([self.asked(within)]))
        if self.refreshes(walk):
            windows = dict.fromkeys(parents, union([within]))
        everything = union(window for due_of in windows.values() for window in due_of)
        again = union(window for parent in parents if ledger.read_of(parent) for window in windows[parent])
        known = [] if self.refreshes(walk) else [self.held.hashes(walk.tables[0], window) for window in again]
        return Plan(cursor.field, everything, ledger.add_of, AnyOf(known), windows)

    def to_visit(self, walk: Walk, parents: Listing, ledger: Ledger) -> set[str]:
        """All parents, or those that changed since, where the others were visited not long ago."""
        every, visited, all_visited = walk.host.revisit, ledger.visited, ledger.all_visited
        if not every or not visited or not all_visited or self.refreshes(walk) or self.now - all_visited >= every:
            return {*parents}
        since = visited - SETTLING - LOOKBACK
        return {parent for parent, changed in parents.items() if changed and changed >= since}

    def bounds(self, cursor: Cursor) -> Window:
        """All that may be read: what happened is bounded by the start date; what things are is not.

        Events refer to things of any age.
        """
        horizon = self.now.replace(microsecond=0) - SETTLING
        return Window(BEGINNING if cursor.marks_change else self.start_date or BEGINNING, horizon)

    def asked(self, within: Window) -> Window:
        return Window(self.start or BEGINNING, min(self.end or within.end, within.end))

    def refreshes(self, walk: Walk) -> bool:
        return not self.full_refresh.isdisjoint(resource.name for resource in walk.resources)

    def held_unless_refreshed(self, walk: Walk) -> Held:
        return Nothing() if self.refreshes(walk) else self.held

    def known_rows(self, walk: Walk, windows: Sequence[Window], ledger: Ledger) -> Container[int]:
        """Hashes that need no loading: none where a table of the walk may lack rows that its host has."""
        if walk.host not in walk.resources or not ledger.alike:
            return frozenset()
        return AnyOf([self.held.hashes(walk.tables[0], window) for window in windows])


def forget_other_revisions(state: State, revision: str) -> None:
    """When the revision has changed, forget what has been read of tables that each tells otherwise: they are read again."""
    if state.get("revision", REVISION) == revision:
        return
    state["revision"] = revision
    for name in {resource.host.name for resource in TABLE if told_otherwise(resource)}:
        state.get("resources", {}).get(name, {}).clear()


class AnyOf:
    """What is in one of several containers."""

    def __init__(self, containers: Sequence[Container[int]]) -> None:
        self.containers = containers

    def __contains__(self, value: object) -> bool:
        return any(value in container for container in self.containers)
