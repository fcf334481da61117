"""People who are to be forgotten: found wherever the warehouse tells of them, and purged or made pseudonymous.

persons  from profiles that are gone, or from what a person is known by
→ own    rows that are theirs: deleted, or parted from them where they count without anybody
→ other  rows that tell of them: rewritten without them
→ noted  in `etl_forgotten`, by tombstones that name no one, so that what arrives again is treated likewise

All of that is one transaction; then models are dropped, and the database is written anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

import dlt
import pendulum

from pipelines.absence import deleted_profiles
from pipelines.compaction import LEFTOVER_COLUMNS, LEFTOVERS, compact, drop_models, leftovers
from pipelines.errors import ConfigurationError
from pipelines.journal import Entries, insert
from pipelines.merges import MERGES
from pipelines.policy import by, stored_names, treat_rows
from pipelines.redaction import Place, Redaction, Rewrite
from pipelines.schema import make_tables
from pipelines.settings import OnDeletion, Settings, deletion_policy, field_policy
from pipelines.traces import Person, Traces
from pipelines.warehouse import Tables, Warehouse, destination_errors, schema_of
from sources.klaviyo.declaration import known_tables, rules_of_forgotten
from sources.klaviyo.forgotten import Forgotten, tombstone
from sources.klaviyo.policy import Policy, TablePolicy
from sources.klaviyo.pseudonyms import Pseudonyms, is_pseudonym, normal
from sources.klaviyo.tables import Column

FORGOTTEN: Final = "etl_forgotten"
COLUMNS: Final = (
    Column("forgotten_at", "timestamp"),
    Column("how", "text"),
    Column("why", "text"),
    Column("tombstones", "json"),
    Column("tables", "json"),
)
EVENTS: Final = "events"
STAYING: Final = frozenset({EVENTS, "coupon_codes"})
"""Tables whose rows count without anybody, and so stay when their profile goes."""
NAMES: Final = (
    "first_name", "last_name", "organization", "image",
    "location__address1", "location__address2", "location__zip", "location__ip",
)  # fmt: skip
ADDRESSES: Final = (
    "email",
    "phone_number",
    *(f"subscriptions__whatsapp__{use}__phone_number" for use in ("marketing", "transactional", "conversational")),
)
AT_ONCE: Final = 200


@dataclass
class Forgetting:
    """What was done, or would be, about some people: rows by table."""

    people: int = 0
    deleted: dict[str, int] = field(default_factory=dict)
    rewritten: dict[str, int] = field(default_factory=dict)
    unknown: int = 0
    """Of those asked for: names that no profile has."""
    rebuild: bool = False
    """Whether models were dropped, to be built anew."""


@dataclass(frozen=True)
class Dataset:
    """The raw tables, as the warehouse has them."""

    redaction: Redaction
    places: Sequence[Place]
    known: Mapping[str, Mapping[str, str]]
    """The stored names of columns, by table."""

    @property
    def profiles(self) -> Place | None:
        return next((place for place in self.places if place.table == "profiles"), None)


def dataset_of(pipeline: dlt.Pipeline, redaction: Redaction) -> Dataset:
    naming = schema_of(pipeline).naming
    places = redaction.places([pipeline.dataset_name])
    return Dataset(
        redaction,
        [place for place in places if not place.table.startswith("_dlt")],
        {name: stored_names(naming, tables[0]) for name, tables in known_tables().items()},
    )


@dataclass(frozen=True)
class Eraser:
    """Forgets people in one warehouse."""

    warehouse: Warehouse
    pseudonyms: Pseudonyms
    how: OnDeletion
    dry: bool = False

    def forget(self, asked: Sequence[str], why: str) -> Forgetting:
        """Forget those who are known by an id, an e-mail address, a phone number or an external id.

        Raises DestinationError; then nothing has changed.
        """
        done = Forgetting()
        with destination_errors(self.warehouse):
            pipeline = self.warehouse.pipeline()
            if not self.dry:
                make_tables(pipeline, (), {FORGOTTEN: COLUMNS, LEFTOVERS: LEFTOVER_COLUMNS})
            with pipeline.sql_client() as client:
                dataset = dataset_of(pipeline, Redaction(Tables(client), schema_of(pipeline)))
                transaction: AbstractContextManager[Any] = nullcontext() if self.dry else client.begin_transaction()
                with transaction:
                    for start in range(0, len(asked), AT_ONCE):
                        self.forget_some(dataset, asked[start : start + AT_ONCE], why, done)
                    if not self.dry and done.people:
                        insert(dataset.redaction.tables, leftovers(pendulum.now("UTC"), "forgetting"))
        if not self.dry and done.people:
            done.rebuild = drop_models(self.warehouse, pipeline)
            compact(self.warehouse, pipeline)
        return done

    def forget_some(self, dataset: Dataset, asked: Sequence[str], why: str, done: Forgetting) -> None:
        found = [(name, people_known_as(dataset, name, self.pseudonyms)) for name in asked]
        done.unknown += sum(not profiles for _, profiles in found)
        persons = [person for name, profiles in found for person in profiles or [stranger(name)]]
        done.people += len(persons)
        act = Act(dataset, self.pseudonyms, self.how, persons, done, dry=self.dry)
        for place in dataset.places:
            if place.table != FORGOTTEN:
                act.erase(place)
        if not self.dry:
            made = [
                self.pseudonyms.of(tombstone(name))
                for person in persons
                for name in sorted(person.ids | person.distinct)
            ]
            row = {
                "forgotten_at": pendulum.now("UTC"),
                "how": self.how,
                "why": why,
                "tombstones": json.dumps(made),
                "tables": json.dumps({"deleted": done.deleted, "rewritten": done.rewritten}),
            }
            insert(dataset.redaction.tables, Entries(FORGOTTEN, COLUMNS, [row]))


def eraser(warehouse: Warehouse, how: str, *, dry: bool = False) -> Eraser:
    """As asked, or as the settings say. Raises ConfigurationError where neither says how, or there is no key."""
    wanted = how or deletion_policy()
    if wanted not in ("purge", "pseudonymize"):
        raise ConfigurationError("say how: --how purge or --how pseudonymize, or set sources.klaviyo.on_deletion")
    pseudonyms = field_policy().pseudonyms
    if pseudonyms is None:
        raise ConfigurationError(
            "forgetting needs sources.klaviyo.hash_key, a secret of your own: tombstones are made with it"
        )
    return Eraser(warehouse, pseudonyms, "purge" if wanted == "purge" else "pseudonymize", dry=dry)


def forget_deleted(settings: Settings, warehouse: Warehouse) -> Forgetting:
    """Forget those whose profiles are known to have been deleted in Klaviyo, as the settings say."""
    assert settings.policy.pseudonyms is not None, "settings see to it"
    with warehouse.tables() as tables:
        gone = [one.id for one in deleted_profiles(tables) if not is_pseudonym(one.id)]
    if not gone:
        return Forgetting()
    return Eraser(warehouse, settings.policy.pseudonyms, settings.on_deletion).forget(gone, "deleted in Klaviyo")


@dataclass(frozen=True)
class Act:
    """The erasing of some people from one table after another."""

    dataset: Dataset
    pseudonyms: Pseudonyms
    how: OnDeletion
    persons: Sequence[Person]
    done: Forgetting
    dry: bool = False

    @property
    def redaction(self) -> Redaction:
        return self.dataset.redaction

    @cached_property
    def rules(self) -> dict[str, TablePolicy]:
        return rules_of_forgotten()

    @cached_property
    def ids(self) -> list[str]:
        return sorted({one for person in self.persons for one in person.ids})

    @cached_property
    def everywhere(self) -> Traces:
        return Traces(frozenset().union(*(person.distinct for person in self.persons)))

    def erase(self, place: Place) -> None:
        own, parameters = in_ids(self.redaction, place, self.ids), self.ids * len(place.ids)
        theirs = self.redaction.count(place, own, *parameters)
        others = self.count_mentions(place, own, *parameters)
        goes = self.how == "purge" and place.table not in STAYING
        for counts, rows in ((self.done.deleted, goes * theirs), (self.done.rewritten, (not goes) * theirs + others)):
            if rows:
                counts[place.table] = counts.get(place.table, 0) + rows
        if self.dry:
            return
        if theirs and goes:
            self.redaction.delete(place, own, *parameters)
        elif theirs:
            self.part(place)
        if others or (theirs and not goes):
            self.rewrite_mentions(place)

    def part(self, place: Place) -> None:
        """Leave of rows that are theirs what tells of nobody."""
        for person in self.persons:
            ids = sorted(person.ids)
            where, parameters = in_ids(self.redaction, place, ids), ids * len(place.ids)
            if not self.redaction.count(place, where, *parameters):
                continue
            if rules := self.rules.get(place.table):
                treat_rows(self.redaction, place, rules, self.dataset.known[place.table], where, *parameters)
            self.rewrite(place, person.own, where, *parameters)
            for column in place.ids:
                for one in ids:
                    name = self.pseudonyms.of(one) if self.how == "pseudonymize" else None
                    self.redaction.set(place, column, f"{self.redaction.column(column)} = %s", one, to=name)

    def rewrite(self, place: Place, traces: Traces, where: str, *parameters: object) -> None:
        """Rewrite some rows, but for the ids by which they are found."""
        for column in {*place.texts} - {*place.ids}:
            self.redaction.rewrite(place, column, without(traces, place, column), where, *parameters)

    def rewrite_mentions(self, place: Place) -> None:
        """Rewrite rows of others, or of nobody, that tell of them."""
        for column, found in self.mentions(place).items():
            alone = without(self.everywhere, place, column)
            for start in range(0, len(found), AT_ONCE):
                part = found[start : start + AT_ONCE]
                self.rewrite_mention(place, column, alone, among(self.redaction, column, part), *part)

    def mentions(self, place: Place) -> dict[str, list[str]]:
        """The values that tell of them, by column."""
        found = {}
        for column in place.texts:
            alone = without(self.everywhere, place, column)
            candidates = self.redaction.matching(place, column, self.everywhere.candidates)
            if values := [value for value in candidates if alone(value) != value]:
                found[column] = values
        return found

    def count_mentions(self, place: Place, own: str, *parameters: object) -> int:
        """Rows of others that tell of them."""
        if not (found := self.mentions(place)):
            return 0
        told = " OR ".join(among(self.redaction, column, values) for column, values in found.items())
        values = [value for values in found.values() for value in values]
        return self.redaction.count(place, f"({told}) AND NOT COALESCE({own}, FALSE)", *values, *parameters)

    def rewrite_mention(self, place: Place, column: str, alone: Rewrite, where: str, *parameters: object) -> None:
        """What happened to somebody else stays that person's; any other row that mentions somebody is about nobody else."""
        rules = self.rules.get(place.table) if place.table != EVENTS else None
        if rules is None:
            self.redaction.rewrite(place, column, alone, where, *parameters)
            return
        known = self.dataset.known[place.table]
        others = replace(place, columns={name: of for name, of in place.columns.items() if name != column})
        treat_rows(self.redaction, others, rules, known, where, *parameters)
        node = rules.node(known.get(column, column), new=column not in known)
        if node.drops:
            self.redaction.set(place, column, where, *parameters)
            return
        treated = by(node, is_json=place.is_json(column))
        self.redaction.rewrite(place, column, lambda value: alone(treated(value) or ""), where, *parameters)


