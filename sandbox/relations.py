"""Who is related to whom: the account's linkage, followed in either direction."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

from sandbox.account import Account, Event, Linkage, Object
from sandbox.contract import Contract, Relation


def event_linkage(event: Event) -> Object:
    """The event as an object without attributes, which may take time to make."""
    attributions = [attribution.id for attribution in event.attributions]
    linkage: dict[str, Linkage] = {
        "profile": event.profile_id,
        "metric": event.metric_id,
        "attributions": attributions,
    }
    return Object("event", event.id, {}, linkage)


def event_object(event: Event) -> Object:
    attributes = {
        "timestamp": event.second,
        "event_properties": event.properties,
        "datetime": event.datetime,
        "uuid": event.uuid,
    }
    return replace(event_linkage(event), attributes=attributes)


class Relations:
    """The linkage as it is during one request."""

    def __init__(self, account: Account, contract: Contract) -> None:
        self.account = account
        self.contract = contract
        self._backward: dict[tuple[str, str], dict[str, list[str]]] = {}

    def find(self, type_: str, id_: str) -> Object | None:
        if type_ == "event":
            event = self.account.events.get(id_)
            return None if event is None else event_object(event)
        return self.account.objects.get(type_, {}).get(id_)

    def target(self, type_: str, relation: str) -> Relation:
        return self.contract.relations[type_][relation]

    def linkage(self, holder: Object, relation: str) -> Linkage:
        """The ids at the other end: one or None where the contract has a to-one relation, else a list."""
        target = self.target(holder.type, relation)
        if relation in holder.relationships:
            found = holder.relationships[relation]
        elif target.type in ("list", "segment") and holder.type == "profile":
            groups = self.memberships[target.type]
            found = [group for group, members in groups.items() if holder.id in members]
        elif target.type == "profile" and holder.type in self.memberships:
            found = list(self.memberships[holder.type].get(holder.id, ()))
        else:
            found = self._pointing(target.type, holder.type).get(holder.id, [])
        if target.many:
            return found if isinstance(found, list) else [found] if found else []
        return (found[0] if found else None) if isinstance(found, list) else found

    def linked(self, holder: Object, relation: str) -> list[str]:
        found = self.linkage(holder, relation)
        return found if isinstance(found, list) else [found] if found else []

    @cached_property
    def memberships(self) -> dict[str, dict[str, dict[str, str]]]:
        return {"list": self.account.list_members, "segment": self.account.segment_members}

    def _pointing(self, source: str, target: str) -> dict[str, list[str]]:
        """`{id of target: ids of the sources that point to it}`."""
        key = (source, target)
        if key not in self._backward:
            self._backward[key] = self._collect(source, target)
        return self._backward[key]

    def _collect(self, source: str, target: str) -> dict[str, list[str]]:
        relations = [name for name, to in self.contract.relations.get(source, {}).items() if to.type == target]
        found: dict[str, list[str]] = {}
        for candidate in self.account.objects.get(source, {}).values():
            for relation in relations:
                linkage = candidate.relationships.get(relation)
                for id_ in linkage if isinstance(linkage, list) else [linkage] if linkage else []:
                    found.setdefault(id_, []).append(candidate.id)
        return found
