"""How a collection is walked: a window in, pages out."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Final
from urllib.parse import urlencode

from pendulum import DateTime

from sources.klaviyo.client import Client
from sources.klaviyo.contract import Contract, Endpoint
from sources.klaviyo.errors import CursorExpired, MalformedPage
from sources.klaviyo.lanes import Range
from sources.klaviyo.rows import Page, PageReader
from sources.klaviyo.spec import Resource
from sources.klaviyo.tables import Table, table
from sources.klaviyo.tally import Tally
from sources.klaviyo.windows import BEGINNING, Window, stamp

log = logging.getLogger(__name__)

RESTARTS: Final = 5
"""How often a page cursor may expire before a row further on has been seen."""


@dataclass(eq=False)
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

    def ranges(self, windows: Sequence[Window | None]) -> list[Range]:
        """Every query that lists the collection, in every window."""
        return [Range(condition, window) for window in windows for condition in self.host.partitions.values()]

    def follow(self, client: Client, reader: PageReader, part: Range) -> Iterator[Page]:
        """Yield the pages of a range. A page cursor that expires is replaced by asking again from where it had come to."""
        expired, reached = 0, part.reached
        while True:
            try:
                yield from self.links(client, reader, self.first(part, reader.cursor))
            except CursorExpired as error:
                expired = 1 if part.reached != reached else expired + 1
                reached = part.reached
                if expired > RESTARTS:
                    raise CursorExpired(
                        f"{self.host.name}: Klaviyo refused its own page cursor {expired} times in one place"
                    ) from error
                log.info("%s: the page cursor expired, asking again", self.host.name)
            else:
                return

    def links(self, client: Client, reader: PageReader, target: str) -> Iterator[Page]:
        followed = set()
        while target:
            if target in followed:
                raise MalformedPage(f"{self.host.name}: links.next leads back to a page already read")
            followed.add(target)
            page = client.read(self.endpoint, target, reader.page, self.tally)
            self.tally.count(pages=1, received=len(page.items))
            yield page
            target = page.next or ""

    def first(self, part: Range, cursor: str | None) -> str:
        """Path and query of the first page of what remains of a range."""
        parameters = {
            "filter": ",".join(filter(None, [part.query, *self.bounds(part, cursor)])),
            "include": ",".join(self.includes),
            f"additional-fields[{self.contract.objects[self.endpoint.object].type}]": ",".join(
                self.host.additional_fields
            ),
            "page[size]": str(self.endpoint.page_size or ""),
            "sort": self.sort(cursor),
        }
        query = urlencode({name: value for name, value in parameters.items() if value})
        return f"{self.endpoint.path}?{query}" if query else self.endpoint.path

    @property
    def includes(self) -> list[str]:
        return [*self.host.linked, *(resource.include for resource in self.resources if resource.include)]

    def sort(self, cursor: str | None) -> str:
        """Ascending by the cursor, or by whatever never changes: pages then do not shift while they are read."""
        wanted = [cursor] if cursor else ["id", "created", "created_at"]
        return next((key for key in wanted if key in self.endpoint.sort), "")

    def bounds(self, part: Range, cursor: str | None) -> Iterator[str]:
        """The filter conditions of what remains of the range, in the operators that the endpoint has."""
        if part.window is None or cursor is None:
            return
        start = part.sure or part.window.start
        if start > BEGINNING:
            yield self.from_start(cursor, start)
        yield f"less-than({cursor},{stamp(part.window.end)})"

    def from_start(self, on: str, start: DateTime) -> str:
        if self.endpoint.allows("greater-or-equal", on):
            return f"greater-or-equal({on},{stamp(start)})"
        # Profiles know only strict operators; their times are whole seconds.
        return f"greater-than({on},{stamp(start - timedelta(seconds=1))})"
