"""How a collection is walked: a window in, pages out."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from typing import Final
from urllib.parse import quote, urlencode

from pendulum import DateTime

from sources.klaviyo.answers import SharedAnswers
from sources.klaviyo.client import Client
from sources.klaviyo.contract import Contract, Endpoint
from sources.klaviyo.errors import CursorExpired, MalformedPage, NotFound
from sources.klaviyo.lanes import Range
from sources.klaviyo.rows import Page, PageReader
from sources.klaviyo.spec import Resource
from sources.klaviyo.tables import Table, full_table
from sources.klaviyo.tally import Tally
from sources.klaviyo.windows import BEGINNING, Window, stamp

log = logging.getLogger(__name__)

IDS_AT_ONCE: Final = 100
"""In one condition: what a page holds, and short enough for an address."""
RESTARTS: Final = 5
"""How often a page cursor may expire before a row further on has been seen."""


@dataclass(eq=False)
class Walk:
    """One collection and the tables that its pages fill."""

    host: Resource
    resources: Sequence[Resource]
    contract: Contract
    only: tuple[str, ...] = ()
    """The only attributes wanted of what the rows are made from; all by default."""
    tally: Tally = field(init=False)
    parents: dict[str, bool] = field(default_factory=dict, init=False)
    """The objects whose collections are walked, and whether this run reads theirs."""
    shared: SharedAnswers | None = None
    """In place of the client, where another walk reads the same pages."""
    kept: bool = field(default=False, init=False)
    """Whether the warehouse holds all of it just so: nothing was loaded, nothing has vanished."""

    def __post_init__(self) -> None:
        self.tally = Tally(self.host.name, tuple(resource.name for resource in self.resources))

    @cached_property
    def endpoint(self) -> Endpoint:
        """With the limits that hold for what is asked."""
        endpoint = self.contract.collection(self.host.endpoint)
        for form, limits in endpoint.costly.items():
            parameter, _, value = form.partition("=")
            if value in self.asked.get(parameter, "").split(","):
                return replace(endpoint, limits=limits, allowance=form)
        return endpoint

    @cached_property
    def tables(self) -> list[Table]:
        return [full_table(resource, self.contract) for resource in self.resources]

    def ranges(self, windows: Sequence[Window | None]) -> list[Range]:
        """Every query that lists the collection, in every window."""
        return [Range(condition, window) for window in windows for condition in self.host.partitions.values()]

    def ranges_since(self, since: DateTime) -> list[Range]:
        """What has one of the cursor's other times of change, each read whole and by that time."""
        assert self.host.cursor is not None
        return [Range(self.from_start(field, since), None, order=field) for field in self.host.cursor.also]

    def ranges_where(self, conditions: Iterable[str], parent: str = "") -> list[Range]:
        """Every query that lists what meets a condition, each read whole."""
        return [
            Range(",".join(filter(None, [query, condition])), None, parent=parent)
            for condition in conditions
            for query in self.host.partitions.values()
        ]

    def ranges_of(self, parents: Mapping[str, Sequence[Window | None]]) -> list[Range]:
        """Every query that lists what each parent holds, in the windows that are due of it."""
        return [replace(part, parent=parent) for parent, windows in parents.items() for part in self.ranges(windows)]

    def follow(self, client: Client, reader: PageReader, part: Range) -> Iterator[Page]:
        """Yield the pages of a range. A page cursor that expires is replaced by asking again from where it had come to."""
        expired, reached = 0, part.reached
        while True:
            try:
                yield from self.links(client, reader, self.first(part, reader.cursor), part.parent)
            except NotFound:
                if not part.parent:
                    raise
                log.warning("%s: %s is gone", self.host.name, part.parent)
                self.tally.count(gone=1)
                self.parents[part.parent] = False
                return
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

    def refuse_emptiness(self) -> None:
        """Raises NotFound when no parent is found any more: an endpoint that is gone would look the same."""
        if self.tally.gone and not any(self.parents.values()):
            raise NotFound(f"{self.host.name}: Klaviyo finds none of the {self.tally.gone} parents that it lists")

    def links(self, client: Client, reader: PageReader, target: str, parent: str = "") -> Iterator[Page]:
        followed = set()
        while target:
            if target in followed:
                raise MalformedPage(f"{self.host.name}: links.next leads back to a page already read")
            followed.add(target)
            asked = self.shared or client
            page = asked.read(self.endpoint, target, lambda body: reader.page(body, parent), self.tally)
            self.tally.count(pages=1, received=len(page.items))
            yield page
            target = page.next or ""

    def first(self, part: Range, cursor: str | None) -> str:
        """Path and query of the first page of what remains of a range."""
        query = part.query.replace("{id}", quoted(part.parent)[1:-1])
        conditions = ",".join(filter(None, [query, *self.bounds(part, cursor)]))
        parameters = {"filter": conditions, **self.asked, "sort": self.sort(part.order or cursor)}
        query = urlencode({name: value for name, value in parameters.items() if value})
        path = self.contract.collection(self.host.endpoint).path.replace("{id}", quote(part.parent, safe=""))
        return f"{path}?{query}" if query else path

    @cached_property
    def asked(self) -> dict[str, str]:
        """What every request of the walk asks for."""
        endpoint = self.contract.collection(self.host.endpoint)
        whole = self.contract.objects[endpoint.object]
        fields = {whole.type: self.host.fields}
        # Of what is included for its id alone, attributes would only make pages larger.
        links = [resource.include for resource in self.resources if resource.links and resource.include]
        fields |= {whole.related[relation]: ("id",) for relation in (*self.host.linked, *links)}
        if self.only:
            kinds = [whole.type, *(whole.related[one.include] for one in self.resources if one.include)]
            # Types spell the time of their last change differently.
            fields |= {
                kind: tuple(name for name in self.only if name in endpoint.fields.get(kind, ())) for kind in kinds
            }
        return {
            "include": ",".join(self.includes),
            f"additional-fields[{whole.type}]": ",".join(self.host.additional_fields),
            **{f"fields[{kind}]": ",".join(names) for kind, names in fields.items() if kind in endpoint.fields},
            "page[size]": str(endpoint.page_size or ""),
        }

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


def any_of(on: str, ids: Sequence[str]) -> Iterator[str]:
    """Conditions that objects with these ids meet, many in each."""
    for start in range(0, len(ids), IDS_AT_ONCE):
        yield f"any({on},[{','.join(map(quoted, ids[start : start + IDS_AT_ONCE]))}])"


def quoted(text: str) -> str:
    """As a filter spells a text."""
    return '"' + text.replace("\\", r"\\").replace('"', r"\"") + '"'
