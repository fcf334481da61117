"""The objects of one resource for which another one is listed."""

from __future__ import annotations

import threading
from datetime import datetime

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
    """Lists parents once for all walks of a run, by requests of its own that ask for next to nothing.

    What a run loads of the parents would not do: they may not be selected, or only those that changed.
    """

    def __init__(self, client: Client, contract: Contract) -> None:
        self.client = client
        self.contract = contract
        self.lock = threading.Lock()
        self.locks: dict[Resource, threading.Lock] = {}
        self.listed: dict[Resource, Listing] = {}

    def __call__(self, resource: Resource, tally: Tally) -> Listing:
        """All parents. The requests count for the walk that needs them first. Raises a KlaviyoError."""
        with self.lock:
            lock = self.locks.setdefault(resource, threading.Lock())
        with lock:
            if resource not in self.listed:
                self.listed[resource] = self.list(resource, tally)
            return self.listed[resource]

    def list(self, resource: Resource, tally: Tally) -> Listing:
        walk = Walk(resource.host, [resource], self.contract)
        mark = next((name for name in MARKS if name in walk.tables[0].attributes), "")
        walk = Walk(resource.host, [resource], self.contract, only=tuple(filter(None, ("id", mark))))
        walk.tally = tally
        found: Listing = {}
        for part in walk.ranges([None]):
            for page in walk.follow(self.client, PageReader([]), part):
                things = parents_on(page, resource, walk.tables[0].included)
                marks = column([(one.attributes or {}).get(mark) for one in things], "timestamp")[0]
                found |= zip((one.id for one in things), marks.to_pylist(), strict=True)
        return found


def parents_on(page: Page, resource: Resource, kind: str) -> list[Item]:
    if not resource.include:
        return page.items
    ids = (child for item in page.items for child in item.related(resource.include))
    return [page.included.get((kind, child)) or Item(child, kind) for child in ids]