def in_ids(redaction: Redaction, place: Place, ids: Sequence[str]) -> str:
    """The SQL condition of rows of some people."""
    if not ids or not place.ids:
        return "FALSE"
    places = ", ".join(["%s"] * len(ids))
    return f"({' OR '.join(f'{redaction.column(column)} IN ({places})' for column in place.ids)})"


def among(redaction: Redaction, column: str, values: Sequence[str]) -> str:
    """The SQL condition of rows with one of some values."""
    return f"{redaction.tables.text(redaction.column(column))} IN ({', '.join(['%s'] * len(values))})"


def without(traces: Traces, place: Place, column: str) -> Rewrite:
    return traces.without_in_json if place.is_json(column) else traces.without


# --- who -----------------------------------------------------------------------------------------------------------


def people_known_as(dataset: Dataset, name: str, pseudonyms: Pseudonyms) -> list[Person]:
    """The people whose profile the warehouse has under an id, an address or an external id, plain or as a pseudonym."""
    profiles, redaction = dataset.profiles, dataset.redaction
    if profiles is None:
        return []
    there = [column for column in ("id", "email", "phone_number", "external_id") if column in profiles.columns]
    known_as = sorted({name, name.strip().lower(), normal(name), pseudonyms.of(name)})
    where = " OR ".join(f"{same(column)} IN ({', '.join(['%s'] * len(known_as))})" for column in there)
    told = [*{*there, *(column for column in (*NAMES, *ADDRESSES) if column in profiles.columns)}]
    rows = redaction.tables.rows(
        f"SELECT {', '.join(map(redaction.column, told))} FROM {redaction.name(profiles)} WHERE {where}",  # noqa: S608 - names are ours
        *known_as * len(there),
    )
    return [person(redaction, profiles, dict(zip(told, row, strict=True)), name) for row in rows]


