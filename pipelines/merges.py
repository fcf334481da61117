"""Profiles that were merged into others: which, by what evidence.

Klaviyo lists no merges: a merged profile is gone as a deleted one is, and what it had is found with the survivor. So of
each profile that is gone it is asked, in this order:

an event that says so    a Merged Profile event of the survivor that names the profile that is gone
an event that moved      read again since, it was found to belong to the survivor now
its newest event         asked for again: it now belongs to the survivor
its identifiers          its email, phone number or external id is now another profile's that was there beside it
its own id               asked for by itself: Klaviyo might answer with the survivor

What none of these tells, then and once more after the next run, was deleted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, TypeVar
from urllib.parse import quote

import msgspec
from pendulum import DateTime

from pipelines.absence import ABSENCES, DELETED, MERGED, PARENT_GONE, Absence, absent_profiles, mark
from pipelines.schema import LOAD
from pipelines.warehouse import Tables
from sources.klaviyo.client import Client
from sources.klaviyo.contract import Contract
from sources.klaviyo.documents import decoded
from sources.klaviyo.errors import MalformedPage, NotFound
from sources.klaviyo.resources import EVENTS, METRICS, PROFILES, at
from sources.klaviyo.rows import PageReader
from sources.klaviyo.spec import LOOKBACK
from sources.klaviyo.sweeping import is_swept
from sources.klaviyo.tables import DELETED_AT, FORMER, Column, full_table
from sources.klaviyo.tally import Tally
from sources.klaviyo.walk import Walk
from sources.klaviyo.windows import stamp, whole_second

T = TypeVar("T")

MERGES: Final = "profile_merges"
MERGE_COLUMNS: Final = (
    Column("profile_id", "text"),
    Column("survivor_id", "text"),
    Column("known_at", "timestamp"),
    Column("how_known", "text"),
)
TOLD_BY: Final = "Merged Profile"
"""The metric of events that tell of a merge, in accounts that have it."""
BY_EVENTS: Final = "its events are the survivor's"
FORMER_PROFILE: Final = f"{FORMER}profile_id"
IDENTIFIERS: Final = ("email", "phone_number", "external_id")
ASKED_BY_ID: Final = 100
"""Profiles that are asked for one by one, each time: that they are gone is known by then."""
AT_ONCE: Final = 500
"""Of a SQL statement."""


@dataclass(frozen=True)
class Merge:
    profile: str
    survivor: str
    how: str
    with_events: bool = False
    """Whether the warehouse holds events under the profile that is gone."""


@dataclass(frozen=True)
class Causes:
    """What became of profiles that are gone."""

    merges: Sequence[Merge] = ()
    deleted: Sequence[str] = ()


@dataclass(kw_only=True)
class Merges:
    """Finds out what became of profiles that are gone."""

    tables: Tables
    client: Client
    contract: Contract
    load_id: str
    """Which the rows that are written name as theirs."""
    now: DateTime
    tally: Tally = field(default_factory=lambda: Tally(MERGES))

    def explain(self, read_until: DateTime) -> Causes:
        """Say of each absence of a profile that has no cause yet whether it was merged or deleted. Raises a KlaviyoError.

        A survivor may show what it got only later: a profile counts as deleted once changes of profiles have been read up
        to well after it was known to be gone.
        """
        gone = {one.id: one for one in absent_profiles(self.tables, None)}
        if not gone:
            return Causes()
        merges = self.told(gone)
        merges |= self.found_moved(left(gone, merges))
        events = self.newest_events([*gone])
        merges |= self.moved({one: events[one] for one in left(gone, merges) if one in events})
        merges |= self.succeeded(left(gone, merges), events)
        merges |= self.answered(left(gone, merges))
        deleted = [one for one in left(gone, merges) if gone[one].known_at + LOOKBACK < read_until]
        return Causes([replace(one, with_events=one.profile in events) for one in merges.values()], deleted)

    # --- evidence ----------------------------------------------------------------------------------------------------

    def told(self, gone: Mapping[str, Absence]) -> dict[str, Merge]:
        """By events that name the profile that is gone."""
        found = {}
        for ids in batches([*gone]):
            asked = " UNION ALL ".join(f"SELECT {self.tables.literal(one)} AS id" for one in ids)
            properties = self.tables.text("event.event_properties")
            for profile, survivor in self.tables.rows(
                f"SELECT gone.id, max(event.profile_id) FROM ({asked}) gone "  # noqa: S608 - names are ours
                f"JOIN {self.tables.name(EVENTS.name)} event ON event.profile_id <> gone.id "
                f"AND {properties} LIKE '%\"' || gone.id || '\"%' "
                f"WHERE event.metric_id IN (SELECT id FROM {self.tables.name(METRICS.name)} WHERE name = '{TOLD_BY}') "
                f"AND event.{DELETED_AT} IS NULL GROUP BY 1"
            ):
                found[profile] = Merge(profile, survivor, f"a {TOLD_BY} event names it")
        return found

    def found_moved(self, gone: Sequence[str]) -> dict[str, Merge]:
        """By events that were theirs when they were first seen, and were another profile's when they were read again."""
        found = {}
        for ids in batches(gone):
            for profile, survivor in self.tables.rows(
                f"SELECT {FORMER_PROFILE}, max(profile_id) FROM {self.tables.name(EVENTS.name)} "  # noqa: S608 - names are ours
                f"WHERE {FORMER_PROFILE} IN ({self.tables.literals(ids)}) AND profile_id <> {FORMER_PROFILE} "
                f"AND {DELETED_AT} IS NULL GROUP BY 1"
            ):
                found[profile] = Merge(profile, survivor, BY_EVENTS)
        return found

    def newest_events(self, gone: Sequence[str]) -> dict[str, tuple[str, datetime]]:
        """The newest event that the warehouse holds of each profile, if any: its id and when it happened."""
        found = {}
        for ids in batches(gone):
            for profile, event, happened in self.tables.rows(
                f"SELECT event.profile_id, max(event.id), max(event.datetime) FROM {self.tables.name(EVENTS.name)} event "  # noqa: S608 - names are ours
                f"JOIN (SELECT profile_id, max(datetime) AS latest FROM {self.tables.name(EVENTS.name)} "
                f"WHERE {DELETED_AT} IS NULL AND profile_id IN ({self.tables.literals(ids)}) GROUP BY 1) newest "
                f"ON newest.profile_id = event.profile_id AND newest.latest = event.datetime "
                f"WHERE event.{DELETED_AT} IS NULL GROUP BY 1"
            ):
                found[profile] = (event, happened)
        return found

    def moved(self, events: Mapping[str, tuple[str, datetime]]) -> dict[str, Merge]:
        """By their events, which are another profile's now."""
        walk = Walk(EVENTS, [EVENTS], self.contract, only=("datetime",))
        reader, found = PageReader(walk.tables, "datetime"), {}
        for profile, (event, happened) in events.items():
            second = whole_second(happened)
            within = (
                f"greater-or-equal(datetime,{stamp(second)}),less-than(datetime,{stamp(second + timedelta(seconds=1))})"
            )
            items = (
                item
                for part in walk.ranges_where([within])
                for page in walk.follow(self.client, reader, part)
                for item in page.items
            )
            owner = next((item.related_one("profile") for item in items if item.id == event), None)
            if owner and owner != profile:
                found[profile] = Merge(profile, owner, BY_EVENTS)
        self.tally.add(walk.tally)
        return found

    def succeeded(self, gone: Sequence[str], events: Mapping[str, object]) -> dict[str, Merge]:
        """By an identifier that is a living profile's now.

        Who registers anew after a deletion has the same one, too: where events did not move, the survivor must have been
        there already when the profile that is gone was last seen.
        """
        found: dict[str, Merge] = {}
        profiles, absences = self.tables.name(PROFILES.name), self.tables.name(ABSENCES)
        for name in IDENTIFIERS:
            column = self.tables.column(name)
            for ids in batches([one for one in gone if one not in found]):
                for profile, survivor, beside in self.tables.rows(
                    f"SELECT gone.id, survivor.id, survivor.created < absence.last_seen_at FROM {profiles} gone "  # noqa: S608 - names are ours
                    f"JOIN {profiles} survivor ON lower(survivor.{column}) = lower(gone.{column}) "
                    f"AND survivor.id <> gone.id AND survivor.{DELETED_AT} IS NULL "
                    f"JOIN {absences} absence ON absence.table_name = {self.tables.literal(PROFILES.name)} "
                    f"AND absence.id = gone.id AND absence.returned_at IS NULL "
                    f"WHERE gone.{column} <> '' AND gone.id IN ({self.tables.literals(ids)}) ORDER BY survivor.created, survivor.id"
                ):
                    if beside or profile not in events:
                        found.setdefault(profile, Merge(profile, survivor, f"the survivor has its {name}"))
        return found

    def answered(self, gone: Sequence[str]) -> dict[str, Merge]:
        """By Klaviyo's own answer to the id that is gone."""
        endpoint, found = self.contract.collection("/api/profiles/{id}"), {}
        for profile in gone[:ASKED_BY_ID]:
            target = f"/api/profiles/{quote(profile, safe='')}?fields%5Bprofile%5D=created"
            try:
                shown = self.client.read(endpoint, target, only_item, self.tally)
            except NotFound:
                continue
            if shown.id != profile:
                found[profile] = Merge(profile, shown.id, "Klaviyo answers with the survivor")
        return found

    # --- the record --------------------------------------------------------------------------------------------------

    def note(self, found: Causes) -> None:
        """Keep what was found: nobody asks for it again. Survivors that were merged on lead to the one that is left."""
        tables, name = self.tables, self.tables.name(MERGES)
        for ids in batches(found.deleted):
            self.end_memberships(ids)
        with tables.transaction():
            for some in batches(found.merges):
                known = self.tables.literals(one.profile for one in some)
                tables.execute(f"DELETE FROM {name} WHERE profile_id IN ({known})")  # noqa: S608 - names are ours
                values = ", ".join(
                    f"({self.tables.literals([one.profile, one.survivor, one.how])}, '{self.now}', {self.tables.literal(self.load_id)})"
                    for one in some
                )
                tables.execute(
                    f"INSERT INTO {name} (profile_id, survivor_id, how_known, known_at, {LOAD}) VALUES {values}"  # noqa: S608 - names are ours
                )
            for survivor, final in self.led_on().items():
                tables.execute(
                    f"UPDATE {name} SET survivor_id = {self.tables.literal(final)} WHERE survivor_id = {self.tables.literal(survivor)}"  # noqa: S608 - names are ours
                )
            for cause, profiles in ((MERGED, [one.profile for one in found.merges]), (DELETED, found.deleted)):
                for ids in batches(profiles):
                    tables.execute(
                        f"UPDATE {tables.name(ABSENCES)} SET cause = {self.tables.literal(cause)} "  # noqa: S608 - names are ours
                        f"WHERE table_name = {self.tables.literal(PROFILES.name)} AND returned_at IS NULL AND id IN ({self.tables.literals(ids)})"
                    )

    def led_on(self) -> dict[str, str]:
        """Survivors that are themselves merged, and where that ends."""
        rows = self.tables.rows(f"SELECT profile_id, survivor_id FROM {self.tables.name(MERGES)}")  # noqa: S608 - names are ours
        merged: dict[str, str] = {row[0]: row[1] for row in rows}
        found = {}
        for survivor in {*merged.values()} & merged.keys():
            final, passed = survivor, {survivor}
            while (following := merged.get(final)) and following not in passed:
                final = following
                passed.add(final)
            if final != survivor:
                found[survivor] = final
        return found

    def end_memberships(self, profiles: Sequence[str]) -> None:
        """Mark those of the deleted; those of the merged lead to the survivor until a sweep has seen that they are gone."""
        for one in at(self.contract.revision):
            if one.links and one.per and is_swept(one) and self.tables.exists(one.name):
                condition = f"profile_id IN ({self.tables.literals(profiles)})"
                mark(self.tables, full_table(one, self.contract), condition, now=self.now, how=PARENT_GONE)


class Shown(msgspec.Struct):
    id: str


class Document(msgspec.Struct):
    data: Shown


DOCUMENT: Final = msgspec.json.Decoder(Document)


def only_item(body: bytes) -> Shown:
    try:
        return decoded(DOCUMENT, body).data
    except msgspec.MsgspecError as error:
        raise MalformedPage(f"not a JSON:API object: {type(error).__name__}") from None


def left(gone: Mapping[str, Absence], merges: Mapping[str, Merge]) -> list[str]:
    return [one for one in gone if one not in merges]


def batches(of: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(of), AT_ONCE):
        yield of[start : start + AT_ONCE]
