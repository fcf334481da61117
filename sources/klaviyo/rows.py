"""From the bytes of a page to Arrow tables, column by column, without a network and without a Python object per field.

A page is parsed once into raw JSON values. Scalars of a column are then joined and decoded together; free-form JSON is
handed on as the bytes that Klaviyo sent. What does not fit its column is kept beside it, as JSON in `<column>__v_json`, and so is a text with NUL;
an attribute that the contract does not know becomes a JSON column of its own name.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import xxhash
from msgspec import Raw

from sources.klaviyo.contract import ColumnType, Tree
from sources.klaviyo.documents import Attributes, Included, Item, decode, settle
from sources.klaviyo.drift import Change, Drift, Kind, new_values, other_types
from sources.klaviyo.errors import MalformedPage
from sources.klaviyo.policy import NO_POLICY, UNFIT, Policy, TablePolicy
from sources.klaviyo.pseudonyms import Pseudonyms
from sources.klaviyo.tables import ARROW, BOOKKEEPING, ROW_HASH, Column, Table, id_column
from sources.klaviyo.values import OBJECTS, Values, column, joined, objects_of
from sources.klaviyo.windows import Window

log = logging.getLogger(__name__)

encode = msgspec.json.Encoder().encode

PLAIN: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
"""How columns are spelled in every warehouse."""
PARTS: Final = re.compile(r"[a-z0-9]+")
LONGEST_PLAIN: Final = 30
TURN: Final = threading.Lock()
"""One page at a time: threads run one by one anyway, and many that are amid theirs lose caches and hold more memory."""
SPELLED: Final = 8
"""Digits that tell spellings apart."""


@dataclass(frozen=True)
class Page:
    """One response, parsed as far as walking needs: where its rows lie in time, and where to go on."""

    items: list[Item]
    included: Included
    """By type and id."""
    next: str | None
    times: pa.Array | None
    """The cursor's value of each item, null where there is none; no array where nothing orders the collection."""
    first: datetime | None
    last: datetime | None
    parent: str = ""
    """The object whose collection this is a page of, where each has one."""

    def release(self) -> None:
        """Let go of the page's objects, and with them of its bytes, once they are rows."""
        self.items.clear()
        self.included.clear()


@dataclass(frozen=True)
class Rows:
    """A page's rows: a table per resource of the walk, with its columns, and how many objects were left out."""

    tables: dict[str, pa.Table]
    columns: dict[str, tuple[Column, ...]]
    unchanged: int
    """Objects that the warehouse has just so."""
    drift: Drift = field(default_factory=Drift)
    """What is otherwise than the contract tells."""


