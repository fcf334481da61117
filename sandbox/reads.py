"""Every GET endpoint, by its kind: what the document of a request holds."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from sandbox import events
from sandbox.account import Account, Object
from sandbox.contract import Contract, Endpoint, Match
from sandbox.errors import not_found
from sandbox.jsonapi import Json, Renderer, identifier
from sandbox.listing import Listing, Ordered, Orders, Page, Rows
from sandbox.omni import told
from sandbox.query import Query, read
from sandbox.relations import Relations, event_linkage
from sandbox.timelines import Timelines

ATTRIBUTIONS: Final = ("attributions",)
# The memberships, as endpoints of the contract name them.
MEMBERS: Final = {("list", "profiles"), ("segment", "profiles")}


@dataclass(frozen=True, slots=True)
class Shown:
    """The account as one revision shows it."""

    account: Account
    contract: Contract
    orders: Orders
    timelines: Timelines


@dataclass(slots=True)
class Reader:
    """Answers reads of one account, in the revision that the request names."""

    account: Account
    timelines: Timelines
    orders: dict[str, Orders] = field(default_factory=dict)
    """Of each revision."""

    def document(self, match: Match, base: str, address: str, query: str, now: datetime) -> Json | bytes:
        """The document, or its JSON where that is made directly."""
        contract = match.contract
        orders = self.orders.setdefault(contract.revision, Orders())
        shown = Shown(told(self.account, contract.revision), contract, orders, self.timelines)
        asked = read(query, match.endpoint)
        renderer = Renderer(base, match.endpoint, asked, Relations(shown.account, contract))
        return Read(shown, match.endpoint, match.id, address, asked, renderer).document(now)

    def forget(self) -> None:
        self.orders.clear()


@dataclass(frozen=True, slots=True)
class Read:
    shown: Shown
    endpoint: Endpoint
    id: str
    address: str
    query: Query
    renderer: Renderer

    @property
    def relations(self) -> Relations:
        return self.renderer.relations

    def document(self, now: datetime) -> Json | bytes:
        match self.endpoint.kind:
            case "collection" if self.endpoint.type == "event":
                return self._events(now)
            case "collection":
                return self._page(self._all())
            case "single":
                return self._one(self._counted(self._holder(self.endpoint.type)))
            case _:
                return self._related()

    def _holder(self, type_: str) -> Object:
        found = self.relations.find(type_, self.id)
        if found is None:
            raise not_found(type_, self.id)
        return found

    def _counted(self, holder: Object) -> Object:
        memberships = self.relations.memberships.get(holder.type)
        if memberships is None:
            return holder
        return replace(holder, attributes=holder.attributes | {"profile_count": len(memberships.get(holder.id, ()))})

    def _all(self) -> Rows:
        objects = self.shown.account.objects.get(self.endpoint.type, {})
        return Rows(
            (self.endpoint.type,), objects.keys(), objects.get, objects if isinstance(objects, Ordered) else None
        )

    def _related(self) -> Json:
        holder = self._holder(self.shown.contract.types[self.endpoint.segments[0]])
        if self.endpoint.facts.many:
            return self._page(self._members(holder) or self._linked(holder))
        linkage = self.relations.linkage(holder, self.endpoint.relation)
        related = self.relations.find(self.endpoint.type, linkage) if isinstance(linkage, str) else None
        return {"data": None} if related is None else self._one(related)

    def _linked(self, holder: Object) -> Rows:
        ids = self.relations.linked(holder, self.endpoint.relation)
        return Rows(
            (holder.type, holder.id, self.endpoint.relation),
            ids,
            lambda id_: self.relations.find(self.endpoint.type, id_),
        )

    def _members(self, holder: Object) -> Rows | None:
        if (holder.type, self.endpoint.relation) not in MEMBERS:
            return None
        members = self.relations.memberships[holder.type].get(holder.id, {})
        profiles = self.shown.account.objects.get("profile", {})

        def get(profile_id: str) -> Object | None:
            profile, joined = profiles.get(profile_id), members.get(profile_id)
            if profile is None or joined is None:
                return None
            return replace(profile, attributes=profile.attributes | {"joined_group_at": joined})

        return Rows((holder.type, holder.id, "members"), members.keys(), get)

    def _page(self, rows: Rows) -> Json:
        page = Listing(self.endpoint, self.query, self.relations, self.shown.orders).page(rows)
        document: Json = {"data": [self._shown(row) for row in page.rows]}
        if self.query.include:
            document["included"] = self.renderer.included(page.rows)
        return document | {"links": self._links(page)}

    def _one(self, holder: Object) -> Json:
        document: Json = {"data": self._shown(holder)}
        if self.query.include:
            document["included"] = self.renderer.included([holder])
        return document | {"links": {"self": self.query.url(self.address)}}

    def _shown(self, holder: Object) -> Json:
        if self.endpoint.kind == "linkage":
            return identifier(holder.type, holder.id)
        return self.renderer.primary(holder)

    def _links(self, page: Page) -> Json:
        links: dict[str, Any] = {"self": self.query.url(self.address)}
        if self.endpoint.facts.page is not None:
            links["next"] = None if page.next is None else self.query.url(self.address, cursor=page.next)
            links["prev"] = None
        return links

    def _events(self, now: datetime) -> bytes:
        found, next_ = events.page(self.shown.account.events, self.shown.timelines, self.query, now)
        rest: Json = {}
        if self.query.include:
            bringing = events.attributed(found) if self.query.include == ATTRIBUTIONS else found
            rest["included"] = self.renderer.included([event_linkage(event) for event in bringing])
        return events.spell(found, self.renderer.base, self.query, rest | {"links": self._links(Page([], next_))})
