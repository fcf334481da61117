"""Extract the facts we rely on from Klaviyo's OpenAPI document into one reviewable file.

    python -m sources.klaviyo.contract.extract openapi.json

writes `<revision>.json` beside this module: every readable `/api` endpoint (limits, scopes, paging, filters, sorts,
includes, fieldsets, what a report tells) and every response object's attributes, their listed values, and relationships. Facts only; no prose
is carried over.
A new revision is this one command and a diff to read.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any, Final

Json = dict[str, Any]
Known = dict[str, "Known"] | frozenset[str] | None

# A union of message or action shapes wider than this is a document, not a set of columns.
WIDEST_FLATTENED_UNION: Final = 60

LINE_LENGTH: Final = 110

SCALARS: Final = {"string": "text", "integer": "bigint", "number": "double", "boolean": "bool"}
FORMATS: Final = {"date-time": "timestamp", "date": "date"}
SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
ADDITIONAL_LIMIT: Final = re.compile(
    r"Rate limits when using the `(?P<form>[^`]+)` parameter in your API request:"
    r"<br>Burst: `(?P<burst>[^`]+)`<br>Steady: `(?P<steady>[^`]+)`"
)


class Document:
    """An OpenAPI document whose references are followed on sight."""

    def __init__(self, document: Json) -> None:
        self.document = document

    def resolve(self, schema: Json) -> Json:
        """The schema with its references and `allOf` members folded in."""
        if "$ref" in schema:
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            return self.resolve(self.document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]) | rest
        if "allOf" in schema:
            merged: Json = {"type": "object", "properties": {}}
            for member in map(self.resolve, schema["allOf"]):
                for name, prop in member.get("properties", {}).items():
                    known = merged["properties"].get(name)
                    merged["properties"][name] = {"allOf": [known, prop]} if known else prop
                merged |= {key: value for key, value in member.items() if key not in ("type", "properties")}
            return merged
        return schema

    def column_type(self, schema: Json) -> str | Json:
        """A column type name, or a tree of them for an object of fixed shape."""
        schema = self.resolve(schema)
        members = [self.resolve(member) for key in ("oneOf", "anyOf") for member in schema.get(key, ())]
        if members:
            return self.union(members)
        if "properties" in schema:
            return {name: self.column_type(prop) for name, prop in schema["properties"].items()}
        if schema.get("type") in SCALARS:
            return FORMATS.get(schema.get("format", ""), SCALARS[schema["type"]])
        return "json"

    def union(self, members: list[Json]) -> str | Json:
        """The union's columns: one tree that holds every member, or the widest scalar, or `json`."""
        tree: str | Json | None = None
        for member in members:
            tree = self.column_type(member) if tree is None else merge(tree, self.column_type(member))
        assert tree is not None
        return "json" if isinstance(tree, dict) and width(tree) > WIDEST_FLATTENED_UNION else tree

    def known_values(self, schema: Json) -> Known:
        """The values that the document lists of a text, or a tree of them; nothing where it may be any."""
        schema = self.resolve(schema)
        members = [self.known_values(member) for key in ("oneOf", "anyOf") for member in schema.get(key, ())]
        if members:
            return reduce(either, members)
        if "properties" in schema:
            return {name: self.known_values(prop) for name, prop in schema["properties"].items()}
        return frozenset(schema["enum"]) if schema.get("type") == "string" and "enum" in schema else None


def either(left: Known, right: Known) -> Known:
    if isinstance(left, dict) and isinstance(right, dict):
        return left | {name: either(left[name], known) if name in left else known for name, known in right.items()}
    if isinstance(left, frozenset) and isinstance(right, frozenset):
        return left | right
    return None


def listed(known: Known, path: str = "") -> Iterator[tuple[str, list[str]]]:
    """The attributes of which all values are known, by their path."""
    if isinstance(known, dict):
        for name, inner in known.items():
            yield from listed(inner, f"{path}__{name}" if path else name)
    elif known:
        yield path, sorted(known)


def merge(left: str | Json, right: str | Json) -> str | Json:
    if isinstance(left, dict) and isinstance(right, dict):
        return left | {name: merge(left[name], tree) if name in left else tree for name, tree in right.items()}
    if left == right:
        return left
    kinds = {left if isinstance(left, str) else "tree", right if isinstance(right, str) else "tree"}
    if kinds <= {"bigint", "double"} or kinds == {"double", "text"}:
        return "double"  # a number that is sometimes spelled as text (latitude)
    if kinds <= {"text", "timestamp", "date"}:
        return "text"
    return "json"


def width(tree: str | Json) -> int:
    return sum(map(width, tree.values())) if isinstance(tree, dict) else 1


def limit(text: str) -> list[int]:
    """`"350/s"` as `[350, 1]`: so many requests in so many seconds."""
    count, unit = text.split("/")
    return [int(count), SECONDS[unit]]


def limits(operation: Json) -> Json:
    found: Json = {"": [limit(text) for text in operation["x-klaviyo-ratelimit"].values()]}
    for match in ADDITIONAL_LIMIT.finditer(operation.get("description", "")):
        found[match["form"]] = [limit(match["burst"]), limit(match["steady"])]
    return found


def value_facts(value: Json) -> Json:
    """What a filter's right-hand side may be: its format or type, and the only values allowed."""
    facts = {"type": value.get("format", value.get("type")), "values": value.get("enum")}
    return {key: fact for key, fact in facts.items() if fact is not None}


def parameter_values(parameters: dict[str, Json], prefix: str) -> dict[str, list[str]]:
    return {
        name[len(prefix) + 1 : -1]: parameter["schema"]["items"]["enum"]
        for name, parameter in parameters.items()
        if name.startswith(prefix + "[")
    }