@dataclass(frozen=True)
class PageReader:
    """Turns the pages of one walk into rows of its tables."""

    tables: Sequence[Table]
    cursor: str | None = None
    """The attribute that orders this walk."""
    known: Container[int] = field(default_factory=frozenset)
    """Hashes of rows that need no loading."""
    policy: Policy = NO_POLICY

    def page(self, body: bytes, parent: str = "") -> Page:
        """Raises MalformedPage when the body is not the whole document that it should be."""
        with TURN:
            return self.parsed(body, parent)

    def parsed(self, body: bytes, parent: str) -> Page:
        try:
            # Free-form JSON is passed on unread: only here would broken bytes be noticed.
            joined([body]).validate(full=True)
            document = decode(body)
        except (msgspec.MsgspecError, pa.ArrowInvalid, RecursionError) as error:
            raise MalformedPage(f"not a JSON:API collection: {type(error).__name__}") from None
        if isinstance(document.data, list) == self.single:
            raise MalformedPage(f"not a JSON:API {'object' if self.single else 'collection'}")
        items = document.data if isinstance(document.data, list) else [document.data]
        included = document.included or []
        settle(items)
        settle(included)
        times = self.times(items)
        bounds: dict[str, datetime | None] = pc.min_max(times).as_py() if times is not None else {}
        return Page(
            items=items,
            included={(item.type, item.id): item for item in included},
            next=document.links.next if document.links else None,
            times=times,
            first=bounds.get("min"),
            last=bounds.get("max"),
            parent=parent,
        )

    def times(self, items: list[Item]) -> pa.Array | None:
        if self.cursor is None:
            return None
        return column([(item.attributes or {}).get(self.cursor) for item in items], "timestamp")[0]

    def rows(self, page: Page, within: Window | None = None) -> Rows:
        """The rows of the objects that lie in the window and are not known; all of them where there is no window."""
        with TURN:
            return self.made(page, within)

    def made(self, page: Page, within: Window | None) -> Rows:
        items = inside(page, within)
        received = len(items)
        pseudonyms = self.policy.pseudonyms
        hashes = []
        if self.hashes_rows:
            children = children_of(items, page.included)
            hashes = [row_hash(item, children.get(item.id, ()), page.parent, pseudonyms) for item in items]
        if hashes and self.known:
            fresh = [(item, digest) for item, digest in zip(items, hashes, strict=True) if digest not in self.known]
            items, hashes = [item for item, _ in fresh], [digest for _, digest in fresh]
        unchanged = received - len(items)
        if forgotten := self.policy.forgotten:
            places = [place for place, item in enumerate(items) if forgotten.left(item, self.tables)]
            items, hashes = [items[place] for place in places], [hashes[place] for place in places if hashes]
        tables, columns, drift = {}, {}, Drift()
        for table in self.tables:
            builder = Builder(table, self.policy.of(table.name), pseudonyms, drift)
            tables[table.name] = builder.build(items, page, hashes)
            columns[table.name] = builder.columns
        return Rows(tables, columns, unchanged, drift)

    @property
    def single(self) -> bool:
        """Whether a page is one object."""
        return any(table.resource.shows_parent for table in self.tables)

    @property
    def hashes_rows(self) -> bool:
        return any(table.of_objects for table in self.tables)


def inside(page: Page, within: Window | None) -> list[Item]:
    """The items whose time lies in the window; one without a time belongs wherever it is met."""
    if within is None or page.first is None or page.last is None:
        return page.items
    if page.first >= within.start and page.last < within.end:
        return page.items
    assert page.times is not None
    times = page.times.to_pylist()
    return [
        item for item, time in zip(page.items, times, strict=True) if time is None or within.start <= time < within.end
    ]


