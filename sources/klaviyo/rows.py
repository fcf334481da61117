"""From the bytes of a page to Arrow tables, column by column, without a network and without a Python object per field.

A page is parsed once into raw JSON values. Scalars of a column are then joined and decoded together; free-form JSON is
handed on as the bytes that Klaviyo sent. What does not fit its column is kept beside it, as JSON in `<column>__v_json`;
an attribute that the contract does not know becomes a JSON column of its own name.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final

import msgspec
import pendulum
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Raw

from sources.klaviyo.contract import ColumnType, Tree
from sources.klaviyo.errors import MalformedPage
from sources.klaviyo.tables import ARROW, DELETED_AT, ROW_HASH, Column, Table, id_column

Attributes = dict[str, Raw]
Values = Sequence[Raw | None]

UNFIT: Final = "__v_json"
NULL: Final = b"null"


class Identifier(msgspec.Struct, gc=False):
    id: str


class Relationship(msgspec.Struct, gc=False):
    data: list[Identifier] | Identifier | None = None

    @property
    def ids(self) -> list[str]:
        data = self.data or []
        return [item.id for item in data] if isinstance(data, list) else [data.id]


class Item(msgspec.Struct, gc=False):
    id: str
    type: str
    attributes: Attributes | None = None
    relationships: dict[str, Relationship] | None = None

    def related(self, relation: str) -> list[str]:
        relationship = (self.relationships or {}).get(relation)
        return relationship.ids if relationship else []


class Links(msgspec.Struct):
    next: str | None = None


class Document(msgspec.Struct):
    data: list[Item]
    included: list[Item] | None = None
    links: Links | None = None


DOCUMENT: Final = msgspec.json.Decoder(Document)
OBJECT: Final = msgspec.json.Decoder(Attributes | None)


@dataclass(frozen=True)
class Page:
    """One response as rows: a table per resource read in this walk, and where to go on."""

    rows: dict[str, pa.Table]
    columns: dict[str, tuple[Column, ...]]
    next: str | None
    received: int
    """Objects in `data`, loaded or not."""
    unchanged: int = 0
    """Objects left out because the warehouse has them just so."""
    last: datetime | None = None
    """The highest cursor value on the page."""


@dataclass(frozen=True)
class PageReader:
    """Turns pages of one walk into rows for its tables."""

    tables: Sequence[Table]
    cursor: str | None = None
    known: Container[int] = field(default_factory=frozenset)
    """Hashes of rows that need no loading."""

    def read(self, body: bytes) -> Page:
        """Raises MalformedPage when the body is not the document it should be."""
        try:
            return self.page(DOCUMENT.decode(body))
        except (msgspec.MsgspecError, pa.ArrowInvalid, UnicodeDecodeError) as error:
            raise MalformedPage(f"not a JSON:API collection: {type(error).__name__}") from None

    def page(self, document: Document) -> Page:
        included = {item.id: item for item in document.included or ()}
        hashes = [row_hash(item, included) for item in document.data] if self.hashes_rows else []
        items = document.data
        if hashes and self.known:
            fresh = [(item, digest) for item, digest in zip(items, hashes, strict=True) if digest not in self.known]
            items, hashes = [item for item, _ in fresh], [digest for _, digest in fresh]
        rows, columns = {}, {}
        for table in self.tables:
            builder = Builder(table)
            rows[table.name] = builder.build(items, included, hashes)
            columns[table.name] = builder.columns
        return Page(
            rows=rows,
            columns=columns,
            next=document.links.next if document.links else None,
            received=len(document.data),
            unchanged=len(document.data) - len(items),
            last=self.highest(document.data),
        )

    @property
    def hashes_rows(self) -> bool:
        return any(table.marks_unchanged for table in self.tables)

    def highest(self, items: list[Item]) -> datetime | None:
        if self.cursor is None:
            return None
        fit, _ = column([(item.attributes or {}).get(self.cursor) for item in items], "timestamp")
        highest: datetime | None = pc.max(fit).as_py()
        return highest


class Builder:
    """One table's rows of one page. `columns` is complete once built: the table's own, and what the page added."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.arrays: dict[str, pa.Array] = {}
        self.types: dict[str, ColumnType] = {}

    @property
    def columns(self) -> tuple[Column, ...]:
        return tuple(Column(name, of) for name, of in self.types.items())

    def build(self, items: list[Item], included: Mapping[str, Item], hashes: list[int]) -> pa.Table:
        resource, parent = self.table.resource, self.table.parent
        if resource.links:
            self.links(items)
        elif parent:
            owners = {child: item.id for item in items for child in item.related(resource.include)}
            children = [included[child] for child in owners if child in included]
            self.objects(children)
            if parent_relation(parent) in self.table.to_one:
                own = self.arrays[parent].to_pylist()
                self.add(parent, "text", [mine or owners[child.id] for mine, child in zip(own, children, strict=True)])
            else:
                self.add(parent, "text", [owners[child.id] for child in children])
        else:
            self.objects(items)
            if self.table.marks_unchanged:
                self.add(ROW_HASH, "bigint", hashes)
        return self.finish()

    def add(self, name: str, of: ColumnType, values: Iterable[Any]) -> None:
        self.put(name, of, pa.array(values, ARROW[of]))

    def put(self, name: str, of: ColumnType, array: pa.Array) -> None:
        self.arrays[name], self.types[name] = array, of

    def links(self, items: list[Item]) -> None:
        left, right = self.table.key
        pairs = list(
            dict.fromkeys((item.id, other) for item in items for other in item.related(self.table.resource.include))
        )
        self.add(left, "text", (pair[0] for pair in pairs))
        self.add(right, "text", (pair[1] for pair in pairs))

    def objects(self, items: list[Item]) -> None:
        self.add("id", "text", (item.id for item in items))
        for relation in self.table.to_one:
            self.add(id_column(relation), "text", (next(iter(item.related(relation)), None) for item in items))
        self.attributes(self.table.attributes, [item.attributes for item in items])

    def attributes(self, tree: Tree, objects: Sequence[Attributes | None], prefix: str = "") -> None:
        for name, of in tree.items():
            values = [attributes.get(name) if attributes else None for attributes in objects]
            if isinstance(of, dict):
                self.nested(of, values, prefix + name)
            else:
                self.scalars(of, values, prefix + name)
        for name in dict.fromkeys(key for attributes in objects if attributes for key in attributes if key not in tree):
            self.scalars(
                "json", [attributes.get(name) if attributes else None for attributes in objects], prefix + name
            )

    def nested(self, tree: Tree, values: Values, name: str) -> None:
        objects: list[Attributes | None] = []
        unfit: list[Raw | None] = []
        for value in values:
            fits = value is None or bytes(value)[:1] == b"{" or bytes(value) == NULL
            objects.append(OBJECT.decode(value) if value is not None and fits else None)
            unfit.append(None if fits else value)
        self.attributes(tree, objects, f"{name}__")
        self.keep_unfit(name, unfit)

    def scalars(self, of: ColumnType, values: Values, name: str) -> None:
        fit, unfit = column(values, of)
        self.put(name, of, fit)
        self.keep_unfit(name, unfit)

    def keep_unfit(self, name: str, values: Values) -> None:
        if any(value is not None for value in values):
            self.put(name + UNFIT, "json", column(values, "json")[0])

    def finish(self) -> pa.Table:
        """Columns in the table's order, new ones last."""
        rows = len(next(iter(self.arrays.values())))
        for name, of in self.table.columns:
            if name not in self.arrays:
                assert name == DELETED_AT, name
                self.put(name, of, pa.nulls(rows, ARROW[of]))
        order = dict.fromkeys([*(name for name, _ in self.table.columns), *self.arrays])
        self.types = {name: self.types[name] for name in order}
        return pa.table({name: self.arrays[name] for name in order})


