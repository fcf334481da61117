"""Objects as JSON:API shows them: attributes by fieldset, relationships with or without linkage, links."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from sandbox.account import Attribution, Linkage, Object
from sandbox.contract import Endpoint, ObjectFacts
from sandbox.query import Query
from sandbox.relations import Relations

Json = dict[str, Any]

# Relations that carry their linkage without being asked to by `include`.
EMBEDDED: Final = {
    "campaign": {"campaign-messages"},
    "campaign-audience": {"campaign"},
    "campaign-message": {"campaign", "campaign-audience"},
    "campaign-variation": {"campaign-message"},
    "coupon-code": {"coupon"},
    "event": {"metric", "profile"},
    "flow-action": {"flow"},
    "flow-message": {"flow-action", "template"},
    "form-version": {"form"},
    "metric-property": {"metric"},
    "review": {"item"},
    "tag": {"tag-group"},
}
# Relations of which nothing is shown, not even links, where there is nobody at the other end.
ABSENT_IF_EMPTY: Final = {
    ("event", "attributions"),
    ("event", "metric"),
    ("event", "profile"),
    ("mapped-metric", "custom-metric"),
    ("mapped-metric", "metric"),
}


def identifier(type_: str, id_: str) -> Json:
    return {"type": type_, "id": id_}


@dataclass(frozen=True, slots=True)
class Renderer:
    """Renders what one request asked for."""

    base: str
    endpoint: Endpoint
    query: Query
    relations: Relations

    def address(self, type_: str, id_: str) -> str:
        segment = self.relations.contract.segments.get(type_, f"{type_}s")
        return f"{self.base}/api/{segment}/{quote(id_, safe='$:')}/"

    def primary(self, holder: Object) -> Json:
        return self._object(holder, self.endpoint.shape, self.query.include)

    def included(self, holders: list[Object]) -> list[Json]:
        """What the primary objects asked to bring along, each once."""
        found: dict[tuple[str, str], Json] = {}
        for holder in holders:
            for relation in self.query.include:
                type_ = self.relations.target(holder.type, relation).type
                for id_ in self.relations.linked(holder, relation):
                    if (type_, id_) not in found:
                        shown = self._companion(holder, type_, id_)
                        if shown is not None:
                            found[type_, id_] = shown
        return list(found.values())

    def _companion(self, holder: Object, type_: str, id_: str) -> Json | None:
        if type_ == "attribution":
            event = self.relations.account.events.get(holder.id)
            assert event is not None
            return next(self.attribution(one, holder.id) for one in event.attributions if one.id == id_)
        companion = self.relations.find(type_, id_)
        return None if companion is None else self._object(companion, self.endpoint.included[type_], ())

    def attribution(self, attribution: Attribution, event_id: str) -> Json:
        """No attributes; its relations carry their linkage, for there is no endpoint to ask."""
        relations = self.relations.contract.relations["attribution"]
        address = self.address("attribution", attribution.id)
        return {
            "type": "attribution",
            "id": attribution.id,
            "relationships": {
                name: {"data": identifier(relations[name].type, id_), "links": _links(address, name)}
                for name, id_ in ({"event": event_id} | attribution.relationships).items()
            },
            "links": {"self": address},
        }

    def _object(self, holder: Object, shape: ObjectFacts, include: tuple[str, ...]) -> Json:
        address = self.address(holder.type, holder.id)
        shown: Json = {"type": holder.type, "id": holder.id}
        if shape.attributes:
            shown["attributes"] = self._attributes(holder, shape)
        relationships = self._relationships(holder, shape, include, address)
        if relationships:
            shown["relationships"] = relationships
        return shown | {"links": {"self": address}}

    def _attributes(self, holder: Object, shape: ObjectFacts) -> Json:
        facts, type_ = self.endpoint.facts, holder.type
        asked = self.query.additional.get(type_, frozenset())
        hidden = self.relations.contract.attributes[type_].difference(shape.attributes)
        hidden |= set(facts.additional_fields.get(type_, ())) - asked
        visible = {name: value for name, value in holder.attributes.items() if name not in hidden}
        fields = self.query.fields.get(type_)
        return visible if fields is None else pick(visible, fields | asked)

    def _relationships(self, holder: Object, shape: ObjectFacts, include: tuple[str, ...], address: str) -> Json:
        shown: Json = {}
        for name in shape.relationships:
            with_data = name in include or name in EMBEDDED.get(holder.type, ())
            linkage = self.relations.linkage(holder, name) if with_data or name == "attributions" else None
            if not linkage and (holder.type, name) in ABSENT_IF_EMPTY:
                continue
            data = {"data": self.data(holder.type, name, linkage)} if with_data else {}
            shown[name] = data | {"links": _links(address, name)}
        return shown

    def data(self, type_: str, relation: str, linkage: Linkage) -> Json | list[Json] | None:
        target = self.relations.target(type_, relation).type
        if isinstance(linkage, list):
            return [identifier(target, id_) for id_ in linkage]
        return None if linkage is None else identifier(target, linkage)


def _links(address: str, relation: str) -> Json:
    return {"self": f"{address}relationships/{relation}/", "related": f"{address}{relation}/"}


def pick(tree: Json, fields: frozenset[str]) -> Json:
    """Only these fields of the attributes; a dotted one picks within an object."""
    found: Json = {}
    for field in sorted(fields):
        source, target = tree, found
        *way, last = field.split(".")
        for name in way:
            inner = source.get(name)
            if not isinstance(inner, dict):
                if name in source:
                    target.setdefault(name, inner)
                break
            source, target = inner, target.setdefault(name, {})
        else:
            if last in source:
                target[last] = source[last]
    return found
