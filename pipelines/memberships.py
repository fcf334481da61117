"""Who was in which list or segment, from when to when: the tables `list_membership_intervals` and `segment_membership_intervals`.

Built from the joinings that Klaviyo shows, from members found missing, and for lists from the events that tell of either.
"""

from __future__ import annotations

import json
import logging
from collections import Counter, defaultdict
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

import dlt
import pyarrow as pa
from dlt.extract import DltResource

from pipelines.absence import ABSENCES
from pipelines.definitions import VERSIONS
from pipelines.history import Looking, with_rows
from pipelines.intervals import ALIKE, LONG_AGO, Fact, Interval, Joined, Left, Missing, Shown, intervals
from pipelines.merges import FORMER_PROFILE, MERGES
from pipelines.runs import Progress, progress
from pipelines.schema import LOAD
from pipelines.warehouse import Tables, utc
from sources.klaviyo.resources import EVENTS, LISTS, METRICS
from sources.klaviyo.spec import LOOKBACK
from sources.klaviyo.tables import DELETED_AT, Column, Table, arrow_schema, column_hints
from sources.klaviyo.walk import Walk

log = logging.getLogger(__name__)

JOINED_AT: Final = "joined_group_at"
TELLS: Final = {"Subscribed to List": Joined, "Unsubscribed from List": Left}
"""The metrics whose events tell who joins a list and who leaves one."""
BUCKET: Final = 100_000
"""Rows that are looked at together, or about so many."""
FEW: Final = 1_000
"""Profiles that are asked for by name."""

Pair = tuple[str, str]
"""A list or segment, and a profile."""


def resources(looking: Looking) -> list[DltResource]:
    """The tables of intervals, with what the run adds to them."""
    return [
        resource
        for walk in looking.walks
        for table in walk.tables
        if table.resource.cursor and table.resource.cursor.field == JOINED_AT
        for resource in Keeper(looking, walk, table).resources()
    ]


def table_name(of: str) -> str:
    """Of the intervals of a table of memberships."""
    return f"{of.removesuffix('s')}_intervals"


@dataclass
class Row:
    """A membership as the warehouse has it."""

    joined: datetime | None
    gone: datetime | None
    load_id: str


@dataclass
class Found:
    """What is new of some pairs, and what was known of them."""

    touched: set[Pair] = field(default_factory=set)
    rows: dict[Pair, Row] = field(default_factory=dict)
    told: dict[Pair, list[Fact]] = field(default_factory=lambda: defaultdict(list))
    known: dict[Pair, list[Interval]] = field(default_factory=lambda: defaultdict(list))
    last_seen: dict[Pair, datetime] = field(default_factory=dict)
    """Of those found missing."""
    merged: set[str] = field(default_factory=set)
    """Profiles."""


