"""People of whom Klaviyo may still tell, and of whom nothing more is kept: what arrives of them is treated before it is a row."""

from __future__ import annotations

import base64
import re
from collections.abc import Container, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from msgspec import Raw

from sources.klaviyo.policy import ALL, NEW, TablePolicy, Treatment
from sources.klaviyo.pseudonyms import EMAIL, REDACTED, Pseudonyms

if TYPE_CHECKING:
    from sources.klaviyo.documents import Item
    from sources.klaviyo.tables import Table

BASE64: Final = re.compile(rb"[A-Za-z0-9+/_-]{8,}={0,2}")
STANDARD: Final = bytes.maketrans(b"-_", b"+/")
PROFILE: Final = "profile"
EVENT: Final = "event"
STAYING: Final = frozenset({EVENT, "coupon-code"})
"""What is counted without anybody, and so stays when its profile goes."""


def tombstone(text: str) -> str:
    """What the tombstone of an id or an address is the pseudonym of: not that of itself, which may stand in tables."""
    return f"forgotten {text.strip().lower()}"


class Forgetful(Pseudonyms):
    """Only the forgotten lose their names."""

    def __init__(self, key: bytes, tombstones: frozenset[str]) -> None:
        super().__init__(key)
        self.tombstones = tombstones
        self.made = Pseudonyms(key)

    def reckon(self, text: str) -> str:
        return REDACTED if self.made.of(tombstone(text)) in self.tombstones else text


class Forgotten:
    """The tombstones of an account, and how what arrives is held against them."""

    def __init__(
        self,
        pseudonyms: Pseudonyms,
        tombstones: frozenset[str],
        rules: Mapping[str, TablePolicy],
        apart: frozenset[str] = frozenset(),
    ) -> None:
        self.pseudonyms = pseudonyms
        self.tombstones = tombstones
        self.apart = apart
        """The tombstones of those whose id has a pseudonym in its place, by which one can still be told from another."""
        self.rules = rules
        """What is left of what is told beside a forgotten person, by table."""
        everywhere: dict[tuple[str, ...], Treatment] = {(ALL,): "mask", (NEW,): "mask"}
        self.mentions = TablePolicy(Forgetful(pseudonyms.key, tombstones), everywhere)

    def __contains__(self, name: str) -> bool:
        return self.pseudonyms.of(tombstone(name)) in self.tombstones

    def name(self, profile_id: str) -> str | None:
        """What stands in place of the id of somebody forgotten."""
        return self.pseudonyms.of(profile_id) if self.pseudonyms.of(tombstone(profile_id)) in self.apart else None

    def left(self, item: Item, tables: Sequence[Table]) -> bool:
        """Whether anything of an object is left. If so, it then tells of nobody who is forgotten."""
        if item.type == PROFILE:
            return item.id not in self
        theirs = self.part(item)
        if theirs and item.type not in STAYING:
            return False
        if item.attributes:
            attributes = {name: self.decoded(bytes(value), theirs) for name, value in item.attributes.items()}
            attributes = treated(self.mentions, attributes, ())
            mentioned = redactions(attributes) > redactions(item.attributes)
            # What happened to somebody else stays that person's.
            if theirs or (mentioned and item.type != EVENT):
                known = [column.name for table in tables for column in table.columns]
                for rules in filter(None, (self.rules.get(table.name) for table in tables)):
                    attributes = treated(rules, attributes, known)
            if theirs or mentioned:
                item.attributes = attributes
        return True

    def decoded(self, value: bytes, ids: Sequence[str]) -> Raw:
        """A value without these ids, and without what holds, in base64, an address of somebody forgotten."""
        for one in ids:
            value = value.replace(one.encode(), REDACTED.encode())
        return Raw(BASE64.sub(self.without_addresses, value))

    def without_addresses(self, token: re.Match[bytes]) -> bytes:
        # What stands before it in a path may be of the same letters.
        for shift in range(4):
            text = from_base64(token[0][shift:])
            if "@" in text and any(found in self for found in EMAIL.findall(text)):
                return REDACTED.encode()
        return token[0]

    def part(self, item: Item) -> list[str]:
        """Part an object from its profile, if that is forgotten. The ids of those from whom it was."""
        relationship = item.relationships.get(PROFILE) if item.relationships else None
        found = [one for one in relationship.identifiers if one.id in self] if relationship else []
        ids = [one.id for one in found]
        for one in found:
            assert item.relationships
            name = self.name(one.id)
            if name is None:
                item.relationships[PROFILE] = None
            else:
                one.id = name
        return ids


def from_base64(token: bytes) -> str:
    """What a token says, in either alphabet, as far as it can be read."""
    whole = token.rstrip(b"=").translate(STANDARD)
    whole = whole[: len(whole) // 4 * 4] if len(whole) % 4 == 1 else whole + b"=" * (-len(whole) % 4)
    return base64.b64decode(whole).decode(errors="replace")


def redactions(attributes: Mapping[str, Raw]) -> int:
    return sum(bytes(value).count(REDACTED.encode()) for value in attributes.values())


def treated(rules: TablePolicy, attributes: dict[str, Raw], known: Container[str]) -> dict[str, Raw]:
    """What is left of attributes."""
    left = {name: rules.treated(name, [value], new=name not in known)[0] for name, value in attributes.items()}
    return {name: value for name, value in left.items() if value is not None}
