"""The vocabulary of the table of resources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from sources.klaviyo.contract import ColumnType

LOOKBACK: Final = timedelta(minutes=10)
"""What a change may need to become visible."""
MARKS: Final = ("updated", "updated_at")
"""Attributes by which Klaviyo says when an object changed last."""


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """The attribute that orders changes, and how far before it a run asks again."""

    field: str
    lookback: timedelta = LOOKBACK
    first_load: str = ""
    """Another field by which everything is listed the first time: one that does not move while it is read."""
    marks_change: bool = True
    """False where the attribute says when something happened rather than when the row last changed."""
    also: tuple[str, ...] = ()
    """Other times of change, which may leave the field as it was: what has one since the last run is read, too."""


@dataclass(frozen=True, kw_only=True)
class Versioned:
    """That earlier versions of a table's rows are kept. A change of its mark of change alone makes none."""

    volatile: tuple[str, ...] = ()
    """Columns that change though nothing has been changed."""
    unordered: tuple[str, ...] = ()
    """JSON columns in whose arrays, at any depth, order means nothing."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Resource:
    """One raw table, and the collection it is read from.

    Without `include` its rows are the collection's own objects. With `include` they are the objects of that
    relationship, read in the same pages; with `links` they are only the pairs of ids that the relationship makes.

    With `per`, there is such a collection for each object of another resource: `{id}` stands for its id, in the path or in
    the partitions, and becomes a column. A path that ends in `{id}` shows that object itself, with more of it.
    """

    name: str
    grain: str
    since: str = ""
    """The first revision that tells it like this; from the first that we know by default."""
    until: str = "9"
    """The first revision that no longer does; to the last that we know by default."""
    path: str = ""
    cursor: Cursor | None = None
    partitions: Mapping[str, str] = field(default_factory=lambda: {"all": ""})
    """Filter conditions of the several queries that together list the collection."""
    fields: tuple[str, ...] = ()
    """The only attributes wanted; all by default."""
    additional_fields: tuple[str, ...] = ()
    linked: tuple[str, ...] = ()
    """To-one relationships whose ids Klaviyo gives only when they are included."""
    types: Mapping[str, ColumnType] = field(default_factory=dict)
    """Columns that the contract types too loosely."""
    moves: tuple[str, ...] = ()
    """Columns that tell whose a row is, and may come to tell of another: a row keeps the first in `_former_<column>`."""
    clustered_by: tuple[str, ...] = ()
    """Columns that rows of one time are kept together by, where a warehouse can."""
    along: Resource | None = None
    """The resource in whose pages this one's rows arrive."""
    per: Resource | None = None
    revisit: timedelta | None = None
    """How often all parents are visited; between, only those that changed. By default, each run visits all."""
    include: str = ""
    each: str = ""
    """An array within the attributes of the host's objects, whose elements are the rows."""
    key: tuple[str, ...] = ()
    """What tells elements of one object apart."""
    links: bool = False
    lifted: str = ""
    """An attribute whose parts are columns by their own names."""
    versioned: Versioned | None = None
    note: str = ""
    """What who reads the table must know."""
    optional: str = ""
    """Why this is read only when it is named, and what it costs."""

    def __post_init__(self) -> None:
        if self.along and (self.path or self.cursor or self.per or bool(self.include) == bool(self.each)):
            raise ValueError(
                f"{self.name}: rides along {self.along.name}, so it names an include, or an array, and nothing else"
            )
        if bool(self.each) != bool(self.key) or (self.each and not self.along):
            raise ValueError(f"{self.name}: elements of an array ride along, and have a key")
        if self.links and not (self.include or self.per):
            raise ValueError(f"{self.name}: links need the relationship to link")
        if bool(self.per) != ("{id}" in self.path or any("{id}" in query for query in self.partitions.values())):
            raise ValueError(f"{self.name}: {{id}} stands for the id of what it is listed per")
        if self.revisit and (self.cursor or not self.per):
            raise ValueError(f"{self.name}: parents are revisited where children have no cursor of their own")
        if self.versioned and (self.links or self.each):
            raise ValueError(f"{self.name}: versions are kept of rows that have an id")
        if self.per and self.per.host.per:
            raise ValueError(f"{self.name}: {self.per.name} cannot be listed by itself")

    @property
    def endpoint(self) -> str:
        """The contract's path of the collection."""
        return self.host.path or f"/api/{self.host.name.replace('_', '-')}"

    def told_at(self, revision: str) -> bool:
        return self.since <= revision < self.until

    @property
    def shows_parent(self) -> bool:
        """Whether what is asked for is the parent itself."""
        return self.path.endswith("{id}")

    @property
    def host(self) -> Resource:
        """The resource whose walk reads this one."""
        return self.along or self
