"""Events from their index, one by one, or a page at once as JSON."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NoReturn, overload
from uuid import UUID
from zlib import crc32

import msgspec

from sandbox.account import Attribution, Event, Events
from sandbox.bulk.calendar import Calendar
from sandbox.bulk.deck import Card, Deck
from sandbox.bulk.names import STEP, event_id, event_index
from sandbox.bulk.profiles import Profiles
from sandbox.story.spelling import GREGORIAN, HOUR, event_uuid, instant

TOKEN: Final = 0x5EED_C0DE
CLOCK: Final = [f"{second // 60:02}:{second % 60:02}+00:00".encode() for second in range(HOUR)]


@dataclass(slots=True)
class BulkEvent:
    id: str
    second: int
    metric_id: str | None
    profile_id: str | None
    attributions: tuple[Attribution, ...]
    pattern: bytes
    salt: int

    @property
    def uuid(self) -> str:
        return event_uuid(self.second, self.id)

    @property
    def datetime(self) -> str:
        return instant(self.second)

    @property
    def properties(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.json.decode(self.pattern % (self.salt, self.salt ^ TOKEN))
        return found


def profile_of(salt: int, profiles: int) -> int:
    """Whom an event befell: the older a profile, the more."""
    return salt % ((salt >> 7) % profiles + 1)


def attribution_id(salt: int, index: int) -> str:
    return str(UUID(int=salt << 96 | index * STEP % 2**96, version=4))


class BulkEvents(Events):
    """As many events as a calendar holds, each made when it is asked for."""

    def __init__(self, calendar: Calendar, deck: Deck, profiles: Profiles) -> None:
        self.calendar = calendar
        self.deck = deck
        self.profiles = profiles

    def __len__(self) -> int:
        return self.calendar.count

    def get(self, event_id: str) -> Event | None:
        index = event_index(event_id)
        if index is None or index >= len(self):
            return None
        event = self.at(index)
        return event if event.id == event_id else None

    def at(self, index: int) -> Event:
        second, first, stop = self.calendar.second_of(index)
        name = event_id(index, index - first, stop - first)
        salt, card = crc32(name), self.deck.card(index)
        return BulkEvent(
            id=name.decode(),
            second=second,
            metric_id=card.metric_id,
            profile_id=self.profiles.id(profile_of(salt, len(self.profiles))),
            attributions=self._attributions(index, card, salt) if card.cause else (),
            pattern=card.pattern,
            salt=salt,
        )

    def _attributions(self, index: int, card: Card, salt: int) -> tuple[Attribution, ...]:
        touch = self.id(index // 2)
        return (Attribution(attribution_id(salt, index), {"attributed-event": touch, **card.cause}),)

    def id(self, index: int) -> str:
        _, first, stop = self.calendar.second_of(index)
        return event_id(index, index - first, stop - first).decode()

    def index(self, second: int, event_id: str = "") -> int:
        index, stop = self.calendar.index(second), self.calendar.index(second + 1)
        while event_id and index < stop:
            middle = (index + stop) // 2
            if self.id(middle) < event_id:
                index = middle + 1
            else:
                stop = middle
        return index

    def some(self, indexes: range) -> Page:
        return Page(self, indexes)

    def of(self, metric_id: str) -> Line:
        return Line(self, metric_id)

    def add(self, event: Event) -> NoReturn:
        raise ValueError(f"The events of a bulk account are what they are: {event.id} cannot be added")

    def remove(self, event_id: str) -> NoReturn:
        raise ValueError(f"The events of a bulk account are what they are: {event_id} cannot be removed")


class Line:
    """The events of one metric in the order of time: every so many cards of the deck, over and over."""

    def __init__(self, store: BulkEvents, metric_id: str) -> None:
        self.store = store
        self.places = store.deck.places(metric_id)

    def __len__(self) -> int:
        return self._before(len(self.store)) if self.places else 0

    def at(self, index: int) -> Event:
        rounds, place = divmod(index, len(self.places))
        return self.store.at(rounds * len(self.store.deck.cards) + self.places[place])

    def some(self, indexes: range) -> list[Event]:
        return [self.at(index) for index in indexes]

    def index(self, second: int, event_id: str = "") -> int:
        return self._before(self.store.index(second, event_id))

    def _before(self, index: int) -> int:
        """How many of its events come before the one at an index of the store."""
        rounds, rest = divmod(index, len(self.store.deck.cards))
        return rounds * len(self.places) + bisect_left(self.places, rest)


class Page(Sequence[Event]):
    """Some events in a row, in either direction."""

    def __init__(self, store: BulkEvents, indexes: range) -> None:
        self.store = store
        self.indexes = indexes

    def __len__(self) -> int:
        return len(self.indexes)

    @overload
    def __getitem__(self, place: int) -> Event: ...
    @overload
    def __getitem__(self, place: slice) -> Page: ...
    def __getitem__(self, place: int | slice) -> Event | Page:
        if isinstance(place, slice):
            return Page(self.store, self.indexes[place])
        return self.store.at(self.indexes[place])

    def attributed(self) -> list[Event]:
        """Those that are attributed to something."""
        cards, size = self.store.deck.cards, len(self.store.deck.cards)
        return [self.store.at(index) for index in self.indexes if cards[index % size].cause]

    def spelled(self, addresses: bytes, *, linked: bool) -> list[bytes]:
        """Each as a JSON:API object whose links begin with `addresses`; `linked` shows who it is attributed to."""
        if not self.indexes:
            return []
        ascending = self.indexes if self.indexes.step > 0 else self.indexes[::-1]
        rows = self._rows(ascending, spellings(self.store.deck, addresses, linked=linked), linked=linked)
        return rows if ascending is self.indexes else rows[::-1]

    def _rows(self, indexes: range, patterns: list[bytes], *, linked: bool) -> list[bytes]:
        # One loop without a call where it can be helped: this is what a page costs.
        cards, size, profile = self.store.deck.cards, len(patterns), self.store.profiles.id_bytes
        people, start, stop = len(self.store.profiles), indexes[0], indexes[-1] + 1
        rows: list[bytes] = []
        hour, date = 0, b""
        for second, first, last in self.store.calendar.seconds(start, stop):
            if second // HOUR != hour:
                hour, date = second // HOUR, instant(second)[: len("2026-01-31T12:")].encode()
            stamp, ticks = date + CLOCK[second % HOUR], GREGORIAN + second * 10_000_000
            for index in range(max(start, first), min(stop, last)):
                name = event_id(index, index - first, last - first)
                salt = crc32(name)
                tick, place = ticks + salt % 10_000_000, index % size
                fields = (
                    name, second, salt, salt ^ TOKEN, stamp,
                    tick & 0xFFFFFFFF, tick >> 32 & 0xFFFF, tick >> 48, salt * 40503,
                    profile(salt % ((salt >> 7) % people + 1)), name, name, name, name, name,
                )  # fmt: skip
                if not cards[place].cause:
                    rows.append(patterns[place] % fields)
                elif linked:
                    rows.append(patterns[place] % (*fields[:-1], attribution_id(salt, index).encode(), *fields[-3:]))
                else:
                    rows.append(patterns[place] % (*fields, name, name))
        return rows


@lru_cache(maxsize=8)
def spellings(deck: Deck, addresses: bytes, *, linked: bool) -> list[bytes]:
    """For each card of a deck the JSON of its events, with places for what is each event's own."""
    made: dict[Card, bytes] = {}
    for card in deck.cards:
        if card not in made:
            made[card] = _spelling(card, addresses.replace(b"%", b"%%"), linked=linked)
    return [made[card] for card in deck.cards]


