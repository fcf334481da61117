"""Klaviyo's OpenAPI document, as far as a server of its reads needs it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote

Json = Any


@dataclass(frozen=True)
class Operation:
    """A read: of a collection, a resource, what is related to it, or the ids of that."""

    template: str
    type: str
    many: bool
    ids_only: bool
    parameters: dict[str, Json]
    filters: dict[str, Json]
    attributes: dict[str, set[str]]
    """By type, the attributes that an answer may have of it."""

    @cached_property
    def relation(self) -> str:
        return self.template.rsplit("/", 1)[1] if self.template.count("/") > 3 else ""

    @cached_property
    def parent(self) -> str:
        """The template of the resource that a relation hangs from."""
        return "/".join(self.template.split("/")[:4])

    def listed(self, parameter: str) -> list[str]:
        """The values that the document lists for a parameter."""
        schema = self.parameters.get(parameter, {}).get("schema", {})
        values: list[str] = schema.get("items", schema).get("enum", [])
        return values


class Document:
    def __init__(self, path: Path) -> None:
        document = json.loads(path.read_text(encoding="utf-8"))
        self.schemas: dict[str, Json] = document["components"]["schemas"]
        self.operations: dict[str, Operation] = {}
        self.types: dict[str, Json] = {}
        for template, methods in document["paths"].items():
            if "get" in methods and template.startswith("/api/"):
                self.add(template, methods["get"])

    def add(self, template: str, method: Json) -> None:
        schema = next(iter(method["responses"]["200"]["content"].values()))["schema"]
        document = self.resolved(schema)
        data = self.resolved(document["properties"]["data"])
        many = data.get("type") == "array"
        item = self.resolved(data["items"]) if many else data
        kind = self.resolved(item["properties"]["type"])["enum"][0]
        ids_only = "/relationships/" in template
        parameters = {found["name"]: found for found in method.get("parameters", [])}
        filters = method.get("x-klaviyo-filters") or {}
        attributes = {kind: self.attributes(item)}
        if not ids_only:
            self.types[kind] = self.merged(self.types.get(kind, {}), item)
        included = document["properties"].get("included", {}).get("items", {})
        for shape in included.get("oneOf", [included] if included else []):
            resource = self.resolved(shape)
            name = self.resolved(resource["properties"]["type"])["enum"][0]
            self.types[name] = self.merged(self.types.get(name, {}), resource)
            attributes.setdefault(name, self.attributes(resource))
        self.operations[template] = Operation(template, kind, many, ids_only, parameters, filters, attributes)

    def attributes(self, resource: Json) -> set[str]:
        return {*self.resolved(resource["properties"].get("attributes", {})).get("properties", {})}

    def resolved(self, schema: Json) -> Json:
        if "$ref" in schema:
            target = self.resolved(self.schemas[schema["$ref"].rsplit("/", 1)[1]])
            return target | {key: value for key, value in schema.items() if key != "$ref"}
        if "allOf" in schema:
            whole: Json = {}
            for part in schema["allOf"]:
                whole = self.merged(whole, self.resolved(part))
            return whole
        return schema

    def merged(self, one: Json, other: Json) -> Json:
        whole = dict(one)
        for key, value in other.items():
            if key == "properties":
                properties = dict(whole.get(key, {}))
                for name, schema in value.items():
                    known = properties.get(name)
                    properties[name] = self.merged(self.resolved(known), self.resolved(schema)) if known else schema
                whole[key] = properties
            elif key == "required":
                # What only some answers require is optional in the others.
                whole[key] = sorted({*whole.get(key, value)} & {*value})
            else:
                whole.setdefault(key, value)
        return whole

    def relations(self, kind: str) -> dict[str, tuple[str, bool]]:
        """The relations of a type: to which type each leads, and whether to many."""
        found = {}
        schemas = self.types[kind].get("properties", {}).get("relationships", {})
        for name, schema in self.resolved(schemas).get("properties", {}).items():
            data = self.resolved(self.resolved(schema)["properties"]["data"])
            item = self.resolved(data.get("items", data))
            found[name] = (self.resolved(item["properties"]["type"])["enum"][0], data.get("type") == "array")
        return found

    def find(self, path: str) -> tuple[Operation, str] | None:
        """The operation of a path, and the id in it. A slash at the end means nothing."""
        segments = path.strip("/").split("/")
        templates = ["/" + "/".join(segments), *(self.templated(segments, name) for name in ("id", "job_id"))]
        for template in templates:
            if template in self.operations:
                return self.operations[template], unquote(segments[2]) if len(segments) > 2 else ""
        return None

    def owner(self, operation: Operation) -> str:
        """The type of the resource that a relation hangs from."""
        if not operation.relation:
            return ""
        single = operation.parent
        return self.operations[single if single in self.operations else single.replace("{id}", "{job_id}")].type

    def templated(self, segments: list[str], name: str) -> str:
        return "/" + "/".join([*segments[:2], f"{{{name}}}", *segments[3:]])
