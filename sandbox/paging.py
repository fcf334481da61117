"""Keyset paging: a page cursor is the sort key of the last row shown, so rows that slip in behind it are not seen."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple

import msgspec

from sandbox.errors import invalid_cursor

Key = Any
"""An instant, a text or a number; of one kind within an order."""


class Place(NamedTuple):
    key: Key | None
    id: str


class Order(NamedTuple):
    """Rows by (key, id), and after them, whatever the direction, the rows whose key is null."""

    keyed: Sequence[Place]
    nulls: list[str]

    @classmethod
    def of(cls, places: Iterable[Place]) -> Order:
        keyed, nulls = [], []
        for place in places:
            if place.key is None:
                nulls.append(place.id)
            else:
                keyed.append(place)
        return cls(sorted(keyed), sorted(nulls))

    def walk(self, after: Place | None, bounds: tuple[Key | None, Key | None], *, descending: bool) -> Iterator[Place]:
        """The places behind a page cursor; those with a key beyond the (inclusive) bounds may be left out."""
        lower, upper = bounds
        start = 0 if lower is None else bisect_left(self.keyed, lower, key=_key)
        stop = len(self.keyed) if upper is None else bisect_right(self.keyed, upper, key=_key)
        nulls = self.nulls if bounds == (None, None) else []
        if after is not None and after.key is None:
            start = stop
            nulls = nulls[bisect_right(nulls, after.id) :]
        elif after is not None and descending:
            stop = min(stop, bisect_left(self.keyed, after))
        elif after is not None:
            start = max(start, bisect_right(self.keyed, after))
        indexes = range(stop - 1, start - 1, -1) if descending else range(start, stop)
        return chain((self.keyed[index] for index in indexes), (Place(None, id_) for id_ in nulls))


def _key(place: Place) -> Key:
    return place.key


def encode(field: str, place: Place) -> str:
    """A page cursor in the API's own spelling: `next::created::2026-09-04 13:40:13+00:00::id::116466131`."""
    if field == "id":
        return _pack(f"next::id::{place.id}".encode())
    return _pack(f"next::{field}::{_spell(place.key)}::id::{place.id}".encode())


def decode(cursor: str, field: str, *, timestamp: bool) -> Place:
    head, _, rest = _unpack(cursor).decode(errors="replace").partition(f"next::{field}::")
    if head or not rest:
        raise invalid_cursor()
    if field == "id":
        return Place(rest, rest)
    text, _, id_ = rest.rpartition("::id::")
    try:
        return Place(_read(text, timestamp=timestamp), id_)
    except ValueError:
        raise invalid_cursor() from None


def _spell(key: Key | None) -> str:
    return str(key) if isinstance(key, datetime) else msgspec.json.encode(key).decode()


def _read(text: str, *, timestamp: bool) -> Key | None:
    if timestamp and text != "null":
        return datetime.fromisoformat(text)
    return msgspec.json.decode(text)


def encode_event(second: int, event_id: str) -> str:
    return _pack(f'[{second}, "{event_id}", true]'.encode())


def decode_event(cursor: str) -> tuple[int, str]:
    try:
        second, event_id, _ = msgspec.json.decode(_unpack(cursor), type=tuple[int, str, bool])
    except msgspec.MsgspecError:
        raise invalid_cursor() from None
    return second, event_id


def _pack(text: bytes) -> str:
    return urlsafe_b64encode(text).decode().rstrip("=")


def _unpack(cursor: str) -> bytes:
    try:
        return urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    except ValueError:
        raise invalid_cursor() from None