def same(column: str) -> str:
    return "lower(email)" if column == "email" else column


def person(redaction: Redaction, profiles: Place, row: dict[str, str | None], name: str) -> Person:
    addresses = {value for column in ADDRESSES if (value := row.get(column))}
    if "@" in name or name.startswith("+"):
        addresses.add(name.strip())
    names = {value for column in NAMES if (value := row.get(column))}
    names.add(f"{row.get('first_name') or ''} {row.get('last_name') or ''}")
    own = str(row["id"])
    return Person(
        ids=frozenset({own, *merged_into(redaction, own)}),
        addresses=frozenset(one for one in addresses if not others_have(redaction, profiles, own, one)),
        external_ids=frozenset({row.get("external_id") or ""} - {""}),
        names=frozenset(names),
    )


def merged_into(redaction: Redaction, profile_id: str) -> list[str]:
    rows = redaction.tables.rows(
        f"SELECT profile_id FROM {redaction.tables.name(MERGES)} WHERE survivor_id = %s",  # noqa: S608 - names are ours
        profile_id,
    )
    return [row[0] for row in rows]


def others_have(redaction: Redaction, profiles: Place, profile_id: str, address: str) -> bool:
    """Whether a profile that is not gone has the address, too: one that was merged, or that came anew."""
    columns = [column for column in ("email", "phone_number") if column in profiles.columns]
    where = " OR ".join(f"{same(column)} = %s" for column in columns)
    return bool(
        redaction.count(
            profiles, f"id <> %s AND _deleted_at IS NULL AND ({where})", profile_id, *[address.lower()] * len(columns)
        )
    )


def stranger(name: str) -> Person:
    """Somebody whom the warehouse has no profile of."""
    if "@" in name or name.startswith("+"):
        return Person(addresses=frozenset({normal(name)}))
    return Person(ids=frozenset({name}))


# --- tombstones ----------------------------------------------------------------------------------------------------


def with_tombstones(pipeline: dlt.Pipeline, policy: Policy) -> Policy:
    """The policy, by which nobody comes back who was forgotten."""
    with pipeline.sql_client() as client:
        tables = Tables(client)
        rows = tables.rows(f"SELECT how, {tables.text('tombstones')} FROM {tables.name(FORGOTTEN)}")  # noqa: S608 - names are ours
    made = {how: frozenset(one for which, text in rows if which == how for one in json.loads(text)) for how, _ in rows}
    if not made:
        return policy
    if policy.pseudonyms is None:
        raise ConfigurationError(
            "people were forgotten in this warehouse, and sources.klaviyo.hash_key is not set: without it they would come back"
        )
    everybody: frozenset[str] = frozenset().union(*made.values())
    apart = made.get("pseudonymize", frozenset())
    return replace(policy, forgotten=Forgotten(policy.pseudonyms, everybody, rules_of_forgotten(), apart))