def parent_relation(parent: str) -> str:
    return parent.removesuffix("_id").replace("_", "-")


def row_hash(item: Item, included: Mapping[str, Item]) -> int:
    """64 bits of what Klaviyo sent about an object: attributes, linkage, and the linkage of what is included with it."""
    digest = blake2b(item.id.encode(), digest_size=8)
    for name, value in (item.attributes or {}).items():
        digest.update(name.encode())
        digest.update(value)
    for name, relationship in (item.relationships or {}).items():
        for related in relationship.ids:
            digest.update(f"{name}={related}".encode())
            for deeper, further in ((included[related].relationships or {}) if related in included else {}).items():
                digest.update(f"{deeper}={further.ids}".encode())
    return int.from_bytes(digest.digest(), "big", signed=True)


# --- columns -------------------------------------------------------------------------------------------------------

DECODERS: Final[dict[ColumnType, msgspec.json.Decoder[Any]]] = {
    "text": msgspec.json.Decoder(list[str | None]),
    "bigint": msgspec.json.Decoder(list[int | None]),
    "double": msgspec.json.Decoder(list[float | None]),
    "bool": msgspec.json.Decoder(list[bool | None]),
    "timestamp": msgspec.json.Decoder(list[str | None]),
    "date": msgspec.json.Decoder(list[str | None]),
}


