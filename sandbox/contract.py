"""The endpoints that the sandbox serves: facts of Klaviyo's OpenAPI document, read from a data file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import msgspec

DIRECTORY: Final = Path(__file__).parents[1] / "sources" / "klaviyo" / "contract"

Kind = Literal["collection", "single", "related", "linkage", "report"]
Tree = dict[str, Any]


class Page(msgspec.Struct, frozen=True):
    default: int = 0
    max: int = 0
    fixed: bool = False


class FilterFacts(msgspec.Struct, frozen=True):
    """Operators by what they take, and the values allowed."""

    none: list[str] = []
    single: list[str] = []
    several: list[str] = msgspec.field(default_factory=list, name="list")
    type: str = ""
    values: tuple[str, ...] | None = None

    @property
    def operators(self) -> set[str]:
        return {*self.none, *self.single, *self.several}


class Relation(msgspec.Struct, frozen=True):
    type: str
    many: bool


class ObjectFacts(msgspec.Struct, frozen=True):
    """One shape in which a type is shown: endpoints differ in the attributes and relationships that they show."""

    type: str
    attributes: Tree = {}
    relationships: dict[str, Relation] = {}


class ReportFacts(msgspec.Struct, frozen=True):
    statistics: list[str]
    group_by: list[str] = []
    intervals: list[str] = []
    timeframes: list[str] = []
    conversion: bool = False
    pages: bool = False


class Facts(msgspec.Struct, frozen=True):
    operation: str
    limits: dict[str, list[tuple[int, int]]]
    object: str
    scopes: list[str] = []
    many: bool = False
    included: list[str] = []
    page: Page | None = None
    sort: list[str] = []
    include: list[str] = []
    fields: dict[str, list[str]] = {}
    additional_fields: dict[str, list[str]] = {}
    filters: dict[str, FilterFacts] = {}
    filter_required: bool = False
    report: ReportFacts | None = None


class File(msgspec.Struct, frozen=True):
    revision: str
    endpoints: dict[str, Facts]
    objects: dict[str, ObjectFacts]


@dataclass(frozen=True, eq=False)
class Endpoint:
    method: str
    path: str
    facts: Facts
    shape: ObjectFacts
    included: dict[str, ObjectFacts]
    """The shape in which each type comes along."""

    @cached_property
    def segments(self) -> tuple[str, ...]:
        return tuple(self.path.split("/")[2:])

    @cached_property
    def kind(self) -> Kind:
        if self.method == "POST":
            return "report"
        kinds: tuple[Kind, ...] = ("collection", "single", "related", "linkage")
        return kinds[len(self.segments) - 1]

    @property
    def relation(self) -> str:
        return self.segments[-1]

    @property
    def type(self) -> str:
        return self.shape.type


class Match(NamedTuple):
    contract: Contract
    endpoint: Endpoint
    id: str


class Contract:
    def __init__(self, file: File) -> None:
        self.revision = file.revision
        self.objects = file.objects
        self.endpoints = [self._endpoint(key, facts) for key, facts in file.endpoints.items()]
        self._routes = {(e.method, _pattern(e.segments)): e for e in self.endpoints}
        self._paths = {_pattern(e.segments) for e in self.endpoints}

    def _endpoint(self, key: str, facts: Facts) -> Endpoint:
        method, path = key.split(" ")
        included = {self.objects[name].type: self.objects[name] for name in facts.included}
        return Endpoint(method, path, facts, self.objects[facts.object], included)

    def match(self, method: str, path: str) -> Match | None:
        """The endpoint behind a path below `/api/`, with or without a slash at its end."""
        segments = path.strip("/").split("/")
        endpoint = self._routes.get((method, _pattern(segments)))
        if endpoint is None:
            return None
        return Match(self, endpoint, segments[1] if len(segments) > 1 else "")

    def knows(self, path: str) -> bool:
        return _pattern(path.strip("/").split("/")) in self._paths

    @cached_property
    def types(self) -> dict[str, str]:
        """`{first segment of a path: type}`."""
        return {e.segments[0]: e.type for e in self.endpoints if e.kind in ("collection", "single")}

    @cached_property
    def segments(self) -> dict[str, str]:
        """`{type: first segment of its path}`."""
        return {type_: segment for segment, type_ in self.types.items()}

    @cached_property
    def relations(self) -> dict[str, dict[str, Relation]]:
        """`{type: {relation: target}}`, from the shapes and from the endpoints."""
        found: dict[str, dict[str, Relation]] = {}
        for shape in self.objects.values():
            found.setdefault(shape.type, {}).update(shape.relationships)
        for e in self.endpoints:
            if e.kind in ("related", "linkage"):
                relations = found.setdefault(self.types[e.segments[0]], {})
                relations.setdefault(e.relation, Relation(e.type, e.facts.many))
        return found

    @cached_property
    def attributes(self) -> dict[str, set[str]]:
        """`{type: every attribute that some shape of it has}`."""
        found: dict[str, set[str]] = {}
        for shape in self.objects.values():
            found.setdefault(shape.type, set()).update(shape.attributes)
        return found


def _pattern(segments: tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return (segments[0], *("" for _ in segments[1:2]), *segments[2:])


@lru_cache
def load(revision: str) -> Contract:
    return Contract(msgspec.convert(_facts(revision), File))


def _facts(revision: str) -> Tree:
    """A revision's file, on top of the one that it names as its base."""
    facts: Tree = msgspec.json.decode((DIRECTORY / f"{revision}.json").read_bytes())
    return _patched(_facts(facts["base"]), facts) if "base" in facts else facts


def _patched(facts: Tree, patch: Tree) -> Tree:
    """The facts after a JSON merge patch (RFC 7396)."""
    kept = dict(facts)
    for name, value in patch.items():
        old = facts.get(name)
        if value is None:
            kept.pop(name, None)
        else:
            kept[name] = _patched(old if isinstance(old, dict) else {}, value) if isinstance(value, dict) else value
    return kept
