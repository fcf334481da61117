"""A page as Klaviyo sends it: JSON:API documents, parsed as far as to the raw values of attributes."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from operator import attrgetter
from typing import Final, TypeVar

import msgspec
from msgspec import Raw

log = logging.getLogger(__name__)

T = TypeVar("T")

Nothing = tuple[()]
"""What some who pass answers on make of an object that is empty: `[]`."""
Attributes = dict[str, Raw]
Included = dict[tuple[str, str], "Item"]
"""By type and id."""


class Identifier(msgspec.Struct, gc=False):
    id: str
    type: str = ""


by_id: Final = attrgetter("type", "id")


class Relationship(msgspec.Struct, gc=False):
    data: list[Identifier] | Identifier | None = None

    @property
    def identifiers(self) -> list[Identifier]:
        return self.data if isinstance(self.data, list) else [self.data] if self.data else []


class Item(msgspec.Struct, gc=False):
    id: str
    type: str = ""
    attributes: Attributes | Nothing | None = None
    relationships: dict[str, Relationship | Nothing | None] | Nothing | None = None

    @property
    def told(self) -> Attributes | None:
        """Its attributes, where any object of them was sent."""
        return self.attributes if isinstance(self.attributes, dict) else None

    def related(self, relation: str) -> list[str]:
        relationship = (self.relationships or {}).get(relation)
        return [other.id for other in relationship.identifiers] if relationship else []

    def related_one(self, relation: str) -> str | None:
        relationship = self.relationships.get(relation) if self.relationships else None
        data = relationship.data if relationship else None
        if isinstance(data, Identifier):
            return data.id
        return data[0].id if data else None


class Links(msgspec.Struct):
    next: str | None = None


class Document(msgspec.Struct):
    data: list[Item] | Item
    included: list[Item] | None = None
    links: Links | Nothing | None = None


DOCUMENT: Final = msgspec.json.Decoder(Document)

ESCAPES: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.DOTALL
)
"""Pairs of surrogates, lone ones (in the group), and all other escapes."""


def decode(body: bytes) -> Document:
    return decoded(DOCUMENT, body)


def decoded(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """What an answer holds, with U+FFFD for half a surrogate pair, as a text cut within an emoji has it: no database takes those."""
    try:
        return decoder.decode(body)
    except msgspec.DecodeError:
        halves = sum(escape[1] is not None for escape in ESCAPES.finditer(body))
        if not halves:
            raise
        answer = decoder.decode(ESCAPES.sub(lambda escape: rb"\ufffd" if escape[1] else escape[0], body))
        log.warning("an answer held %d halves of characters, taken for U+FFFD", halves)
        return answer


def settle(items: Iterable[Item]) -> None:
    """Leave each object the relationships that point to something, and these in one order: Klaviyo adds others freely, and names things in any order."""
    for item in items:
        idle = not item.relationships
        for relationship in (item.relationships or {}).values():
            if not relationship or not relationship.data:
                idle = True
            elif isinstance(relationship.data, list) and len(relationship.data) > 1:
                relationship.data.sort(key=by_id)
        if idle:
            every = (item.relationships or {}).items()
            item.relationships = {name: of for name, of in every if of and of.data} or None
