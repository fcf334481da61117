"""What is asked first, held against Klaviyo's own document."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pendulum
import pytest

from sandbox.server import Sandbox
from sources.klaviyo.contract import Contract
from sources.klaviyo.lanes import Range
from sources.klaviyo.resources import RESOURCES, select
from sources.klaviyo.walk import Walk
from sources.klaviyo.windows import BEGINNING, Window
from tests.conftest import Job
from tests.sources.filters import Condition, conditions

Json = dict[str, Any]

START, END = pendulum.datetime(2025, 1, 1), pendulum.datetime(2025, 2, 1, 12, 30, 15)
WINDOWS = {"all of it": None, "from the beginning": Window(BEGINNING, END), "a window": Window(START, END)}
HOSTS = dict.fromkeys(resource.host for resource in RESOURCES)
CURSORS = [
    (host, by) for host in HOSTS for by in ((host.cursor.field, host.cursor.first_load) if host.cursor else ("",))
]
ASKED = [
    pytest.param(host.name, condition, window, by, id=f"{host.name} by {by or 'nothing'}, {partition}, {name}")
    for host, by in CURSORS
    for partition, condition in host.partitions.items()
    for name, window in WINDOWS.items()
    if by or not host.cursor
]

PARENT = "$custom:::$default:::a parent/1"

VALUES: dict[str, Callable[[str], object]] = {
    "string": re.compile(r"'[^']*'|\"[^\"]*\"").fullmatch,
    "boolean": re.compile(r"true|false").fullmatch,
    "date-time": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ").fullmatch,
}
"""How values of a type are spelled."""


def walk(name: str, facts: Contract) -> Walk:
    (host,) = select([name])
    return Walk(host, [resource for resource in RESOURCES if resource.host is host], facts)


def first(
    name: str, facts: Contract, condition: str, window: Window | None, by: str | None = None
) -> tuple[str, dict[str, str]]:
    walked = walk(name, facts)
    cursor = by or (walked.host.cursor.field if walked.host.cursor else None)
    parent = PARENT if walked.host.per else ""
    parts = urlsplit(walked.first(Range(condition, window, parent=parent), cursor))
    pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    assert len(dict(pairs)) == len(pairs), "a parameter is given twice"
    return parts.path, dict(pairs)


@pytest.mark.parametrize(("name", "condition", "window", "by"), ASKED)
def test_the_first_request_of_every_walk_is_one_that_klaviyo_declares(
    *, name: str, condition: str, window: Window | None, by: str, facts: Contract, openapi: Json
) -> None:
    assert_declared(*first(name, facts, condition, window, by), openapi)


def test_every_request_of_a_first_and_a_second_load_is_one_that_klaviyo_declares_and_asks_for_a_page_of_its_own(
    job: Job, sandbox: Sandbox, openapi: Json
) -> None:
    job.load()
    pages = Counter(place(request["path"], dict(parse_qsl(request["query"]))) for request in sandbox.api.requests)
    assert [page for page, times in pages.items() if times > 1] == []
    job.load()
    asked = {(request["method"], request["path"], request["query"]) for request in sandbox.api.requests}
    assert len(asked) > len({resource.host for resource in RESOURCES})
    for method, path, query in asked:
        assert method == "GET"
        assert_declared(path, dict(parse_qsl(query, keep_blank_values=True)), openapi)


def place(path: str, given: dict[str, str]) -> tuple[str, str, str]:
    return path, given.get("filter", ""), given.get("page[cursor]", "")


def assert_declared(path: str, given: dict[str, str], openapi: Json) -> None:
    operation = declared_operation(path, openapi)
    declared = {one["name"]: one for one in operation["parameters"] if one["in"] == "query"}
    assert {one for one in declared if declared[one].get("required")} <= given.keys() <= declared.keys()
    for parameter, value in given.items():
        if parameter == "filter":
            check_filter(conditions(value), operation["x-klaviyo-filters"])
        else:
            check(value, declared[parameter]["schema"])


def declared_operation(path: str, openapi: Json) -> Json:
    """What the document says of a path: itself, or one in which a name in braces stands for an id."""
    if path in openapi["paths"]:
        return dict(openapi["paths"][path]["get"])
    named = [one for one in openapi["paths"] if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", one), path)]
    (only,) = named
    return dict(openapi["paths"][only]["get"])


def check(value: str, schema: Json) -> None:
    if schema["type"] == "array":
        parts = value.split(",")
        assert len(set(parts)) == len(parts)
        assert set(parts) <= set(schema["items"]["enum"])
    elif schema["type"] == "integer":
        assert schema["minimum"] <= int(value) <= schema["maximum"]
    elif "enum" in schema:
        assert value in schema["enum"]


def check_filter(asked: list[Condition], filters: Json) -> None:
    for operator, on, value in asked:
        arity, values = ("list", value[1:-1].split(",")) if value.startswith("[") else ("single", [value])
        assert operator in filters[on]["operators"].get(arity, ()), (operator, on)
        kind = filters[on]["value"]
        assert all(VALUES[kind.get("format", kind["type"])](one) for one in values), value
        if "enum" in kind:
            assert value.strip("'\"") in kind["enum"]


def test_a_window_of_events_is_half_open(facts: Contract) -> None:
    _, given = first("events", facts, "", Window(START, END))
    assert given["filter"] == (
        "greater-or-equal(datetime,2025-01-01T00:00:00Z),less-than(datetime,2025-02-01T12:30:15Z)"
    )


def test_profiles_are_asked_from_one_second_before_because_their_bounds_are_strict(facts: Contract) -> None:
    _, given = first("profiles", facts, "", Window(START, END))
    assert given["filter"] == "greater-than(updated,2024-12-31T23:59:59Z),less-than(updated,2025-02-01T12:30:15Z)"


def test_the_first_load_of_profiles_is_in_the_order_of_their_creation(facts: Contract) -> None:
    _, given = first("profiles", facts, "", Window(START, END), by="created")
    assert given["filter"] == "greater-than(created,2024-12-31T23:59:59Z),less-than(created,2025-02-01T12:30:15Z)"
    assert given["sort"] == "created"


def test_a_window_from_the_beginning_has_no_lower_bound(facts: Contract) -> None:
    _, given = first("events", facts, "", Window(BEGINNING, END))
    assert given["filter"] == "less-than(datetime,2025-02-01T12:30:15Z)"


@pytest.mark.parametrize(("host", "by"), [(host.name, by) for host, by in CURSORS if by])
def test_every_window_is_bounded_above_and_read_in_ascending_order(host: str, by: str, facts: Contract) -> None:
    for window in (Window(BEGINNING, END), Window(START, END)):
        _, given = first(host, facts, "", window, by)
        assert conditions(given["filter"])[-1] == ("less-than", by, "2025-02-01T12:30:15Z")
        assert given["sort"] == by


@pytest.mark.parametrize("host", [host.name for host in HOSTS if not host.cursor])
def test_what_is_read_whole_is_sorted_by_what_never_changes(host: str, facts: Contract) -> None:
    _, given = first(host, facts, "", None)
    if facts.collection(walk(host, facts).endpoint.path).sort:
        assert given["sort"] in {"id", "created", "created_at"}


def test_pages_are_as_large_as_they_may_be(facts: Contract) -> None:
    for host in HOSTS:
        _, given = first(host.name, facts, "", None)
        largest = facts.collection(host.endpoint).page_size
        assert given.get("page[size]") == (str(largest) if largest else None)


def test_relationships_whose_ids_come_only_with_them_are_included(facts: Contract) -> None:
    _, given = first("tags", facts, "", None)
    assert given["include"] == "tag-group"


def test_nothing_is_included_for_tables_that_are_not_read(facts: Contract) -> None:
    (events,) = select(["events"])
    alone = Walk(events, [events], facts).first(Range("", None), "datetime")
    assert "include" not in dict(parse_qsl(urlsplit(alone).query))
    _, both = first("events", facts, "", None)
    assert both["include"] == "attributions"


def test_a_child_alone_is_read_without_the_table_of_its_host(facts: Contract) -> None:
    (events,) = select(["events"])
    child = Walk(events, select(["event_attributions"]), facts)
    assert child.includes == ["attributions"]
    assert [table.name for table in child.tables] == ["event_attributions"]


def test_an_instant_in_another_zone_is_asked_for_in_utc(facts: Contract) -> None:
    copenhagen = Window(pendulum.datetime(2025, 1, 1, tz="Europe/Copenhagen"), END)
    _, given = first("events", facts, "", copenhagen)
    assert conditions(given["filter"])[0].value == "2024-12-31T23:00:00Z"