class Builder:
    """One table's rows of one page. `columns` is complete once built: the table's own, and what the page added."""

    def __init__(self, table: Table, policy: TablePolicy | None, pseudonyms: Pseudonyms | None, drift: Drift) -> None:
        self.table = table
        self.policy = policy
        self.pseudonyms = pseudonyms
        self.drift = drift
        self.arrays: dict[str, pa.Array] = {}
        self.types: dict[str, ColumnType] = {}

    @property
    def columns(self) -> tuple[Column, ...]:
        return tuple(Column(name, of) for name, of in self.types.items())

    def build(self, items: list[Item], page: Page, hashes: list[int]) -> pa.Table:
        resource = self.table.resource
        if resource.links and resource.include:
            hashes = self.links(items)
        elif resource.links:
            self.members(items, page.parent)
        elif resource.each:
            hashes = self.elements(items)
        elif resource.include:
            owners = {child: item.id for item in items for child in item.related(resource.include)}
            kind = self.table.included
            children = [page.included[kind, child] for child in owners if (kind, child) in page.included]
            if left := len(owners) - len(children):
                log.warning("%s: %d that Klaviyo links to and does not show are not loaded", self.table.name, left)
            self.objects(children)
            self.parents([owners[child.id] for child in children])
            hashes = [row_hash(child, (), owners[child.id], self.pseudonyms) for child in children]
        else:
            self.objects(items)
            if resource.per and not resource.shows_parent:
                self.parents([page.parent] * len(items))
        self.add(ROW_HASH, "bigint", hashes)
        return self.finish()

    def add(self, name: str, of: ColumnType, values: Iterable[Any]) -> None:
        self.put(name, of, pa.array(values, ARROW[of]))

    def put(self, name: str, of: ColumnType, array: pa.Array) -> None:
        self.arrays[name], self.types[name] = array, of

    def links(self, items: list[Item]) -> list[int]:
        left, right = self.table.key
        pairs = list(
            dict.fromkeys((item.id, other) for item in items for other in item.related(self.table.resource.include))
        )
        self.add(left, "text", (pair[0] for pair in pairs))
        self.add(right, "text", (pair[1] for pair in pairs))
        return [hash_of(pair, (), self.pseudonyms) for pair in pairs]

    def members(self, items: list[Item], parent: str) -> None:
        """Links to what the collection of one parent holds, with what is told of the link itself."""
        left, right = self.table.key
        self.add(left, "text", [parent] * len(items))
        self.add(right, "text", [item.id for item in items])
        self.attributes(self.table.attributes, [item.told for item in items])

    def elements(self, items: list[Item]) -> list[int]:
        """A row for each element of an array within the attributes."""
        owners, found = [], []
        for item in items:
            elements = within(item.told, self.table.resource.each.split("."))
            owners += [item.id] * len(elements)
            found += elements
        parent, *own = self.table.key
        self.add(parent, "text", owners)
        self.attributes({**dict.fromkeys(own, "text"), **self.table.attributes}, found)
        for name in own:  # no warehouse takes a key that is null
            self.put(name, "text", pc.fill_null(self.arrays[name], ""))
        keys = {*zip(*(self.arrays[name].to_pylist() for name in self.table.key), strict=True)}
        if left := len(found) - len(keys):
            log.warning(
                "%s: %d with the key of another are told in %s only",
                self.table.name,
                left,
                self.table.resource.host.name,
            )
        return [
            hash_of([owner, *element], element.values(), self.pseudonyms)
            for owner, element in zip(owners, found, strict=True)
        ]

    def parents(self, parents: list[str]) -> None:
        """The parent that each row names itself, else the one with whom it was found."""
        column = self.table.parent
        assert column is not None
        if column in self.arrays:
            own = self.arrays[column].to_pylist()
            parents = [mine or parent for mine, parent in zip(own, parents, strict=True)]
        self.add(column, "text", parents)

    def objects(self, items: list[Item]) -> None:
        self.add("id", "text", [item.id for item in items])
        for relation in self.table.to_one:
            name = id_column(relation)
            dropped = self.policy is not None and self.policy.drops_relation(name)
            self.add(name, "text", [None if dropped else item.related_one(relation) for item in items])
        self.attributes(self.table.attributes, [item.told for item in items])

    def attributes(self, tree: Tree, objects: Sequence[Attributes | None], prefix: str = "", place: str = "") -> None:
        """Columns of the attributes at a place; their names begin with the prefix."""
        drift, table = self.drift, self.table.name
        drift.objects[table, place] += len(objects) - objects.count(None)
        for name, of in tree.items():
            values = [attributes.get(name) if attributes else None for attributes in objects]
            drift.sent[table, place, name] += len(values) - values.count(None)
            if isinstance(of, dict):
                self.nested(of, values, prefix + name, place + name)
            else:
                self.scalars(of, values, prefix + name, place + name)
        if self.table.resource.fields and not place:
            return  # Klaviyo gives the id, and may give more than was asked for
        for name in dict.fromkeys(key for attributes in objects if attributes for key in attributes if key not in tree):
            values = [attributes.get(name) if attributes else None for attributes in objects]
            kept = values if self.policy is None else self.policy.treated(prefix + name, values, new=True)
            column_name = self.free(prefix, name)
            self.put(column_name, "json", column(kept, "json")[0])
            self.tell(place + name, "new_attribute", f"column {column_name}")

    def tell(self, attribute: str, kind: Kind, detail: str) -> None:
        self.drift.changes.add(Change(self.table.name, attribute, kind, detail))

    def free(self, prefix: str, name: str) -> str:
        """A column's name for an attribute that the contract does not know: its own, where that is free and spelled as columns are.

        Any other gets a name that no other attribute has, and that no warehouse changes: from its spelling alone, so that
        it is the same on every page of every run.
        """
        own = prefix + name
        if (
            PLAIN.fullmatch(name)
            and own not in self.arrays
            and all(own != column.name for column in self.table.columns)
        ):
            return own
        plain = "_".join(PARTS.findall(name.lower()))[:LONGEST_PLAIN].rstrip("_")
        plain = plain if PLAIN.fullmatch(plain) else f"attribute_{plain}".rstrip("_")
        return f"{prefix}{plain}__x{xxhash.xxh3_64_hexdigest(own.encode())[:SPELLED]}"

    def nested(self, tree: Tree, values: Values, name: str, attribute: str) -> None:
        objects, unfit = objects_of(values)
        self.attributes(tree, objects, "" if name == self.table.resource.lifted else f"{name}__", f"{attribute}.")
        for told in other_types(unfit, unfit, "object"):
            self.tell(attribute, "other_type", told)
        if self.policy is not None:
            unfit = self.policy.treated(name, unfit)
        self.keep_unfit(name, unfit)

    def scalars(self, of: ColumnType, values: Values, name: str, attribute: str) -> None:
        if self.policy is not None:
            values = self.policy.treated(name, values)
        fit, unfit = column(values, of)
        if unfit:
            for told in other_types(values, unfit, of):
                self.tell(attribute, "other_type", told)
        if (listed := self.table.values.get(name)) and not (self.policy and self.policy.hashes(name)):
            for value in new_values(pc.unique(fit).to_pylist(), listed):
                self.tell(attribute, "new_value", value)
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
                assert Column(name, of) in (*BOOKKEEPING, *self.table.elsewhere, *self.table.former), name
                self.put(name, of, pa.nulls(rows, ARROW[of]))
        order = dict.fromkeys([*(name for name, _ in self.table.columns), *self.arrays])
        self.types = {name: self.types[name] for name in order}
        return pa.table({name: self.arrays[name] for name in order})


