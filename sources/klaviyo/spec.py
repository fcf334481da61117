"""The vocabulary of the table of resources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from sources.klaviyo.contract import ColumnType


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """The attribute that orders changes, and how far before it a run asks again."""

    field: str
    lookback: timedelta = timedelta(minutes=10)
    """By default what a change may need to become visible."""
    first_load: str = ""
    """Another field by which everything is listed the first time: one that does not move while it is read."""
    marks_change: bool = True
    """False where the attribute says when something happened rather than when the row last changed."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Resource:
    """One raw table, and the collection it is read from.

    Without `include` its rows are the collection's own objects. With `include` they are the objects of that
    relationship, read in the same pages; with `links` they are only the pairs of ids that the relationship makes.
    """

    name: str
    grain: str
    path: str = ""
    cursor: Cursor | None = None
    partitions: Mapping[str, str] = field(default_factory=lambda: {"all": ""})
    """Filter conditions of the several queries that together list the collection."""
    additional_fields: tuple[str, ...] = ()
    linked: tuple[str, ...] = ()
    """To-one relationships whose ids Klaviyo gives only when they are included."""
    types: Mapping[str, ColumnType] = field(default_factory=dict)
    """Columns that the contract types too loosely."""
    clustered_by: tuple[str, ...] = ()
    """Columns that rows of one time are kept together by, where a warehouse can."""
    along: Resource | None = None
    """The resource in whose pages this one's rows arrive."""
    include: str = ""
    links: bool = False

    def __post_init__(self) -> None:
        if self.along and (self.path or self.cursor or not self.include):
            raise ValueError(f"{self.name}: rides along {self.along.name}, so it names an include and nothing else")
        if self.links and not self.include:
            raise ValueError(f"{self.name}: links need the relationship to link")

    @property
    def endpoint(self) -> str:
        """The contract's path of the collection."""
        return self.host.path or f"/api/{self.host.name.replace('_', '-')}"

    @property
    def host(self) -> Resource:
        """The resource whose walk reads this one."""
        return self.along or self