@dataclass
class Keeper:
    """Keeps the intervals of one kind of membership."""

    looking: Looking
    walk: Walk
    table: Table

    def __post_init__(self) -> None:
        self.group, self.profile = self.table.key
        self.name = table_name(self.table.name)
        self.columns = (
            Column(self.group, "text"),
            Column(self.profile, "text"),
            Column("valid_from", "timestamp"),
            Column("valid_from_by", "text"),
            Column("valid_from_after", "timestamp"),
            Column("valid_to", "timestamp"),
            Column("valid_to_by", "text"),
            Column("valid_to_after", "timestamp"),
            Column("seen_at", "timestamp"),
        )

    def resources(self) -> list[DltResource]:
        return with_rows(self.write(), self.resource)

    def resource(self, rows: Iterator[pa.Table]) -> DltResource:
        made: DltResource = dlt.resource(
            rows,
            name=self.name,
            columns=column_hints(self.columns, self.table.key),
            # All intervals of a pair are written at once, in place of those that were known.
            merge_key=self.table.key,
            write_disposition={"disposition": "merge", "strategy": "delete-insert"},  # type: ignore[call-overload]  # plain dicts
        )
        return made

    def write(self) -> Iterator[pa.Table]:
        """Yield the intervals of the pairs of which there is news, and note what has then been looked at."""
        there = self.looking.pipeline.default_schema.tables
        if self.name not in there:
            yield arrow_schema(self.columns).empty_table()
        if self.walk.tally.status != "complete" or not self.looking.whole:
            return
        with self.looking.pipeline.sql_client() as client:
            tables = Tables(client)
            self.index(tables, there)
            before = progress(tables, self.name).get(self.table.name, Progress())
            tells = self.looking.notes and self.group == "list_id"
            events = Telling(tables, self.looking, before) if tells else None
            for bucket in self.buckets(tables, before, events):
                found = self.look(tables, before, events, bucket)
                rows = [row for pair in sorted(found.touched) for row in self.news(pair, found, events)]
                if rows:
                    yield pa.Table.from_pylist(rows, schema=arrow_schema(self.columns))
            if self.looking.notes:
                through = self.looking.last_load(tables)
                self.looking.note(self.name, self.table.name, before, through, sees_all=False)
            if events:
                events.complain()

    def index(self, tables: Tables, there: Container[str]) -> None:
        """Let the rows that a load brought or marked be found, and those of a profile."""
        for table in (self.table.name, self.name):
            if table in there:
                tables.index(table, self.profile)
        tables.index(self.table.name, DELETED_AT, sparse=True)
        for table in (self.table.name, EVENTS.name):
            if table in there:
                # Rows of a load lie together: this costs next to nothing to keep.
                tables.index(table, LOAD, using="brin")

    def buckets(self, tables: Tables, before: Progress, events: Telling | None) -> Iterator[str]:
        """Yield SQL conditions that part the profiles of which there is news: memory does not grow with the account."""
        sources = [(self.table.name, condition) for condition in self.looking.conditions(before)]
        sources += [(EVENTS.name, events.condition)] if events and events.metrics else []
        many = sum(tables.count(name, condition) for name, condition in sources)
        if many <= BUCKET:
            yield "TRUE"
            return
        ending = f"right({tables.column(self.profile)}, {1 if many <= BUCKET * 50 else 2})"
        endings = {
            row[0]
            for name, condition in sources
            for row in tables.rows(f"SELECT DISTINCT {ending} FROM {tables.name(name)} WHERE {condition}")  # noqa: S608 - names are ours
            if row[0] is not None
        }
        yield from (f"{ending} = {tables.literal(one)}" for one in sorted(endings))

    def look(self, tables: Tables, before: Progress, events: Telling | None, bucket: str) -> Found:
        found = Found()
        raw = tables.name(self.table.name)
        for condition in self.looking.conditions(before):
            news = tables.rows(
                f"SELECT {self.group}, {self.profile} FROM {raw} WHERE {condition} AND {bucket}"  # noqa: S608 - as above
            )
            found.touched |= {(group, profile) for group, profile in news}
        for pair, fact in events.told(bucket) if events else ():
            found.told[pair].append(fact)
        found.touched |= found.told.keys()
        if before.marked:
            for (profile,) in tables.rows(
                f"SELECT profile_id FROM {tables.name(MERGES)} WHERE known_at >= %s AND {bucket}",  # noqa: S608 - as above
                before.marked,
            ):
                found.merged.add(profile)
        profiles = {profile for _, profile in found.touched} | found.merged
        if len(profiles) <= FEW:
            bucket = f"{self.profile} IN ({tables.literals(sorted(profiles)) or 'NULL'})"
        self.recall(tables, found, bucket)
        found.touched |= {pair for pair in found.known if pair[1] in found.merged}
        return found

    def recall(self, tables: Tables, found: Found, bucket: str) -> None:
        """Look up what was known of the profiles."""
        key = f"{self.group}, {self.profile}"
        for group, profile, joined, gone, load_id in tables.rows(
            f"SELECT {key}, {JOINED_AT}, {DELETED_AT}, {LOAD} FROM {tables.name(self.table.name)} WHERE {bucket}"  # noqa: S608 - as above
        ):
            found.rows[group, profile] = Row(utc(joined), utc(gone), load_id)
        names = ", ".join(column.name for column in self.columns)
        for group, profile, *told in tables.rows(f"SELECT {names} FROM {tables.name(self.name)} WHERE {bucket}"):  # noqa: S608 - as above
            known = dict(zip((column.name for column in self.columns[2:]), map(utc, told), strict=True))
            found.known[group, profile].append(Interval(**known))
        for known_of in found.known.values():
            known_of.sort(key=lambda one: (one.begun, one.valid_to is None))
        for profile, group, last_seen in tables.rows(
            f"SELECT id, parent_id, last_seen_at FROM {tables.name(ABSENCES)} "  # noqa: S608 - as above
            f"WHERE table_name = '{self.table.name}' AND returned_at IS NULL AND {bucket.replace(self.profile, 'id')}"
        ):
            if last_seen:
                found.last_seen[group, profile] = last_seen.astimezone(UTC)
        for (profile,) in tables.rows(f"SELECT profile_id FROM {tables.name(MERGES)} WHERE {bucket}"):  # noqa: S608 - as above
            found.merged.add(profile)

    def news(self, pair: Pair, found: Found, events: Telling | None) -> Iterator[dict[str, Any]]:
        """Yield the intervals of a pair, unless they are known just so."""
        known = found.known.get(pair, [])
        facts = [fact for one in known for fact in one.facts]
        row = found.rows.get(pair)
        if row:
            facts += self.seen(row, found.last_seen.get(pair))
        for fact in found.told.get(pair, ()):
            facts += self.checked(fact, pair, row, events)
        built = intervals(facts)
        if built and pair[1] in found.merged and built[-1].valid_to_by == "seen":
            built[-1] = replace(built[-1], valid_to_by="merged")
        if built != known:
            for one in built:
                told = [getattr(one, column.name) for column in self.columns[2:]]
                yield dict(zip((column.name for column in self.columns), (*pair, *told), strict=True))

    def seen(self, row: Row, last_seen: datetime | None) -> Iterator[Fact]:
        """What a row says: a member was shown, and later was not."""
        joined = row.joined or LONG_AGO
        # A change may need as long to become visible.
        shown = self.looking.run.started_at - LOOKBACK if self.looking.is_own(row.load_id) else joined
        yield Shown(joined, max(joined, shown))
        if row.gone:
            yield Missing(row.gone, last_seen)

    def checked(self, fact: Fact, pair: Pair, row: Row | None, events: Telling | None) -> Iterator[Fact]:
        """What an event tells, and whether Klaviyo shows it."""
        started = self.looking.run.started_at
        if isinstance(fact, Joined) and fact.at < started - LOOKBACK and self.is_read(pair[0], events):
            shown = row is not None and row.joined is not None and row.joined >= fact.at - ALIKE
            if not shown:
                yield replace(fact, shown=False)
                yield Missing(self.looking.run.now, after=fact.at, of=fact.at)
                return
        yield fact

    def is_read(self, group: str, events: Telling | None) -> bool:
        """Whether the run knows who has joined a list last; of one that is gone, nobody is a member."""
        return self.walk.parents.get(group, False) or (events is not None and group in events.gone)


