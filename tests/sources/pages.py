"""Pages of the API, as the bytes that arrive."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pyarrow as pa

from sources.klaviyo import contract
from sources.klaviyo.resources import select
from sources.klaviyo.rows import PageReader
from sources.klaviyo.tables import Column, table
from sources.klaviyo.windows import Window

REVISION = "2026-07-15"
AN_HOUR = "2026-06-23T00:15:23+00:00"
INSTANT = datetime(2026, 6, 23, 0, 15, 23, tzinfo=UTC)

Json = dict[str, Any]


def raw(value: object) -> bytes:
    """JSON, or bytes that are to stand in the page as they are."""
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def thing(type_: str, id_: str, attributes: Mapping[str, object] | None = None, **relations: object) -> bytes:
    """An object; attributes may be raw bytes, relations are ids of a type: `metric=("metric", "M1")`, many in a list."""
    spelled = b",".join(raw(name) + b":" + raw(value) for name, value in (attributes or {}).items())
    linkage = {name.replace("_", "-"): {"data": identifiers(value)} for name, value in relations.items()}
    head = b'{"type":%b,"id":%b,"attributes":{%b}' % (raw(type_), raw(id_), spelled)
    return head + (b',"relationships":' + raw(linkage) if relations else b"") + b"}"


def identifiers(value: Any) -> Any:
    if isinstance(value, list):
        return [identifiers(one) for one in value]
    return None if value is None else {"type": value[0], "id": value[1]}


def document(*data: bytes, included: Sequence[bytes] = (), next_page: str | None = None) -> bytes:
    """A page of objects, with the links and the odds and ends that come along."""
    links = raw({"self": "https://a.klaviyo.com/api/x", "next": next_page, "prev": None})
    body = b'{"data":[' + b",".join(data) + b'],"links":' + links
    if included:
        body += b',"included":[' + b",".join(included) + b"]"
    return body + b',"meta":{"agent_hints":{"next_steps":[]}}}'


def reader(*names: str, known: Container[int] = frozenset()) -> PageReader:
    resources = select([*names])
    cursor = resources[0].host.cursor
    facts = contract.load(REVISION)
    return PageReader([table(resource, facts) for resource in resources], cursor.field if cursor else None, known)


class Made(NamedTuple):
    """What a page says, and the rows that are made of it."""

    rows: dict[str, pa.Table]
    columns: dict[str, tuple[Column, ...]]
    received: int
    unchanged: int
    next: str | None
    first: datetime | None
    last: datetime | None


def page(body: bytes, *names: str, known: Container[int] = frozenset(), within: Window | None = None) -> Made:
    reading = reader(*names, known=known)
    read = reading.page(body)
    made = reading.rows(read, within)
    return Made(made.tables, made.columns, len(read.items), made.unchanged, read.next, read.first, read.last)


def rows(body: bytes, name: str) -> list[Json]:
    """The rows that a page makes of one resource."""
    found: list[Json] = page(body, name).rows[name].to_pylist()
    return found


def row(body: bytes, name: str) -> Json:
    (only,) = rows(body, name)
    return only


def event(properties: object = b"{}", id_: str = "E1", **attributes: object) -> bytes:
    return thing("event", id_, {"datetime": AN_HOUR, "event_properties": properties, **attributes})


def profile(**attributes: object) -> bytes:
    return document(thing("profile", "P1", attributes))
