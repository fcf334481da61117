"""Klaviyo's API at one revision, as facts: what each endpoint allows and what each object holds."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

ColumnType = Literal["text", "bigint", "double", "bool", "timestamp", "date", "json"]
Tree = dict[str, "ColumnType | Tree"]

REVISION: Final = "2026-07-15"
"""Asked for where nothing else is configured."""
YEARS_SERVED: Final = 2
"""A revision is stable for a year, deprecated for another, then retired."""


class Limit(NamedTuple):
    """So many requests in so many seconds."""

    requests: int
    seconds: int


@dataclass(frozen=True)
class ReportFacts:
    """What a report can tell, by what, and in which steps of time."""

    statistics: tuple[str, ...]
    group_by: tuple[str, ...] = ()
    intervals: tuple[str, ...] = ()
    conversion: bool = False
    """Whether it is asked about one conversion metric at a time."""
    pages: bool = False
    """Whether an answer may be cut into pages; each is a request."""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """What Klaviyo allows at one method and path."""

    path: str
    limits: tuple[Limit, ...]
    costly: dict[str, tuple[Limit, ...]] = field(default_factory=dict)
    """The limits that hold instead where a request names this parameter and value."""
    scopes: tuple[str, ...]
    object: str
    many: bool = True
    """Whether an answer is a collection rather than one object."""
    included: tuple[str, ...]
    page_size: int | None
    sort: frozenset[str]
    include: frozenset[str]
    fields: dict[str, list[str]] = field(default_factory=dict)
    """Of each type that the answer holds, the attributes that may be asked for alone."""
    additional_fields: dict[str, list[str]]
    operators: dict[str, frozenset[str]]
    allowance: str = ""
    """What requests are counted against: the path, unless several endpoints share one."""
    report: ReportFacts | None = None

    def allows(self, operator: str, on: str) -> bool:
        return operator in self.operators.get(on, ())


@dataclass(frozen=True)
class ObjectType:
    """The attributes (a tree of column types) and relationships of one response object."""

    type: str
    attributes: Tree
    to_one: dict[str, str]
    """The type that each relationship leads to."""
    to_many: dict[str, str]
    values: dict[str, frozenset[str]] = field(default_factory=dict)
    """By column, the values that the document lists; Klaviyo adds to them freely."""

    @property
    def related(self) -> dict[str, str]:
        """The type that any relationship leads to."""
        return self.to_one | self.to_many


@dataclass(frozen=True)
class Contract:
    revision: str
    endpoints: dict[str, Endpoint]
    objects: dict[str, ObjectType] = field(repr=False)

    def collection(self, path: str) -> Endpoint:
        return self.endpoints[f"GET {path}"]

    def included(self, endpoint: Endpoint, object_type: str) -> ObjectType:
        """The shape that an endpoint's `included` gives to objects of this type."""
        return next(self.objects[name] for name in endpoint.included if self.objects[name].type == object_type)


def revisions() -> list[str]:
    """The revisions we hold a contract of, oldest first."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.json"))


def retirement(revision: str) -> date:
    """The day from which Klaviyo no longer serves the revision."""
    released = date.fromisoformat(revision)
    return released.replace(year=released.year + YEARS_SERVED)


@cache
def load(revision: str) -> Contract:
    """Raises ValueError for a revision that we hold no contract of."""
    if revision not in revisions():
        raise ValueError(f"sources.klaviyo.revision: {revision!r} is not known; known: {', '.join(revisions())}")
    facts = _facts(revision)
    return Contract(
        revision=facts["revision"],
        endpoints={name: _endpoint(name, endpoint) for name, endpoint in facts["endpoints"].items()},
        objects={name: _object(value) for name, value in facts["objects"].items()},
    )


def _facts(revision: str) -> dict[str, Any]:
    """A revision's file, on top of the one that it names as its base."""
    facts: dict[str, Any] = json.loads(Path(__file__).with_name(f"{revision}.json").read_text())
    return patched(_facts(facts["base"]), facts) if "base" in facts else facts


def patched(facts: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """The facts after a JSON merge patch (RFC 7396): null takes away, objects are merged, all else replaces."""
    kept = dict(facts)
    for name, value in patch.items():
        old = facts.get(name)
        if value is None:
            kept.pop(name, None)
        else:
            kept[name] = patched(old if isinstance(old, dict) else {}, value) if isinstance(value, dict) else value
    return kept


def _endpoint(name: str, facts: dict[str, Any]) -> Endpoint:
    return Endpoint(
        path=name.split(" ")[1],
        limits=_limits(facts["limits"][""]),
        costly={form: _limits(limits) for form, limits in facts["limits"].items() if form},
        scopes=tuple(facts.get("scopes", ())),
        object=facts["object"],
        many=facts.get("many", False),
        included=tuple(facts.get("included", ())),
        page_size=facts.get("page", {}).get("max"),
        sort=frozenset(facts.get("sort", ())),
        include=frozenset(facts.get("include", ())),
        fields=facts.get("fields", {}),
        additional_fields=facts.get("additional_fields", {}),
        operators={on: _operators(spec) for on, spec in facts.get("filters", {}).items()},
        report=_report(facts["report"]) if "report" in facts else None,
    )


def _report(facts: dict[str, Any]) -> ReportFacts:
    return ReportFacts(
        statistics=tuple(facts["statistics"]),
        group_by=tuple(facts.get("group_by", ())),
        intervals=tuple(facts.get("intervals", ())),
        conversion=facts.get("conversion", False),
        pages=facts.get("pages", False),
    )


def _limits(limits: list[list[int]]) -> tuple[Limit, ...]:
    return tuple(Limit(*limit) for limit in limits)


def _operators(spec: dict[str, Any]) -> frozenset[str]:
    return frozenset(operator for arity in ("single", "list", "none") for operator in spec.get(arity, ()))


def _object(facts: dict[str, Any]) -> ObjectType:
    relationships = facts.get("relationships", {})
    return ObjectType(
        type=facts["type"],
        attributes=facts.get("attributes", {}),
        to_one={name: relation["type"] for name, relation in relationships.items() if not relation["many"]},
        to_many={name: relation["type"] for name, relation in relationships.items() if relation["many"]},
        values={name: frozenset(values) for name, values in facts.get("values", {}).items()},
    )
