"""Every response of the sandbox against the official OpenAPI document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from sandbox.contract import Endpoint, load
from sandbox.server import Sandbox
from sandbox.story import synthesize
from tests.sandbox import reading
from tests.sandbox.conftest import Client
from tests.sandbox.tiny import MONDAY, NOW, tiny_account

OPENAPI = Path(__file__).resolve().parents[3] / "shared" / "klaviyo" / "openapi-2026-07-15.json"

pytestmark = pytest.mark.skipif(
    not OPENAPI.exists(), reason="Klaviyo's OpenAPI document is not at hand; it is not ours to pass on"
)

CONTRACT = load("2026-07-15")
SERVED = list(reading.paths(CONTRACT, tiny_account()))

UNION = {"oneOf": "anyOf"}
# Some times, mostly those of consent, are recorded with a space for the `T`.
INSTANT = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"

Json = dict[str, Any]


def overlay(schemas: Json) -> None:
    """Where recorded responses of the real API are known to differ from its own document."""
    # `next` and `prev` are null at the ends.
    for name in ("next", "prev"):
        schemas["CollectionLinks"]["properties"][name]["nullable"] = True
    # A to-one relation asked for by `include` shows `data: null` where there is nobody.
    relations = schemas["CampaignMessageResponseObjectResource"]["properties"]["relationships"]["properties"]
    for name in ("template", "image"):
        relations[name]["properties"]["data"]["nullable"] = True
    # …and so does the related endpoint.
    schemas["GetImageResponse"]["properties"]["data"] = {
        "allOf": [schemas["GetImageResponse"]["properties"]["data"]],
        "nullable": True,
    }


@pytest.fixture(scope="module")
def shop() -> Iterator[Client]:
    with Sandbox(synthesize(scale=0.1), limits="off") as running:
        yield Client(running.url)


@cache
def document() -> Json:
    found: Json = json.loads(OPENAPI.read_text())
    overlay(found["components"]["schemas"])
    return found


def json_schema(schema: Any) -> Any:
    """OpenAPI 3.0 as JSON Schema says it: `nullable`, and unions whose members do not exclude each other."""
    if isinstance(schema, list):
        return [json_schema(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {UNION.get(key, key): json_schema(value) for key, value in schema.items() if key != "nullable"}
    if plain.get("format") == "date-time":
        plain = {"type": "string", "pattern": INSTANT}
    return {"anyOf": [plain, {"type": "null"}]} if schema.get("nullable") is True else plain


def attributes(schema: Json) -> set[str]:
    """The attributes that an object's schema names."""
    schema = resolved(schema)
    named = set(schema.get("properties", {}).get("attributes", {}).get("properties", ()))
    return named.union(*map(attributes, schema.get("allOf", ())))


def references(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return set().union(*map(references, schema))
    if not isinstance(schema, dict):
        return set()
    here = {schema["$ref"].rsplit("/", 1)[1]} if isinstance(schema.get("$ref"), str) else set()
    return here.union(*map(references, schema.values()))


def resolved(schema: Json) -> Json:
    while "$ref" in schema:
        schema = document()["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def promise(method: str, path: str) -> Json:
    answer = document()["paths"][path][method]["responses"]["200"]
    schema: Json = answer["content"]["application/vnd.api+json"]["schema"]
    return schema


def response_schema(method: str, path: str) -> Json:
    needed: Json = {}
    missing = references(promised := promise(method, path))
    while missing:
        for name in missing:
            needed[name] = document()["components"]["schemas"][name]
        missing = set().union(*map(references, needed.values())) - needed.keys()
    schemas = {name: json_schema(schema) for name, schema in needed.items()}
    return {"$schema": "http://json-schema.org/draft-07/schema#", "components": {"schemas": schemas}} | promised


def problems(schema: Json, found: Json) -> list[str]:
    validator = jsonschema_rs.Draft7Validator(schema)
    return [
        f"{'/'.join(map(str, error.instance_path))}: {error.message[:300]}" for error in validator.iter_errors(found)
    ]


@pytest.mark.parametrize(("endpoint", "path"), SERVED, ids=[endpoint.path for endpoint, _ in SERVED])
def test_a_response_is_what_the_document_promises(endpoint: Endpoint, path: str, client: Client) -> None:
    schema = response_schema("get", endpoint.path)
    for parameters in (reading.bare(endpoint), reading.full(endpoint)):
        assert problems(schema, client.get(path, **parameters)) == []


@pytest.mark.parametrize(("endpoint", "path"), SERVED, ids=[endpoint.path for endpoint, _ in SERVED])
def test_no_attribute_is_shown_that_the_document_does_not_name(endpoint: Endpoint, path: str, client: Client) -> None:
    data = resolved(promise("get", endpoint.path))["properties"]["data"]
    named = attributes(data.get("items", data))
    shown = client.get(path, **reading.full(endpoint))["data"]
    for row in shown if isinstance(shown, list) else [shown] if shown else []:
        assert set(row.get("attributes", ())) <= named


def test_aggregates_are_what_the_document_promises(client: Client) -> None:
    schema = response_schema("post", "/api/metric-aggregates")
    for by in ([], ["List", "$attributed_message"]):
        assert problems(schema, client.aggregate(by=by, days=20, start=MONDAY)) == []


REPORTS = [endpoint for endpoint in CONTRACT.endpoints if endpoint.path.endswith("-reports")]


@pytest.mark.parametrize("endpoint", REPORTS, ids=[endpoint.path for endpoint in REPORTS])
def test_reports_are_what_the_document_promises(endpoint: Endpoint, shop: Client) -> None:
    found = shop.session.post(shop.url + endpoint.path, json=reading.report(endpoint, shop.metric("Placed Order")))
    assert found.status_code == 200, found.text
    assert found.json()["data"]["attributes"]["results"]
    assert problems(response_schema("post", endpoint.path), found.json()) == []


def test_a_synthetic_account_is_what_the_document_promises() -> None:
    account = synthesize(seed=1, scale=0.02, now=NOW)
    with Sandbox(account, limits="off", now=NOW) as sandbox:
        client = Client(sandbox.url)
        for endpoint in reading.endpoints(CONTRACT):
            if endpoint.kind == "collection":
                found = client.get(endpoint.path, **reading.full(endpoint))
                assert problems(response_schema("get", endpoint.path), found) == []


def test_a_wrong_response_would_be_noticed() -> None:
    schema = response_schema("get", "/api/tags")
    right = {"type": "tag", "id": "T", "attributes": {"name": "x"}, "links": {"self": "http://x/api/tags/T/"}}
    assert problems(schema, {"data": [right]}) == []
    assert problems(schema, {"data": [right | {"attributes": {"name": None}}]})
    assert problems(schema, {"data": [right | {"type": "list"}]})
    schema = response_schema("get", "/api/lists")
    odd = right | {"type": "list", "attributes": {"created": "yesterday"}}
    assert problems(schema, {"data": [odd]})
