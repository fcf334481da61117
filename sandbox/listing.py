"""Pages of any collection but the events: filtered, ordered, cut."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, NamedTuple, Protocol, runtime_checkable

from sandbox.account import Object
from sandbox.contract import Endpoint
from sandbox.fields import comparable, values
from sandbox.filters import Condition, holds
from sandbox.paging import Key, Order, Place, decode, encode
from sandbox.query import Query
from sandbox.relations import Relations

ALWAYS_ORDERED_ANEW: Final = 2_000
"""Up to so many rows an order is made for each page, and so can never be stale."""

BELOW: Final = {"less-than", "less-or-equal", "equals"}
ABOVE: Final = {"greater-than", "greater-or-equal", "equals"}


@runtime_checkable
class Ordered(Protocol):
    """Objects that know their orders by some fields."""

    def order(self, field: str) -> Order | None: ...


@dataclass(frozen=True, slots=True)
class Rows:
    name: tuple[str, ...]
    ids: Collection[str]
    get: Callable[[str], Object | None]
    ordered: Ordered | None = None


class Page(NamedTuple):
    rows: list[Object]
    next: str | None


class Orders:
    """Orders of the large collections, kept until the account changes."""

    def __init__(self) -> None:
        self._kept: dict[tuple[tuple[str, ...], str], Order] = {}

    def order(self, rows: Rows, field: str, make: Callable[[], Order]) -> Order:
        if rows.ordered is not None and (order := rows.ordered.order(field)) is not None:
            return order
        if len(rows.ids) <= ALWAYS_ORDERED_ANEW:
            return make()
        key = (rows.name, field)
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]


@dataclass(frozen=True, slots=True)
class Listing:
    endpoint: Endpoint
    query: Query
    relations: Relations
    orders: Orders

    def page(self, rows: Rows) -> Page:
        field = self.query.sort or "id"
        timestamp = self._is_timestamp(field)
        order = self.orders.order(rows, field, lambda: self._order(rows, field, timestamp=timestamp))
        after = decode(self.query.cursor, field, timestamp=timestamp) if self.query.cursor is not None else None
        walk = order.walk(after, self._bounds(field), descending=self.query.descending)
        if self.query.size is None and self.endpoint.facts.page is None:
            return Page([row for _, row in self._matching(walk, rows)], None)
        size = self.query.size or FIXED_SIZES.get(self.endpoint.facts.operation, 100)
        found = list(islice(self._matching(walk, rows), size + 1))
        next_ = encode(field, found[size - 1][0]) if len(found) > size else None
        return Page([row for _, row in found[:size]], next_)

    def _order(self, rows: Rows, field: str, *, timestamp: bool) -> Order:
        if field == "id":
            return Order.of(Place(id_, id_) for id_ in rows.ids)
        return Order.of(
            Place(self._key(row, field, timestamp=timestamp), row.id) for row in map(rows.get, rows.ids) if row
        )

    def _key(self, row: Object, field: str, *, timestamp: bool) -> Key | None:
        found = [value for value in values(row, field, self.relations) if value is not None]
        return comparable(found[0], timestamp=timestamp) if found else None

    def _bounds(self, field: str) -> tuple[Any, Any]:
        conditions = [one for one in self.query.on(field) if not isinstance(one.value, list)]
        return (
            max((one.value for one in conditions if one.operator in ABOVE), default=None),
            min((one.value for one in conditions if one.operator in BELOW), default=None),
        )

    def _matching(self, walk: Iterable[Place], rows: Rows) -> Iterable[tuple[Place, Object]]:
        conditions = self._conditions()
        for place in walk:
            row = rows.get(place.id)
            if row is not None and all(self._meets(row, condition) for condition in conditions):
                yield place, row

    def _conditions(self) -> list[Condition]:
        conditions = list(self.query.conditions)
        if "archived" in self.endpoint.facts.filters and not self.query.on("archived"):
            conditions.append(Condition("equals", "archived", value=False))
        return conditions

    def _meets(self, row: Object, condition: Condition) -> bool:
        timestamp = self._is_timestamp(condition.field)
        found = values(row, condition.field, self.relations)
        return holds(condition, (comparable(value, timestamp=timestamp) for value in found))

    def _is_timestamp(self, field: str) -> bool:
        facts = self.endpoint.facts.filters.get(field)
        return self.endpoint.shape.attributes.get(field) == "timestamp" if facts is None else facts.type == "date-time"


# Page sizes of the endpoints that have none of their own to ask for.
FIXED_SIZES: Final = {
    "get_metrics": 200,
    "get_ingestion_logs_for_object_type": 50,
    "get_ingestion_log_ids_for_object_type": 50,
}
