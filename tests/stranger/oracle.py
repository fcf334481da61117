"""What a warehouse should hold of an account, told from the account and the rules of the README: an object is a row, and each value of it is found."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sources.klaviyo.spec import Resource
from tests.stranger.account import HALF, Account, spelled
from tests.stranger.document import Json, Operation
from tests.stranger.query import comparable
from tests.stranger.server import ALWAYS_LINKED

Key = tuple[str, ...]
Row = Mapping[str, Any]
LONG = 63
"""Letters of a name beyond which a database shortens it: its beginning stays."""


@dataclass
class Expected:
    """A row by its key: attributes, and the ids of what it is related to."""

    key: Key
    attributes: Json
    ids: dict[str, str | None]
    about: Json = None
    """All that an answer may say of it."""


class Oracle:
    def __init__(self, account: Account) -> None:
        self.account, self.document = account, account.document

    def expected(self, resource: Resource) -> Iterator[Expected]:
        host = resource.host
        operation = self.document.operations[host.endpoint]
        kind, objects, related = operation.type, self.account.objects, self.account.related
        if resource.per:
            yield from self.of_parents(resource, operation)
        elif resource.include:
            target = self.document.relations(kind)[resource.include][0]
            for one, other in pairs(related[kind, resource.include]):
                is_link = resource.links
                yield (
                    Expected((one, other), {}, {})
                    if is_link
                    else self.row(target, other, operation, resource, {kind: one})
                )
        elif resource.each:
            for one, kept in objects[kind].items():
                for element in nested(kept["attributes"], resource.each.split(".")):
                    yield Expected((one, *(whole(element.get(name) or "") for name in resource.key)), element, {})
        else:
            for one in objects[kind]:
                yield self.row(kind, one, operation, resource, {})

    def of_parents(self, resource: Resource, operation: Operation) -> Iterator[Expected]:
        assert resource.per
        last = resource.path.rsplit("/", 1)[1]
        if resource.shows_parent:
            for one in self.account.objects[operation.type]:
                yield self.row(operation.type, one, operation, resource, {})
            return
        owner = "coupon" if resource.path == "/api/coupon-codes" else self.document.owner(operation)
        for one, other in pairs(self.account.related[owner, last]):
            if resource.links:
                joined = self.account.joined.get((owner, one, other))
                yield Expected((one, other), {"joined_group_at": joined} if joined else {}, {})
            else:
                yield self.row(operation.type, other, operation, resource, {owner: one})

    def row(self, kind: str, one: str, operation: Operation, resource: Resource, owners: dict[str, str]) -> Expected:
        extra = {*self.account.extra.get(kind, ())}
        withheld = {*operation.listed(f"additional-fields[{kind}]")} - {*resource.additional_fields}
        told = {*resource.fields} if resource.fields else (operation.attributes[kind] | extra) - withheld
        attributes = {
            name: value for name, value in self.account.objects[kind][one]["attributes"].items() if name in told
        }
        ids: dict[str, str | None] = {f"{owner.replace('-', '_')}_id": other for owner, other in owners.items()}
        for relation, (_, many) in self.document.relations(kind).items():
            if not many and (relation in resource.linked or (kind, relation) in ALWAYS_LINKED or kind == "attribution"):
                ids[f"{relation.replace('-', '_')}_id"] = next(
                    iter(self.account.related[kind, relation].get(one, ())), None
                )
        return Expected((one,), attributes, ids, deepcopy(self.account.told(kind, one)))


def pairs(related: dict[str, list[str]]) -> Iterator[tuple[str, str]]:
    for one, others in related.items():
        for other in others:
            yield one, other


def nested(value: Json, path: list[str]) -> list[Json]:
    for name in path:
        value = (value or {}).get(name)
    return [one for one in value or () if one]


def compare(resource: Resource, key: Key, expected: list[Expected], rows: list[Row]) -> Iterator[str]:
    """All that is otherwise than expected."""
    found = {tuple(row[name] for name in key): row for row in rows if row["_deleted_at"] is None}
    doubled = [one for one, times in Counter(tuple(row[name] for name in key) for row in rows).items() if times > 1]
    if doubled:
        yield f"{resource.name}: keys more than once: {doubled}"
    wanted = {one.key: one for one in expected}
    for name in wanted.keys() - found.keys():
        yield f"{resource.name}: {name} is missing"
    for name in found.keys() - wanted.keys():
        yield f"{resource.name}: {name} is too much"
    for name in wanted.keys() & found.keys():
        row, one = found[name], wanted[name]
        for column, value in one.ids.items():
            if column in row and row[column] != value:
                yield f"{resource.name} {name}: {column} is {row[column]!r}, not {value!r}"
        yield from differences(resource.name, row, "", one.attributes)


def differences(table: str, row: Row, prefix: str, attributes: Json) -> Iterator[str]:
    for name, value in attributes.items():
        told = canonical(value)
        column = prefix + name
        if told is None:
            if column in row and row[column] not in (None, "null") and "__" not in name:
                yield f"{table}.{column}: {row[column]!r} where null was sent"
        elif any(same(row[place], told) for place in (column, f"{column}__v_json") if place in row) or any(
            same(row[place], told) for place in row if is_spelled(place, prefix, column)
        ):
            continue
        elif isinstance(value, dict) and any(place.startswith(f"{column}__") for place in row):
            yield from differences(table, row, f"{column}__", value)
        else:
            yield f"{table}.{column}: {value!r} is not in {row.get(column)!r} {row.get(column + '__v_json')!r}"


def is_spelled(place: str, prefix: str, column: str) -> bool:
    """Whether a column may be that of an attribute whose name no column can have, or none so long."""
    if len(column) > LONG and place[:20] == column[:20]:
        return True
    return place.startswith(prefix) and re.search("__x[0-9a-f]{8}$", place) is not None


def canonical(value: Json) -> Json:
    """As it was sent: numbers with all their digits."""
    return json.loads(spelled(value, ascii_only=True, compact=True), parse_float=Decimal)


def whole(text: str) -> str:
    return HALF.sub("\ufffd", text)


def same(found: Any, told: Json) -> bool:
    """Whether a column holds what was sent: as itself, as a time, or as JSON."""
    if isinstance(found, datetime):
        return bool(comparable(told) == (found if found.tzinfo else found.replace(tzinfo=UTC)))
    if isinstance(found, float) and not isinstance(told, bool):
        return found == float(told)  # some numbers are documented as text, too
    if isinstance(found, date):
        found = found.isoformat()
    if not isinstance(found, str):
        return found is not None and alike(found, told)
    if isinstance(told, str) and whole(told) == found:
        return True
    try:
        return alike(json.loads(found, parse_float=Decimal), told)
    except ValueError:
        return False


def alike(found: Json, told: Json) -> bool:
    """Whether two JSON values are the same, 1 and 1.0 among them, and U+FFFD for half a character."""
    if isinstance(told, dict) and isinstance(found, dict):
        names = [whole(key) for key in told]
        return names == [whole(key) for key in found] and alike([*found.values()], [*told.values()])
    if isinstance(told, list) and isinstance(found, list):
        return len(found) == len(told) and all(map(alike, found, told))
    if isinstance(told, str) and isinstance(found, str):
        return whole(found) == whole(told)
    return isinstance(found, bool) is isinstance(told, bool) and bool(found == told)
