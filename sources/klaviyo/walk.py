"""How a collection is walked: a window in, pages out."""

from __future__ import annotations

import logging
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Final
from urllib.parse import urlencode

import pendulum
from pendulum import DateTime

from sources.klaviyo.client import Client
from sources.klaviyo.contract import Contract, Endpoint
from sources.klaviyo.errors import CursorExpired, MalformedPage
from sources.klaviyo.rows import Page, PageReader
from sources.klaviyo.spec import Resource
from sources.klaviyo.tables import Table, table
from sources.klaviyo.tally import Tally
from sources.klaviyo.windows import BEGINNING, Window, stamp

log = logging.getLogger(__name__)

RESTARTS: Final = 5
"""How often a page cursor may expire in one query before we give up."""


@dataclass
class Walk:
    """One collection and the tables that its pages fill."""

    host: Resource
    resources: Sequence[Resource]
    contract: Contract
    tally: Tally = field(init=False)

    def __post_init__(self) -> None:
        self.tally = Tally(self.host.name, tuple(resource.name for resource in self.resources))

    @cached_property
    def endpoint(self) -> Endpoint:
        return self.contract.collection(self.host.endpoint)

    @cached_property
    def tables(self) -> list[Table]:
        return [table(resource, self.contract) for resource in self.resources]

    def pages(self, client: Client, window: Window | None, known: Container[int] = frozenset()) -> Iterator[Page]:
        """Yield the pages of every query that lists the collection, within the window."""
        reader = PageReader(self.tables, self.host.cursor.field if self.host.cursor else None, known)
        for condition in self.host.partitions.values():
            yield from self.query(client, reader, condition, window)

    def query(self, client: Client, reader: PageReader, condition: str, window: Window | None) -> Iterator[Page]:
        """Yield one query's pages. A page cursor that expires is replaced by asking again from where it had come to."""
        for _ in range(RESTARTS):
            try:
                for page in self.follow(client, reader, self.first(condition, window)):
                    yield page
                    if window and page.last:
                        reached = pendulum.instance(page.last).replace(microsecond=0)
                        window = Window(max(window.start, reached), window.end)
            except CursorExpired:
                log.info("%s: the page cursor expired, asking again", self.host.name)
            else:
                return
        raise CursorExpired(f"{self.host.name}: Klaviyo refused its own page cursor {RESTARTS} times")

    def follow(self, client: Client, reader: PageReader, target: str) -> Iterator[Page]:
        followed = set()
        while target:
            if target in followed:
                raise MalformedPage(f"{self.host.name}: links.next leads back to a page already read")
            followed.add(target)
            page = client.read(self.endpoint, target, reader.read, self.tally)
            self.tally.pages += 1
            self.tally.received += page.received
            self.tally.unchanged += page.unchanged
            yield page
            target = page.next or ""

    def first(self, condition: str, window: Window | None) -> str:
        """Path and query of the first page."""
        parameters = {
            "filter": ",".join(filter(None, [condition, *self.bounds(window)])),
            "include": ",".join(self.includes),
            f"additional-fields[{self.contract.objects[self.endpoint.object].type}]": ",".join(
                self.host.additional_fields
            ),
            "page[size]": str(self.endpoint.page_size or ""),
            "sort": self.sort,
        }
        query = urlencode({name: value for name, value in parameters.items() if value})
        return f"{self.endpoint.path}?{query}" if query else self.endpoint.path

    @property
    def includes(self) -> list[str]:
        return [*self.host.linked, *(resource.include for resource in self.resources if resource.include)]

    @property
    def sort(self) -> str:
        """Ascending by the cursor, or by whatever never changes: pages then do not shift while they are read."""
        wanted = [self.host.cursor.field] if self.host.cursor else ["id", "created", "created_at"]
        return next((key for key in wanted if key in self.endpoint.sort), "")

    def bounds(self, window: Window | None) -> Iterator[str]:
        """The filter conditions of `[start, end)`, in the operators that the endpoint has."""
        if window is None or self.host.cursor is None:
            return
        on = self.host.cursor.field
        if window.start > BEGINNING:
            yield self.from_start(on, window.start)
        yield f"less-than({on},{stamp(window.end)})"

    def from_start(self, on: str, start: DateTime) -> str:
        if self.endpoint.allows("greater-or-equal", on):
            return f"greater-or-equal({on},{stamp(start)})"
        # Profiles know only strict operators; their times are whole seconds.
        return f"greater-than({on},{stamp(start - timedelta(seconds=1))})"
