"""The reference of tables, held against the code that it is written from and Klaviyo's own document."""

from __future__ import annotations

from typing import Any

import pytest

from sources.klaviyo import contract, reference
from sources.klaviyo.contract import Contract
from sources.klaviyo.resources import ALL_NAMES, NAMES, RESOURCES, at


def test_the_page_is_what_the_table_of_resources_says(facts: Contract) -> None:
    assert reference.PAGE.read_text() == "\n".join(reference.reference(facts)) + "\n"


def test_every_table_has_its_section(facts: Contract) -> None:
    page, later = reference.PAGE.read_text().split("## At revision ")
    assert sections(page) == [*NAMES]
    (revision,) = (one for one in contract.revisions() if one > facts.revision)
    told_otherwise = {resource.name for resource in at(revision) if resource not in RESOURCES}
    assert {f"{name} from {revision} on" for name in told_otherwise} <= {*sections(later)}
    assert ["`screenshot_url` text" in line for line in later.splitlines() if "more columns" in line].count(True) == 1


def sections(page: str) -> list[str]:
    return [line.removeprefix("### ") for line in page.splitlines() if line.startswith("### ")]


def test_every_collection_of_a_later_revision_is_a_table_or_listed_with_the_reason_why_not(facts: Contract) -> None:
    page, later = reference.PAGE.read_text().split("## At revision ")
    for revision in contract.revisions():
        collections = {
            one.path for name, one in contract.load(revision).endpoints.items() if name.startswith("GET") and one.many
        }
        read = {resource.endpoint for resource in at(revision)}
        listed_on = page if revision == facts.revision else page + later
        assert collections - read <= listed(listed_on)


def listed(page: str) -> set[str]:
    return {line.split("`")[1].removeprefix("GET ") for line in page.splitlines() if line.startswith("| `GET ")}


def test_every_collection_of_klaviyos_document_is_a_table_or_listed_with_the_reason_why_not(
    openapi: dict[str, Any],
) -> None:
    served = {path: one.get("get") for path, one in openapi["paths"].items() if path.startswith("/api/")}
    collections = {path for path, operation in served.items() if is_collection(operation, openapi)}
    assert len(collections) > 100
    elsewhere = listed(reference.PAGE.read_text().split("## At revision ")[0])
    read = {resource.endpoint for resource in RESOURCES if not resource.shows_parent}
    assert collections == elsewhere | read
    assert not elsewhere & read


def test_every_report_of_klaviyos_document_is_a_table(openapi: dict[str, Any]) -> None:
    asked = {
        path
        for path, operations in openapi["paths"].items()
        if path.startswith("/api/") and operations.get("post", {}).get("operationId", "").startswith("query_")
    }
    assert len(asked) == 8
    page = reference.PAGE.read_text()
    assert {path for path in asked if f"`POST {path}`" in page} == asked


def is_collection(operation: dict[str, Any] | None, openapi: dict[str, Any]) -> bool:
    """Whether the answer's `data` is a list."""
    if operation is None:
        return False
    schema = operation["responses"]["200"]["content"]["application/vnd.api+json"]["schema"]
    parts = [schema]
    while parts:
        part = parts.pop()
        if "$ref" in part:
            part = openapi["components"]["schemas"][part["$ref"].rsplit("/", 1)[1]]
        parts += part.get("allOf", [])
        if "data" in part.get("properties", {}):
            data = part["properties"]["data"]
            while "$ref" in data:
                data = openapi["components"]["schemas"][data["$ref"].rsplit("/", 1)[1]]
            return bool(data.get("type") == "array")
    raise AssertionError(operation["operationId"])


@pytest.mark.parametrize("path", [*reference.ELSEWHERE, *reference.NOT_LOADED])
def test_nothing_is_said_of_a_collection_that_is_read_or_that_there_is_not(path: str) -> None:
    assert any(path in reference.unread(contract.load(revision)) for revision in contract.revisions())


def test_whatever_is_found_elsewhere_is_a_table() -> None:
    assert {*reference.ELSEWHERE.values()} <= {*ALL_NAMES}