def within(attributes: Attributes | None, path: Sequence[str]) -> list[Attributes]:
    """The objects of an array that lies so deep in attributes; none where there is no such array."""
    *way, last = path
    for name in way:
        (attributes,), _ = objects_of([(attributes or {}).get(name)])
    found = (attributes or {}).get(last)
    try:
        return [element for element in OBJECTS.decode(found) or () if element] if found is not None else []
    except msgspec.MsgspecError:
        log.warning("%s is not a list of objects", ".".join(path))
        return []


def children_of(items: list[Item], included: Included) -> dict[str, list[Item]]:
    """What the page includes of an item, by the item's id."""
    found: dict[str, list[Item]] = {}
    kinds = {kind for kind, _ in included}
    for item in items if kinds else ():
        for relationship in (item.relationships or {}).values():
            for other in relationship.identifiers if relationship and relationship.data else ():
                if other.type in kinds and (child := included.get((other.type, other.id))):
                    found.setdefault(item.id, []).append(child)
    return found


def row_hash(item: Item, children: Sequence[Item], parent: str = "", pseudonyms: Pseudonyms | None = None) -> int:
    """64 bits of what Klaviyo sent about an object, and where: attributes, linkage, and the linkage of its children.

    With pseudonyms, nobody who lacks their key can tell from it what was sent.
    """
    # Klaviyo names things that are linked to in any order.
    linkage = sorted(encode(child.relationships) for child in children) if children else ()
    return digest((parent.encode(), encode(item), *linkage), pseudonyms)


def hash_of(names: Sequence[str], values: Iterable[Raw], pseudonyms: Pseudonyms | None) -> int:
    return digest(["\0".join(names).encode(), *values], pseudonyms)


def digest(spelled: Iterable[Raw | bytes], pseudonyms: Pseudonyms | None) -> int:
    """As signed as a column of the warehouse."""
    told = b"\0".join(spelled)
    if pseudonyms:
        return pseudonyms.seal(xxhash.xxh3_128_digest(told))
    return xxhash.xxh3_64_intdigest(told) - (1 << 63)
