"""What becomes of a field before a row is made of it: it is kept, masked, hashed or dropped. Pure.

A policy names columns of a table, and keys within JSON columns: `email`, `properties.$phone`, `event_properties.**.email`.
The longest name that fits a value decides. Names are compared by their letters and digits alone, so `$email`, `Email` and
`e-mail` are one. A column's name stands for all columns that begin with it and `__`; `*` for every field of the table that
no other name fits, `<new>` for attributes that the contract does not know.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, get_args

import msgspec
from msgspec import Raw

from sources.klaviyo.pseudonyms import Pseudonyms

if TYPE_CHECKING:
    from sources.klaviyo.forgotten import Forgotten

Treatment = Literal["keep", "mask", "hash", "drop"]
"""From the mildest to the strictest. Masked text keeps everything but the e-mail addresses and phone numbers in it."""
TREATMENTS: Final[tuple[Treatment, ...]] = get_args(Treatment)

Path = tuple[str, ...]
Values = Sequence[Raw | None]

ALL: Final = "*"
NEW: Final = "<new>"
ANYWHERE: Final = "**"
UNFIT: Final = "__v_json"
SPECIAL: Final = frozenset({ALL, NEW, ANYWHERE})

MEMBERS: Final = msgspec.json.Decoder(dict[str, Raw])
ELEMENTS: Final = msgspec.json.Decoder(list[Raw])
TEXT: Final = msgspec.json.Decoder(str)
NULL: Final = b"null"
NESTED: Final = b"{["

MOST_CHILDREN: Final = 4_096
"""Keys of an object that are remembered: where ids are keys, there is no end of them."""


def strictest(*treatments: Treatment) -> Treatment:
    return max(treatments, key=TREATMENTS.index)


@lru_cache(4_096)
def fold(name: str) -> str:
    """What names are compared by."""
    return name if name in SPECIAL else "".join(filter(str.isalnum, name.casefold())) or name


class Node:
    """What becomes of a JSON value at one place, and of what lies within it."""

    def __init__(
        self,
        pseudonyms: Pseudonyms,
        rules: Mapping[Path, Treatment],
        inherited: Treatment,
        above: Node | None = None,
    ) -> None:
        self.pseudonyms = pseudonyms
        self.treatment = rules.get((), inherited)
        self.rules = {path: treatment for path, treatment in rules.items() if path}
        deeper = {path[1]: treatment for path, treatment in self.rules.items() if path[0] == ANYWHERE}
        self.anywhere: dict[str, Treatment] = {**(above.anywhere if above else {}), **deeper}
        self.alike: dict[Treatment, Node] = above.alike if above and not deeper else {}
        """Nodes below for which there are no rules of their own: there is no end of keys."""
        self.named = {path[0] for path in self.rules} - {ANYWHERE}
        self.children: dict[str, tuple[bytes, Node | None, bool]] = {}
        self.keeps = self.treatment == "keep" and not self.named and not self.anywhere
        self.drops = self.treatment == "drop" and not self.named
        self.opens = bool(self.named or self.anywhere) or self.treatment != "mask"
        """Whether objects are looked into even if nothing in them looks like an address."""

    def child(self, key: str) -> tuple[bytes, Node | None, bool]:
        """How a key is spelled, what becomes of its value, nothing for one that is left out, and whether that is at most masked."""
        name = fold(key)
        deeper = {path[1:]: treatment for path, treatment in self.rules.items() if path[0] == name}
        inherited = strictest(self.treatment, self.anywhere[name]) if name in self.anywhere else self.treatment
        node = Node(self.pseudonyms, deeper, inherited, self) if deeper else self.alike.get(inherited)
        if node is None:
            node = self.alike[inherited] = Node(self.pseudonyms, {}, inherited, self)
        spelled = key if self.treatment == "keep" else self.pseudonyms.mask(key)
        if len(self.children) >= MOST_CHILDREN:
            self.children.clear()
        mild = node.treatment in {"keep", "mask"}
        found = self.children[key] = (msgspec.json.encode(spelled) + b":", None if node.drops else node, mild)
        return found

    def treat(self, value: bytes) -> bytes:
        """The value as it may be kept. An object is written anew: without blanks, and a key that is repeated only once."""
        if self.keeps:
            return value
        first = value[:1]
        if first == b"{":
            return self.treat_object(value)
        if first == b"[":
            return self.treat_list(value)
        if self.treatment == "mask":
            return self.masked(value) if first == b'"' and suspect(value) else value
        if self.treatment == "keep" or first in b"ntf":  # there is nobody in a truth value
            return value
        return self.hashed(value) if self.treatment == "hash" else NULL

    def treat_object(self, value: bytes) -> bytes:
        clean = not suspect(value)
        if clean and not self.opens:
            return value
        parts = []
        children = self.children
        for key, inner in MEMBERS.decode(value).items():
            spelled, node, mild = children.get(key) or self.child(key)
            if node is None:
                continue
            raw = bytes(inner)
            # Most values by far are such, so this saves most of the time.
            if (mild and clean and raw[0] not in NESTED) or node.keeps:
                parts.append(spelled + raw)
            else:
                parts.append(spelled + node.treat(raw))
        return b"{" + b",".join(parts) + b"}"

    def treat_list(self, value: bytes) -> bytes:
        return b"[" + b",".join([self.treat(bytes(inner)) for inner in ELEMENTS.decode(value)]) + b"]"

    def masked(self, value: bytes) -> bytes:
        text = TEXT.decode(value)
        masked = self.pseudonyms.mask(text)
        return value if masked == text else msgspec.json.encode(masked)

    def hashed(self, value: bytes) -> bytes:
        """The pseudonym of a text, or of a number as it is spelled; there is nobody in an empty text."""
        text = TEXT.decode(value) if value[:1] == b'"' else value.decode()
        return msgspec.json.encode(self.pseudonyms.of(text)) if text.strip() else value


def suspect(value: bytes) -> bool:
    """Whether an e-mail address or a phone number may be in it, however it is spelled."""
    return b"@" in value or b"+" in value or b"%" in value or b"\\u00" in value


INSIDE: Final = "."
"""Stands, in a path, between a column and the keys within its JSON."""


def column_path(column: str) -> Path:
    return tuple(fold(part) for part in column.removesuffix(UNFIT).split("__") if part)


@dataclass(frozen=True)
class TablePolicy:
    """What becomes of a table's fields, by their paths."""

    pseudonyms: Pseudonyms
    rules: Mapping[Path, Treatment]
    nodes: dict[tuple[str, bool], Node] = field(default_factory=dict)

    def node(self, column: str, *, new: bool = False) -> Node:
        """What becomes of a column, or, where Klaviyo sends no object in a group's place, of the whole group."""
        if (column, new) not in self.nodes:
            self.nodes[column, new] = self.find(column_path(column), new=new)
        return self.nodes[column, new]

    def find(self, path: Path, *, new: bool) -> Node:
        treatment = self.rules.get((ALL,), "keep")
        if new:
            treatment = self.rules.get((NEW, INSIDE, *path), self.rules.get((NEW,), treatment))
        for length in range(1, len(path) + 1):
            treatment = self.rules.get(path[:length], treatment)
        deeper = [(rule[len(path) :], of) for rule, of in self.rules.items() if rule[: len(path)] == path != rule]
        parts = [of for rest, of in deeper if rest[0] != INSIDE]
        within = {rest[1:]: of for rest, of in deeper if rest[0] == INSIDE}
        return Node(self.pseudonyms, within, strictest(treatment, *parts))

    def treated(self, column: str, values: Values, *, new: bool = False) -> Values:
        """A column's values as they may be kept; those that are dropped are none."""
        node = self.node(column, new=new)
        if node.keeps:
            return values
        if node.drops:
            return [None] * len(values)
        if not node.opens and not suspect(b"".join([value for value in values if value is not None])):
            return values
        return [None if value is None else Raw(node.treat(bytes(value))) for value in values]

    def hashes(self, column: str) -> bool:
        return self.node(column).treatment == "hash"

    def drops_relation(self, column: str) -> bool:
        return self.rules.get(column_path(column)) == "drop"


@dataclass(frozen=True)
class Policy:
    """What becomes of the fields of each table. Without a table in it, nothing is treated."""

    pseudonyms: Pseudonyms | None = None
    tables: Mapping[str, TablePolicy] = field(default_factory=dict)
    forgotten: Forgotten | None = None

    def of(self, table: str) -> TablePolicy | None:
        return self.tables.get(table)

    def fingerprint(self, table: str) -> str:
        """The same for as long as a table's rows are treated alike; empty where they are as Klaviyo sends them."""
        treated = self.tables.get(table)
        if treated is None:
            return ""
        rules = sorted((*path, treatment) for path, treatment in treated.rules.items())
        return hmac.digest(treated.pseudonyms.key, msgspec.json.encode(rules), "sha256").hex()[:16]


NO_POLICY: Final = Policy()
