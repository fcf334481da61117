"""Versions of a row: what is a change of it, since when, and how precisely that is known. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

import xxhash

from sources.klaviyo.spec import MARKS, Versioned

Content = dict[str, Any]
"""A row's columns and values, as JSON has them."""
By = Literal["updated", "seen"]
"""Who says since when: Klaviyo's mark of change, or whoever saw it first."""
End = Literal["changed", "vanished"]


@dataclass(frozen=True)
class Look:
    """A run's look at a table: each row is as Klaviyo showed it some time between `began` and `ended`."""

    began: datetime
    ended: datetime
    last: datetime | None = None
    """When the last look at all rows began: what they said since, they said still then."""


@dataclass(frozen=True, kw_only=True)
class Sight:
    """A row as the warehouse has it."""

    id: str
    content: Content
    loaded_at: datetime
    """By when the warehouse had it."""
    vanished_at: datetime | None = None

    @property
    def marked_at(self) -> datetime | None:
        return mark(self.content)


@dataclass(frozen=True, kw_only=True)
class Version:
    """What a row said from one instant to, not including, another.

    The change happened after `…_after`, where that is known, and not after the instant itself.
    """

    id: str
    number: int
    content: Content
    valid_from: datetime
    valid_from_by: By
    valid_from_after: datetime | None
    changed: tuple[str, ...] = ()
    """Columns that were otherwise in the version before."""
    seen_at: datetime
    """When the run began that saw it first."""
    valid_to: datetime | None = None
    valid_to_after: datetime | None = None
    ended_by: End | None = None


def follow(latest: Version | None, sight: Sight, look: Look, kind: Versioned) -> Iterator[Version]:
    """Yield what is to be written, the latest version last, given the latest that is known of a row."""
    if latest is None:
        begun = first(sight, look)
    elif latest.valid_to is not None:
        if sight.vanished_at and sight.vanished_at <= latest.valid_to:
            return
        yield latest
        begun = back(latest, sight, look, kind)
    elif changed := changes(latest.content, sight.content, kind):
        begun = next_version(latest, sight, look, changed)
        yield ended(latest, begun.valid_from, known_last(latest, look), "changed")
    else:
        # Columns that were not known of when the version began are no change of it.
        begun = replace(latest, content=latest.content | sight.content)
        if sight.vanished_at is None:
            yield begun
            return
    if sight.vanished_at:
        begun = ended(begun, sight.vanished_at, known_last(begun, look), "vanished")
    yield begun


def first(sight: Sight, look: Look) -> Version:
    """The first version of a row. One that was there at the first look has been so for nobody knows how long."""
    version = replace(seen(sight, look, number=1), valid_from_after=look.last)
    if sight.marked_at and (look.last or sight.marked_at) <= sight.marked_at <= look.ended:
        return replace(version, valid_from=sight.marked_at, valid_from_by="updated")
    return version if look.last else replace(version, valid_from=min(sight.loaded_at, look.ended))


def next_version(latest: Version, sight: Sight, look: Look, changed: tuple[str, ...]) -> Version:
    """A changed row's version, from Klaviyo's mark on where that has moved to when nobody had seen otherwise."""
    after = known_last(latest, look)
    version = replace(seen(sight, look, latest.number + 1), valid_from_after=after, changed=changed)
    if sight.marked_at and sight.marked_at != mark(latest.content) and after <= sight.marked_at <= look.ended:
        version = replace(version, valid_from=sight.marked_at, valid_from_by="updated")
    return replace(version, valid_from=max(version.valid_from, latest.valid_from))


def back(latest: Version, sight: Sight, look: Look, kind: Versioned) -> Version:
    """The version of a row that had vanished."""
    assert latest.valid_to is not None
    after = max(latest.valid_to, look.last or latest.valid_to)
    version = seen(sight, look, latest.number + 1)
    return replace(
        version,
        valid_from=max(look.ended, after),
        valid_from_after=after,
        changed=changes(latest.content, sight.content, kind),
    )


def seen(sight: Sight, look: Look, number: int) -> Version:
    """A version of which no more is known than that this look saw it."""
    return Version(
        id=sight.id,
        number=number,
        content=sight.content,
        valid_from=look.ended,
        valid_from_by="seen",
        valid_from_after=None,
        seen_at=look.began,
    )


def ended(version: Version, at: datetime, after: datetime | None, by: End) -> Version:
    """The version, ended: never before it began."""
    return replace(version, valid_to=max(at, version.valid_from), valid_to_after=after, ended_by=by)


def known_last(version: Version, look: Look) -> datetime:
    """The last instant at which the version is known to have held."""
    return max(version.seen_at, look.last or version.seen_at)


# --- what is a change ----------------------------------------------------------------------------------------------


def changes(old: Content, new: Content, kind: Versioned) -> tuple[str, ...]:
    """The columns of both that differ in what they mean."""
    return tuple(
        name
        for name in sorted(old.keys() & new.keys())
        if name not in MARKS and canonical(name, old[name], kind) != canonical(name, new[name], kind)
    )


def fingerprint(content: Content, kind: Versioned) -> int:
    """64 bits of what a row means: rows of one fingerprint do not differ."""
    meant = [[name, canonical(name, content[name], kind)] for name in sorted(content) if name not in MARKS]
    # As signed as a column of the warehouse.
    return xxhash.xxh3_64_intdigest(spelled(meant).encode()) - (1 << 63)


def canonical(name: str, value: Any, kind: Versioned) -> str:  # noqa: ANN401 - any JSON
    return spelled(settled(value) if name in kind.unordered else value)


def settled(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """The value with its arrays in one order, whatever order they came in."""
    if isinstance(value, dict):
        return {key: settled(inner) for key, inner in value.items()}
    return sorted(map(settled, value), key=spelled) if isinstance(value, list) else value


def spelled(value: Any) -> str:  # noqa: ANN401 - any JSON
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=number)


def number(value: Decimal) -> int | float:
    """What a number means, however it is spelled."""
    return int(value) if value.as_tuple().exponent == 0 else float(value)


def mark(content: Mapping[str, Any]) -> datetime | None:
    """When Klaviyo says that the row changed last."""
    at = next((content[name] for name in MARKS if content.get(name)), None)
    return datetime.fromisoformat(at) if at else None