class Telling:
    """The events that tell who joins and leaves lists."""

    def __init__(self, tables: Tables, looking: Looking, before: Progress) -> None:
        self.tables = tables
        self.metrics = {
            id_: TELLS[name]
            for id_, name in tables.rows(
                f"SELECT id, name FROM {tables.name(METRICS.name)} WHERE name IN ({tables.literals(TELLS)})"  # noqa: S608 - names are ours
            )
        }
        since = looking.brought(before)
        if before.marked:
            # Joinings that were too young to be shown are looked at once more.
            unsettled = (before.marked - LOOKBACK).isoformat()
            since = f"({since} OR datetime >= '{unsettled}')"
        # What has come to the survivor of a merge tells of the merged profile, and was told.
        own = f"profile_id IS NOT NULL AND {FORMER_PROFILE} IS NULL AND {DELETED_AT} IS NULL"
        self.condition = f"(metric_id IN ({tables.literals(self.metrics) or 'NULL'}) AND {own} AND {since})"
        lists = tables.rows(f"SELECT id, name, {DELETED_AT} FROM {tables.name(LISTS.name)}")  # noqa: S608 - as above
        self.ids = {id_ for id_, *_ in lists}
        self.gone = {id_ for id_, _, gone in lists if gone}
        self.names: dict[str, set[str]] = defaultdict(set)
        for id_, name, _ in lists:
            self.names[name].add(id_)
        said = f"SELECT id, {tables.text('content')} FROM {tables.name(VERSIONS)} WHERE resource = '{LISTS.name}'"  # noqa: S608 - as above
        for id_, content in tables.rows(said):
            self.names[json.loads(content).get("name")].add(id_)
        self.unclear: Counter[str] = Counter()

    def told(self, bucket: str) -> Iterator[tuple[Pair, Fact]]:
        if not self.metrics:
            return
        for profile, metric, at, properties in self.tables.rows(
            f"SELECT profile_id, metric_id, datetime, {self.tables.text('event_properties')} "  # noqa: S608 - as above
            f"FROM {self.tables.name(EVENTS.name)} WHERE {self.condition} AND {bucket}"
        ):
            if group := self.list_of(json.loads(properties or "{}")):
                yield (group, profile), self.metrics[metric](at.astimezone(UTC))

    def list_of(self, properties: Mapping[str, Any]) -> str:
        """The list that an event is about: by its id, or by a name that only one list has had."""
        named = properties.get("list_id")
        if isinstance(named, str) and named in self.ids:
            return named
        name = properties.get("List")
        candidates = self.names.get(name, set()) if isinstance(name, str) else set()
        if len(candidates) == 1:
            return next(iter(candidates))
        self.unclear["no such list" if not candidates else "several lists have had this name"] += 1
        return ""

    def complain(self) -> None:
        for why, count in self.unclear.items():
            log.warning("%d events of joining or leaving a list tell nothing: %s", count, why)
