"""What each raw table looks like: columns and key, derived from the contract and never from today's data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, NamedTuple

import pyarrow as pa

from sources.klaviyo.contract import ColumnType, Contract, Endpoint, ObjectType, Tree, load, revisions
from sources.klaviyo.resources import TABLE, at, told_otherwise
from sources.klaviyo.spec import Resource

ARROW: Final[dict[ColumnType, pa.DataType]] = {
    "text": pa.string(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "bool": pa.bool_(),
    "timestamp": pa.timestamp("us", "UTC"),
    "date": pa.date32(),
    "json": pa.string(),
}

ROW_HASH: Final = "_row_hash"
"""64 bits of what Klaviyo sent of the row, by which it is known again."""
FIRST_SEEN_AT: Final = "_first_seen_at"
"""When the first run was that loaded the row."""
CHANGED_AT: Final = "_changed_at"
"""When the first run was that loaded the row as it is."""
DELETED_AT: Final = "_deleted_at"
"""When a run first saw that Klaviyo no longer shows the row; null while it does."""

FORMER: Final = "_former_"
"""Before the name of a column: what it said when the row was first seen; null while it says the same."""


class Column(NamedTuple):
    name: str
    type: ColumnType


BOOKKEEPING: Final = (
    Column(ROW_HASH, "bigint"),
    *(Column(name, "timestamp") for name in (FIRST_SEEN_AT, CHANGED_AT, DELETED_AT)),
)
"""Columns that every raw table has, beside dlt's own."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """One raw table. `attributes` is the tree that rows are filled from; `columns` its flat form, keys first."""

    resource: Resource
    key: tuple[str, ...]
    attributes: Tree
    to_one: tuple[str, ...]
    """Relationships that become `<relation>_id` columns."""
    elsewhere: tuple[Column, ...] = ()
    """Columns that the table has at another revision only: null at this one."""
    parent: str | None = None
    """The column that names the object in whose `relationships`, or in whose collection, a row was found."""
    included: str = ""
    """The type of the rows, where they are not the collection's own objects."""
    values: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By column, those that the contract lists."""

    @property
    def name(self) -> str:
        return self.resource.name

    @property
    def of_objects(self) -> bool:
        """Whether its rows are the objects that are listed, rather than something within them."""
        return not (self.resource.include or self.resource.each)

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        keys = dict.fromkeys((*self.key, *filter(None, (self.parent,)), *map(id_column, self.to_one)))
        columns = [Column(name, "text") for name in keys]
        columns += flatten(self.attributes, lifted=self.resource.lifted)
        return (*columns, *self.elsewhere, *self.former, *BOOKKEEPING)

    @property
    def former(self) -> tuple[Column, ...]:
        return tuple(Column(FORMER + name, "text") for name in self.resource.moves)

    @cached_property
    def schema(self) -> pa.Schema:
        return arrow_schema(self.columns)

    def hints(self, columns: tuple[Column, ...]) -> dict[str, dict[str, Any]]:
        return table_hints(self, columns)


def table(resource: Resource, contract: Contract) -> Table:
    """The raw table of a resource."""
    endpoint = contract.collection(resource.endpoint)
    whole = contract.objects[endpoint.object]
    if resource.include:
        return included_table(resource, contract, endpoint, whole)
    if resource.each:
        owner = id_column(whole.type)
        told: Tree = {**resource.types}
        return Table(resource=resource, key=(owner, *resource.key), attributes=told, to_one=(), parent=owner)
    withheld = {name for names in endpoint.additional_fields.values() for name in names} - {*resource.additional_fields}
    wanted = resource.fields or [name for name in whole.attributes if name not in withheld]
    attributes = typed({name: whole.attributes[name] for name in wanted}, resource)
    if resource.per is None or resource.shows_parent:
        to_one = () if resource.fields else tuple(sorted(whole.to_one))
        parent = "id" if resource.per else None
        return Table(resource=resource, key=("id",), attributes=attributes, to_one=to_one, parent=parent)
    parent = parent_column(whole, object_type(resource.per, contract))
    if resource.links:
        key = (parent, id_column(whole.type))
        return Table(resource=resource, key=key, attributes=attributes, to_one=(), parent=parent)
    return Table(
        resource=resource, key=("id",), attributes=attributes, to_one=tuple(sorted(whole.to_one)), parent=parent
    )


def included_table(resource: Resource, contract: Contract, endpoint: Endpoint, whole: ObjectType) -> Table:
    """The table of what is included in the pages of a collection, or of the links to it."""
    kind = whole.related[resource.include]
    if resource.links:
        key = (id_column(whole.type), id_column(kind))
        return Table(resource=resource, key=key, attributes={}, to_one=(), included=kind)
    shape = contract.included(endpoint, kind)
    return Table(
        resource=resource,
        key=("id",),
        attributes=typed(shape.attributes, resource),
        to_one=tuple(sorted(shape.to_one)),
        parent=parent_column(shape, whole.type),
        included=kind,
    )


def object_type(resource: Resource, contract: Contract) -> str:
    """The type of a resource's rows."""
    whole = contract.objects[contract.collection(resource.endpoint).object]
    return whole.related[resource.include] if resource.include else whole.type


