"""What each raw table looks like: columns and key, derived from the contract and never from today's data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import pyarrow as pa

from sources.klaviyo.contract import ColumnType, Contract, Tree
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
DELETED_AT: Final = "_deleted_at"
"""When a run first saw that Klaviyo no longer shows the row; null while it does."""


class Column(NamedTuple):
    name: str
    type: ColumnType


@dataclass(frozen=True, kw_only=True)
class Table:
    """One raw table. `attributes` is the tree that rows are filled from; `columns` its flat form, keys first."""

    resource: Resource
    key: tuple[str, ...]
    attributes: Tree
    to_one: tuple[str, ...]
    """Relationships that become `<relation>_id` columns."""
    parent: str | None = None
    """The column that names the object in whose `relationships` an included row was found."""

    @property
    def name(self) -> str:
        return self.resource.name

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        keys = dict.fromkeys((*self.key, *filter(None, (self.parent,)), *map(id_column, self.to_one)))
        columns = [Column(name, "text") for name in keys]
        columns += flatten(self.attributes)
        if self.marks_unchanged:
            columns.append(Column(ROW_HASH, "bigint"))
        columns.append(Column(DELETED_AT, "timestamp"))
        return tuple(columns)

    @property
    def marks_unchanged(self) -> bool:
        """Whether rows carry a hash of what Klaviyo sent, by which a re-read knows them again."""
        return self.resource.cursor is not None

    @cached_property
    def schema(self) -> pa.Schema:
        return arrow_schema(self.columns)


def table(resource: Resource, contract: Contract) -> Table:
    """The raw table of a resource."""
    endpoint = contract.collection(resource.endpoint)
    whole = contract.objects[endpoint.object]
    parent = id_column(whole.type)
    if resource.links:
        return Table(resource=resource, key=(parent, id_column(singular(resource.include))), attributes={}, to_one=())
    if resource.include:
        shape = contract.included(endpoint, singular(resource.include))
        return Table(
            resource=resource,
            key=("id",),
            attributes=typed(shape.attributes, resource),
            to_one=tuple(sorted(shape.to_one)),
            parent=parent,
        )
    withheld = {name for names in endpoint.additional_fields.values() for name in names} - {*resource.additional_fields}
    return Table(
        resource=resource,
        key=("id",),
        attributes=typed({name: of for name, of in whole.attributes.items() if name not in withheld}, resource),
        to_one=tuple(sorted(whole.to_one)),
    )


def typed(attributes: Tree, resource: Resource) -> Tree:
    return {**attributes, **resource.types}


def flatten(tree: Tree, prefix: str = "") -> Iterator[Column]:
    for name, of in tree.items():
        if isinstance(of, dict):
            yield from flatten(of, f"{prefix}{name}__")
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


def singular(relation: str) -> str:
    """The object type that a to-many relationship leads to: Klaviyo names it by the plural."""
    return relation.removesuffix("s")
