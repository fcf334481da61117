"""The objects of one resource for which another one is listed."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime

from sources.klaviyo.answers import SharedAnswers
from sources.klaviyo.client import Client
from sources.klaviyo.contract import Contract
from sources.klaviyo.documents import Item
from sources.klaviyo.rows import Page, PageReader
from sources.klaviyo.spec import MARKS, Resource
from sources.klaviyo.tally import Tally
from sources.klaviyo.values import column
from sources.klaviyo.walk import Walk

Listing = dict[str, datetime | None]
"""Ids, and when each object changed last, where it says so."""


class Parents:
    """Lists parents once for all walks of a run.

    Where the run reads them whole itself, from the same pages; else by requests of its own that ask for next to nothing.
    """

    def __init__(self, client: Client, contract: Contract, walks: Sequence[Walk] = ()) -> None:
        self.client = client
        self.contract = contract
        self.walks = {walk.host: walk for walk in walks if not walk.host.cursor and not walk.host.per}
        self.loading = {per: self.share(per) for per in {walk.host.per for walk in walks if walk.host.per}}
        self.lock = threading.Lock()
        self.locks: dict[Resource, threading.Lock] = {}
        self.listed: dict[Resource, Listing] = {}

    def __call__(self, resource: Resource, tally: Tally) -> Listing:
        """All parents. Requests of its own count for the walk that needs them first. Raises a KlaviyoError."""
        with self.lock:
            lock = self.locks.setdefault(resource, threading.Lock())
        with lock:
            if resource not in self.listed:
                self.listed[resource] = self.list(resource, tally)
            return self.listed[resource]

    def list(self, resource: Resource, tally: Tally) -> Listing:
        walk = Walk(resource.host, [resource], self.contract)
        mark = next((name for name in MARKS if name in walk.tables[0].attributes), "")
        if loading := self.loading[resource] if resource in self.loading else self.share(resource):
            pages = Walk(resource.host, loading.resources, self.contract, shared=loading.shared)
        else:
            pages = Walk(resource.host, [resource], self.contract, only=tuple(filter(None, ("id", mark))))
            pages.tally = tally
        found: Listing = {}
        for part in pages.ranges([None]):
            for page in pages.follow(self.client, PageReader([]), part):
                things = parents_on(page, resource, walk.tables[0].included)
                marks = column([(one.attributes or {}).get(mark) for one in things], "timestamp")[0]
                found |= zip((one.id for one in things), marks.to_pylist(), strict=True)
        return found

    def share(self, resource: Resource) -> Walk | None:
        """The walk of the run in whose pages all of these are: from here on, it shares its answers with one reader more."""
        walk = self.walks.get(resource.host)
        if walk is None or (resource.include and resource not in walk.resources):
            return None
        walk.shared = walk.shared or SharedAnswers(self.client, walk.tally)
        walk.shared.readers += 1
        return walk


def parents_on(page: Page, resource: Resource, kind: str) -> list[Item]:
    if not resource.include:
        return page.items
    ids = (child for item in page.items for child in item.related(resource.include))
    return [page.included.get((kind, child)) or Item(child, kind) for child in ids]