def parent_column(shape: ObjectType, parent: str) -> str:
    """The column of a child's parent: that of its own relation to it, where there is just one."""
    relations = [relation for relation, kind in shape.to_one.items() if kind == parent]
    return id_column(relations[0] if len(relations) == 1 else parent)


def typed(attributes: Tree, resource: Resource) -> Tree:
    return {**attributes, **resource.types}


def full_table(resource: Resource, contract: Contract) -> Table:
    """The raw table with the columns that it has at whatever revision, so that a query need not know of revisions."""
    own = table(resource, contract)
    there = {column.name for column in own.columns}
    others = [
        column
        for other in told_otherwise(resource)
        for column in table(other, latest_contract(other)).columns
        if column.name not in there
    ]
    return replace(own, elsewhere=tuple(dict.fromkeys(others)), values=listed_values(resource, contract))


def listed_values(resource: Resource, contract: Contract) -> dict[str, frozenset[str]]:
    if resource.links or resource.each:
        return {}
    endpoint = contract.collection(resource.endpoint)
    whole = contract.objects[endpoint.object]
    shape = contract.included(endpoint, whole.related[resource.include]) if resource.include else whole
    return {name.removeprefix(f"{resource.lifted}__"): values for name, values in shape.values.items()}


def every_table(revision: str) -> dict[str, Table]:
    """All raw tables by name, but for optional ones: those that the revision fills, and those that only others do."""
    there = {one.name: full_table(one, latest_contract(one)) for one in TABLE if not one.optional}
    return there | {one.name: full_table(one, load(revision)) for one in at(revision) if not one.optional}


def latest_contract(resource: Resource) -> Contract:
    """Of the revisions that tell the resource so."""
    return load(max(revision for revision in revisions() if resource.told_at(revision)))


def flatten(tree: Tree, prefix: str = "", lifted: str = "") -> Iterator[Column]:
    for name, of in tree.items():
        if isinstance(of, dict):
            yield from flatten(of, "" if name == lifted else f"{prefix}{name}__")
        else:
            yield Column(prefix + name, of)


def arrow_schema(columns: tuple[Column, ...]) -> pa.Schema:
    return pa.schema([pa.field(column.name, ARROW[column.type]) for column in columns])


def column_hints(columns: tuple[Column, ...], key: tuple[str, ...] = ()) -> dict[str, dict[str, Any]]:
    """The columns as dlt declares them."""
    return {
        column.name: {"name": column.name, "data_type": column.type, "nullable": column.name not in key}
        for column in columns
    }


def table_hints(of: Table, columns: tuple[Column, ...]) -> dict[str, dict[str, Any]]:
    """The columns as dlt declares them, and how a warehouse that can lays out their rows.

    What happened never moves in time: kept by days, a re-read of the latest touches only theirs.
    """
    hints = column_hints(columns, of.key)
    if len(of.key) == 1:
        hints[of.key[0]]["unique"] = True
    cursor = of.resource.cursor
    if cursor and not cursor.marks_change:
        hints[cursor.field] |= {"partition": True, "sort": True}
        for name in of.resource.clustered_by:
            hints[name]["cluster"] = True
    return hints


def id_column(relation: str) -> str:
    """`flow-message` as `flow_message_id`."""
    return f"{relation.replace('-', '_')}_id"
