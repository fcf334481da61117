"""What Klaviyo sends otherwise than the contract tells: new attributes and values, other types, attributes that it no longer sends.

What pages show is kept in dlt's state of the resource, committed with their rows. It names attributes, and values only of those
of which Klaviyo's document lists all: nothing that is anybody's.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from msgspec import Raw

from sources.klaviyo.contract import ColumnType

Kind = Literal["new_attribute", "new_value", "other_type", "not_sent", "sent_again"]

MOST_VALUES: Final = 100
"""New values of one attribute that are told."""
MORE_VALUES: Final = f"more than {MOST_VALUES}, which are told no more"
NO_NAME: Final = "one that is no name"
NAME: Final = re.compile(r"[A-Za-z][\w :./&()-]{0,99}")
"""What a listed value may look like; whatever else is sent in its place is not told."""

ENOUGH: Final = 20
"""So many objects have an attribute, one after the other, before its absence means anything; and lack it before it does."""
SOMETIMES: Final = 0
GONE: Final = -ENOUGH

STATE: Final = "drift"


class Change(NamedTuple):
    """One thing that is otherwise; the same one is the same whenever it is met."""

    table: str
    attribute: str
    """As Klaviyo spells it, with dots between the names of nested ones."""
    kind: Kind
    detail: str = ""


@dataclass
class Drift:
    """What pages show."""

    changes: set[Change] = field(default_factory=set)
    sent: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Objects that have an attribute of the contract, by table, place and name: none are counted, too."""
    objects: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Objects at a place, by table: their own attributes lie at '', those of their location at 'location.'."""

    def add(self, other: Drift) -> None:
        self.changes |= other.changes
        self.objects.update(other.objects)
        self.sent.update(other.sent)

    def note(self, state: dict[str, Any], *, all_read: bool) -> None:
        """Keep what is otherwise; and once all has been read, what is sent no more or again."""
        noted = state.setdefault(STATE, {})
        found = {*self.changes}
        if all_read:
            found |= {*follow(noted.setdefault("streaks", {}), self.sent, self.objects)}
        noted["changes"] = [[*one] for one in bounded([*noted_changes(state), *sorted(found)])]


def follow(
    streaks: dict[str, dict[str, int]], sent: Mapping[tuple[str, str, str], int], objects: Mapping[tuple[str, str], int]
) -> Iterator[Change]:
    """Yield what a walk shows to be sent no more, or again; carry on how many objects in a row have, or lack, each attribute.

    What some objects have and others lack is sent sometimes, and never missed. Klaviyo may change it while we read:
    what all objects had so far and some lack now is left to the next walk to tell.
    """
    for (table, place, name), having in sent.items():
        of, attribute = objects[table, place], f"{place}{name}"
        if not of:
            continue
        of_table = streaks.setdefault(table, {})
        before = of_table.get(attribute)
        after = of_table[attribute] = carried(before, having, of)
        if after == GONE != before:
            yield Change(table, attribute, "not_sent")
        if before == GONE != after:
            yield Change(table, attribute, "sent_again")


def carried(streak: int | None, having: int, of: int) -> int:
    """How many objects in a row had an attribute; below zero, how many lack it that all had."""
    if not having:
        is_missed = streak is not None and (streak == ENOUGH or streak < SOMETIMES)
        return max(min(streak or 0, 0) - of, GONE) if is_missed else SOMETIMES
    if streak == ENOUGH:
        return ENOUGH
    if having < of or (streak is not None and streak <= SOMETIMES):
        return SOMETIMES
    return min((streak or 0) + of, ENOUGH)


def bounded(changes: Iterable[Change]) -> list[Change]:
    """Each once, and of each attribute the first so many values."""
    kept, values = [], Counter[tuple[str, str]]()
    for one in dict.fromkeys(changes):
        values[one.table, one.attribute] += one.kind == "new_value"
        is_told = one.kind != "new_value" or values[one.table, one.attribute] <= MOST_VALUES
        kept.append(one if is_told else one._replace(detail=MORE_VALUES))
    return [*dict.fromkeys(kept)]


def noted_changes(state: Mapping[str, Any]) -> Iterator[Change]:
    yield from (Change(*spelled) for spelled in state.get(STATE, {}).get("changes", ()))


def new_values(values: Iterable[str | None], listed: frozenset[str]) -> Iterator[str]:
    for value in values:
        if value is not None and value not in listed:
            yield value if NAME.fullmatch(value) else NO_NAME


# --- types ---------------------------------------------------------------------------------------------------------

JSON_TYPES: Final = {
    b'"': "text", b"{": "an object", b"[": "a list", b"t": "a truth value", b"f": "a truth value", b"n": "null",
}  # fmt: skip
FITTING: Final[dict[ColumnType | Literal["object"], frozenset[str]]] = {
    "text": frozenset({"text"}),
    "bigint": frozenset({"a number"}),
    # Coordinates are declared as either.
    "double": frozenset({"a number", "text"}),
    "bool": frozenset({"a truth value"}),
    "timestamp": frozenset({"text"}),
    "date": frozenset({"text"}),
    "object": frozenset({"an object"}),
}


def json_type(value: Raw) -> str:
    return JSON_TYPES.get(bytes(value)[:1], "a number")


def other_types(
    values: Iterable[Raw | None], unfit: Iterable[Raw | None], of: ColumnType | Literal["object"]
) -> Iterator[str]:
    """Of values that are not all what a column is declared to be: what else there was."""
    sent = {json_type(value) for value in values if value is not None} - {"null"}
    for name in sorted(sent - FITTING[of]):
        yield f"{name}, declared {of}"
    for name in sorted(FITTING[of].intersection(json_type(value) for value in unfit if value is not None)):
        yield f"{name} that is no {of}"