def column(values: Values, of: ColumnType) -> tuple[pa.Array, Values]:
    """The values as an Arrow array, and those that did not fit in their places."""
    if of == "json":
        raw = [None if value is None or bytes(value) == NULL else bytes(value) for value in values]
        return pa.array(raw, pa.binary()).cast(pa.string()), ()
    try:
        joined = b"[" + b",".join(NULL if value is None else value for value in values) + b"]"
        return pa.array(DECODERS[of].decode(joined)).cast(ARROW[of]), ()
    except (msgspec.MsgspecError, pa.ArrowInvalid, OverflowError):
        return one_by_one(values, of)


def one_by_one(values: Values, of: ColumnType) -> tuple[pa.Array, Values]:
    fit, unfit = [], []
    for value in values:
        try:
            converted = None if value is None else pa.scalar(LENIENT[of](value), ARROW[of])
        except (msgspec.MsgspecError, pa.ArrowInvalid, ValueError, OverflowError):
            converted = None
            unfit.append(value)
        else:
            unfit.append(None)
        fit.append(converted)
    return pa.array([scalar.as_py() if scalar is not None else None for scalar in fit], ARROW[of]), unfit


def lenient_text(value: Raw) -> str | None:
    """Text, or a number or truth value as Klaviyo spelled it."""
    decoded = msgspec.json.decode(value)
    if isinstance(decoded, dict | list):
        raise ValueError("not text")  # noqa: TRY004 - the caller asks whether the value fits, not for its type
    return decoded if isinstance(decoded, str) or decoded is None else bytes(value).decode()


def lenient_instant(value: Raw) -> pendulum.DateTime | None:
    """Any ISO 8601 spelling; without an offset it is UTC, as all of Klaviyo's times are."""
    text = msgspec.json.decode(value, type=str | None)
    if text is None:
        return None
    parsed = pendulum.parse(text, tz="UTC")
    if not isinstance(parsed, pendulum.DateTime):
        raise ValueError("not an instant")  # noqa: TRY004 - as above
    return parsed


LENIENT: Final[dict[ColumnType, Callable[[Raw], Any]]] = {
    "text": lenient_text,
    "bigint": lambda value: msgspec.json.decode(value, type=int | None, strict=False),
    "double": lambda value: msgspec.json.decode(value, type=float | None, strict=False),
    "bool": lambda value: msgspec.json.decode(value, type=bool | None),
    "timestamp": lenient_instant,
    "date": lambda value: msgspec.json.decode(value, type=str | None) and lenient_instant(value).date(),  # type: ignore[union-attr]  # not None: just seen
}