class Contract:
    """The extract under construction: endpoints refer to response objects by schema name."""

    def __init__(self, document: Json) -> None:
        self.api = Document(document)
        self.revision: str = document["info"]["version"]
        self.objects: dict[str, Json] = {}
        self.endpoints = {
            f"{method.upper()} {path}": self.endpoint(operation)
            for path, operations in sorted(document["paths"].items())
            for method, operation in operations.items()
            if path.startswith("/api/") and (method == "get" or is_query(operation))
        }

    def endpoint(self, operation: Json) -> Json:
        parameters = {parameter["name"]: parameter for parameter in operation.get("parameters", ())}
        response = self.api.resolve(operation["responses"]["200"]["content"]["application/vnd.api+json"]["schema"])
        data = self.api.resolve(response["properties"]["data"])
        items = (
            self.api.resolve(response["properties"]["included"]["items"])
            if "included" in response["properties"]
            else {}
        )
        many = data.get("type") == "array"
        filters = operation.get("x-klaviyo-filters", {})
        facts: Json = {
            "operation": operation["operationId"],
            "limits": limits(operation),
            "scopes": operation.get("x-klaviyo-scopes", []),
            "many": many,
            "object": self.name_of(data["items"] if many else data),
            "included": sorted(self.name_of(member) for member in items.get("oneOf", [items] if items else [])),
            "page": self.page(parameters),
            "sort": parameters.get("sort", {}).get("schema", {}).get("enum", []),
            "include": parameters.get("include", {}).get("schema", {}).get("items", {}).get("enum", []),
            "fields": parameter_values(parameters, "fields"),
            "additional_fields": parameter_values(parameters, "additional-fields"),
            "filters": {
                field: spec["operators"] | value_facts(spec.get("value") or {}) for field, spec in filters.items()
            },
            "filter_required": parameters.get("filter", {}).get("required", False),
            "report": self.report(operation) if is_query(operation) else None,
        }
        return {key: value for key, value in facts.items() if value not in (None, [], {}, False)}

    def report(self, operation: Json) -> Json:
        """What a report can tell, by what, and in which steps of time."""
        body = self.api.resolve(operation["requestBody"]["content"]["application/vnd.api+json"]["schema"])
        asked = self.api.resolve(self.api.resolve(body["properties"]["data"])["properties"]["attributes"])["properties"]
        frames = [self.api.resolve(one) for one in asked.get("timeframe", {}).get("oneOf", ())]
        facts: Json = {
            "statistics": choices(asked.get("statistics") or asked["measurements"]),
            "group_by": choices(asked.get("group_by") or asked.get("by") or {}),
            "intervals": asked.get("interval", {}).get("enum", []),
            "timeframes": [key for frame in frames for key in frame["properties"].get("key", {}).get("enum", ())],
            "conversion": "conversion_metric_id" in asked,
            "pages": any(parameter["name"] == "page_cursor" for parameter in operation["parameters"]),
        }
        return {key: value for key, value in facts.items() if value not in ([], False)}

    def page(self, parameters: dict[str, Json]) -> Json | None:
        if "page[size]" in parameters:
            schema = parameters["page[size]"]["schema"]
            return {"default": schema["default"], "max": schema["maximum"]}
        return {"fixed": True} if "page[cursor]" in parameters else None

    def name_of(self, schema: Json) -> str:
        """File the response object under a name of its own and return that name."""
        resolved = self.api.resolve(schema)
        prop = {name: self.api.resolve(value) for name, value in resolved["properties"].items()}
        kind: str = prop["type"]["enum"][0]
        facts: Json = {"type": kind}
        if "attributes" in prop:
            facts["attributes"] = self.api.column_type(prop["attributes"])
            facts |= {"values": known} if (known := dict(listed(self.api.known_values(prop["attributes"])))) else {}
        if "relationships" in prop:
            facts["relationships"] = {
                name: self.relationship(value) for name, value in prop["relationships"].get("properties", {}).items()
            }
        for number in range(1, 100):
            name = kind if number == 1 else f"{kind}.{number}"
            if self.objects.setdefault(name, facts) == facts:
                return name
        raise AssertionError(kind)

    def relationship(self, schema: Json) -> Json:
        data = self.api.resolve(self.api.resolve(schema)["properties"]["data"])
        many = data.get("type") == "array"
        target = self.api.resolve(data["items"] if many else data)
        return {"type": self.api.resolve(target["properties"]["type"])["enum"][0], "many": many}


def choices(schema: Json) -> list[str]:
    """The values that an array may hold."""
    values: list[str] = schema.get("items", {}).get("enum", [])
    return values


def is_query(operation: Json) -> bool:
    """Whether a POST only reads: the reports and the metric aggregates."""
    return "200" in operation["responses"] and operation["operationId"].startswith("query_")


def dump(tree: object, indent: str = "") -> str:
    """JSON with one fact a line: objects are broken until they fit on one."""
    line = json.dumps(tree, ensure_ascii=False)
    if len(indent) + len(line) <= LINE_LENGTH or not isinstance(tree, dict):
        return line
    inner = indent + " "
    lines = [f"{inner}{json.dumps(key)}: {dump(value, inner)}" for key, value in tree.items()]
    return "{\n" + ",\n".join(lines) + f"\n{indent}}}"


def main(openapi: Path) -> Path:
    contract = Contract(json.loads(openapi.read_text()))
    target = Path(__file__).with_name(f"{contract.revision}.json")
    facts = {"revision": contract.revision, "endpoints": contract.endpoints, "objects": contract.objects}
    target.write_text(dump(facts) + "\n")
    return target


if __name__ == "__main__":
    print(main(Path(sys.argv[1])))