def _spelling(card: Card, addresses: bytes, *, linked: bool) -> bytes:
    relations = [
        _relation(b"profile", b"%b", addresses),
        _relation(b"metric", card.metric_id.encode(), addresses),
    ]
    if card.cause:
        data = b'"data":[{"type":"attribution","id":"%b"}],' if linked else b""
        links = _links(b"attributions", addresses)
        relations.append(b'"attributions":{' + data + links + b"}")
    return b"".join(
        (
            b'{"type":"event","id":"%b","attributes":{"timestamp":%d,"event_properties":',
            card.pattern,
            b',"datetime":"%b","uuid":"%08x-%04x-1%03x-8001-%012x"},"relationships":{',
            b",".join(relations),
            b'},"links":{"self":"' + addresses + b'%b/"}}',
        )
    )


def _relation(name: bytes, id_: bytes, addresses: bytes) -> bytes:
    data = b'"' + name + b'":{"data":{"type":"' + name + b'","id":"' + id_ + b'"},'
    return data + _links(name, addresses) + b"}"


def _links(name: bytes, addresses: bytes) -> bytes:
    self = b'"self":"' + addresses + b"%b/relationships/" + name + b'/"'
    return b'"links":{' + self + b',"related":"' + addresses + b"%b/" + name + b'/"}'
