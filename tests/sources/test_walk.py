"""How collections are walked, against a sandbox."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Container, Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs

import pendulum
import pytest
import requests

from sandbox.account import Account, Events, Object
from sandbox.server import Sandbox
from sources.klaviyo.client import Client
from sources.klaviyo.contract import Contract
from sources.klaviyo.errors import CursorExpired, MalformedPage
from sources.klaviyo.lanes import Lanes
from sources.klaviyo.resources import select
from sources.klaviyo.rows import Page, PageReader, Rows
from sources.klaviyo.walk import RESTARTS, Walk
from sources.klaviyo.windows import BEGINNING, Window
from tests.sandbox.tiny import PlainEvent
from tests.sources.conftest import Connect
from tests.sources.filters import conditions
from tests.sources.scripted import Reply, Scripted

NOON = int(datetime(2025, 3, 1, 12, tzinfo=UTC).timestamp())
END = pendulum.from_timestamp(NOON + 100_000)
ALL = Window(BEGINNING, END)


def at(second: int) -> str:
    return pendulum.from_timestamp(second).isoformat()


def crowded() -> Account:
    """2,400 events, 1,500 of them in one second; profiles, campaigns on every channel, archived or not."""
    events = [PlainEvent(f"e{number:04}", NOON + max(0, number - 1_500)) for number in range(2_400)]
    objects: dict[str, dict[str, Object]] = {"profile": {}, "campaign": {}, "campaign-message": {}, "tag": {}}
    for number in range(250):
        id_ = f"P{number:03}"
        moved = at(NOON + number)
        objects["profile"][id_] = Object("profile", id_, {"email": None, "created": moved, "updated": moved})
    for channel in ("email", "sms", "mobile_push"):
        for archived in (False, True):
            id_ = f"{channel}-{archived}"
            dated = {"created_at": at(NOON), "updated_at": at(NOON)}
            objects["campaign"][id_] = Object(
                "campaign",
                id_,
                {"name": id_, "status": "Sent", "archived": archived, **dated},
                {"campaign-messages": [f"message-{id_}"], "tags": ["T1"]},
            )
            objects["campaign-message"][f"message-{id_}"] = Object(
                "campaign-message",
                f"message-{id_}",
                {"definition": {"channel": channel, "label": "one"}, **dated},
                {"campaign": id_},
            )
    objects["list"] = {
        id_: Object("list", id_, {"name": id_, "created": at(NOON), "updated": at(NOON)}, {"tags": ["T1"]})
        for id_ in ("L1", "L2")
    }
    objects["tag"]["T1"] = Object("tag", "T1", {"name": "seasonal"}, {"tag-group": None})
    return Account(objects=objects, events=Events([*events]))


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(crowded(), limits="off") as sandbox:
        yield sandbox


@pytest.fixture
def client(sandbox: Sandbox, connect: Connect) -> Client:
    return connect(sandbox.url)


def walk(facts: Contract, *names: str) -> Walk:
    resources = select([*names])
    return Walk(resources[0].host, resources, facts)


def reader(walked: Walk, known: Container[int] = frozenset()) -> PageReader:
    return PageReader(walked.tables, walked.host.cursor.field if walked.host.cursor else None, known)


def pages(walked: Walk, client: Client, window: Window | None, known: Container[int] = frozenset()) -> Iterator[Rows]:
    """The rows of every page, in order: one lane alone."""
    reading = reader(walked, known)
    lanes: Lanes[Page, Rows] = Lanes(
        walked.ranges([window]), partial(walked.follow, client, reading), reading.rows, most=1
    )
    return (delivery.rows for delivery in lanes)


def ids(walked: Walk, client: Client, window: Window | None, column: str = "id") -> list[str]:
    name = walked.resources[0].name
    return [id_ for page in pages(walked, client, window) for id_ in page.tables[name][column].to_pylist()]


def asked(sandbox: Sandbox) -> list[dict[str, list[str]]]:
    return [parse_qs(request["query"]) for request in sandbox.api.requests]


def lower_bound(query: dict[str, list[str]], operator: str) -> float:
    bound = conditions(query["filter"][0])[0]
    assert bound.operator == operator
    return datetime.fromisoformat(bound.value).timestamp()


def expire_cursors(sandbox: Sandbox, **when: Any) -> None:
    fault = {"kind": "expired_cursor", **when}
    requests.post(f"{sandbox.url}/sandbox/faults", json=fault, timeout=10).raise_for_status()


# --- completeness --------------------------------------------------------------------------------------------------


def test_every_row_comes_out_once_across_pages(sandbox: Sandbox, client: Client, facts: Contract) -> None:
    events = walk(facts, "events")
    found = ids(events, client, ALL)
    assert found == sorted(found) == [f"e{number:04}" for number in range(2_400)]
    assert len(sandbox.api.requests) == 3
    assert (events.tally.pages, events.tally.requests, events.tally.received) == (3, 3, 2_400)


def test_a_window_holds_its_first_second_and_not_its_last(client: Client, facts: Contract) -> None:
    second = pendulum.from_timestamp(NOON)
    assert len(ids(walk(facts, "events"), client, Window(second, second.add(seconds=1)))) == 1_501
    assert ids(walk(facts, "events"), client, Window(second.subtract(seconds=1), second)) == []


def test_strict_bounds_lose_no_profile_of_the_first_second(client: Client, facts: Contract) -> None:
    window = Window(pendulum.from_timestamp(NOON + 10), pendulum.from_timestamp(NOON + 20))
    assert ids(walk(facts, "profiles"), client, window) == [f"P{number:03}" for number in range(10, 20)]


def test_adjoining_windows_together_hold_what_one_window_holds(client: Client, facts: Contract) -> None:
    cuts = [BEGINNING, *(pendulum.from_timestamp(NOON + second) for second in (0, 1, 2, 400, 899)), END]
    for name, count in (("events", 2_400), ("profiles", 250)):
        parts = [id_ for start, end in pairwise(cuts) for id_ in ids(walk(facts, name), client, Window(start, end))]
        assert Counter(parts) == Counter(ids(walk(facts, name), client, ALL))
        assert len(parts) == count


def test_the_partitions_together_list_the_collection(sandbox: Sandbox, client: Client, facts: Contract) -> None:
    everything = {f"{channel}-{archived}" for channel in ("email", "sms", "mobile_push") for archived in (False, True)}
    found = ids(walk(facts, "campaigns"), client, ALL)
    assert set(found) == everything
    assert len(found) == 6
    assert len(sandbox.api.requests) == 6


def test_one_walk_fills_the_tables_of_all_that_rides_along(sandbox: Sandbox, client: Client, facts: Contract) -> None:
    lists = walk(facts, "lists", "list_tags", "list_flow_triggers")
    made = [*pages(lists, client, None)]
    assert sum(page.tables["lists"].num_rows for page in made) == len(sandbox.account.objects["list"])
    assert sum(page.tables["list_tags"].num_rows for page in made) == len(sandbox.account.objects["list"])
    assert {query["include"][0] for query in asked(sandbox)} == {"tags,flow-triggers"}


def test_an_empty_window_of_rows_is_one_empty_page(client: Client, facts: Contract) -> None:
    events = walk(facts, "events")
    (part,) = events.ranges([Window(END, END.add(days=1))])
    (page,) = events.follow(client, reader(events), part)
    assert page.items == []
    assert page.next is None


def test_pages_are_fetched_only_as_they_are_taken(sandbox: Sandbox, client: Client, facts: Contract) -> None:
    events = walk(facts, "events")
    (part,) = events.ranges([ALL])
    followed = events.follow(client, reader(events), part)
    assert len(sandbox.api.requests) == 0
    next(followed)
    assert len(sandbox.api.requests) == 1


def test_known_rows_are_counted_and_left_out(client: Client, facts: Contract) -> None:
    first = pages(walk(facts, "events"), client, ALL)
    hashes = {digest for page in first for digest in page.tables["events"]["_row_hash"].to_pylist()}
    again = walk(facts, "events")
    made = [*pages(again, client, ALL, hashes)]
    assert sum(page.tables["events"].num_rows for page in made) == 0
    assert (again.tally.received, sum(page.unchanged for page in made)) == (2_400, 2_400)


# --- expired cursors -----------------------------------------------------------------------------------------------


def test_a_page_cursor_that_expires_is_replaced_from_where_it_had_come_to(
    sandbox: Sandbox, client: Client, facts: Contract
) -> None:
    expire_cursors(sandbox, after=1, times=1)
    found = ids(walk(facts, "events"), client, ALL)
    assert set(found) == {f"e{number:04}" for number in range(2_400)}
    queries = asked(sandbox)
    assert [("page[cursor]" in query) for query in queries[:4]] == [False, True, True, False]
    assert "greater-or-equal" not in queries[0]["filter"][0]
    assert NOON <= lower_bound(queries[3], "greater-or-equal") <= NOON + 499  # the last row of the second page


def test_a_cursor_that_expires_inside_a_crowded_second_loses_none_of_its_rows(
    sandbox: Sandbox, client: Client, facts: Contract
) -> None:
    expire_cursors(sandbox, times=1)
    assert set(ids(walk(facts, "events"), client, ALL)) == {f"e{number:04}" for number in range(2_400)}


def test_where_bounds_are_strict_an_expired_cursor_loses_none_either(
    sandbox: Sandbox, client: Client, facts: Contract
) -> None:
    expire_cursors(sandbox, times=1)
    assert set(ids(walk(facts, "profiles"), client, ALL)) == {f"P{number:03}" for number in range(250)}
    assert NOON - 1 <= lower_bound(asked(sandbox)[2], "greater-than") < NOON + 99  # the last row of the first page


def test_a_walk_without_a_window_begins_anew_when_its_cursor_expires(facts: Contract, connect: Connect) -> None:
    def listed(id_: str, next_page: str | None = None) -> Reply:
        document = {"data": [{"type": "list", "id": id_}], "links": {"next": next_page}}
        return Reply(body=json.dumps(document).encode())

    expired = Reply(400, b'{"errors":[{"detail":"Invalid cursor provided."}]}')
    second = "/api/lists?page%5Bcursor%5D=2"
    with Scripted(listed("L1", second), expired, listed("L1", second), listed("L2")) as server:
        assert ids(walk(facts, "lists"), connect(server.url), None) == ["L1", "L1", "L2"]
    assert server.asked[0].path == server.asked[2].path


def test_a_cursor_that_always_expires_is_given_up(sandbox: Sandbox, client: Client, facts: Contract) -> None:
    expire_cursors(sandbox, times=10 * RESTARTS)
    with pytest.raises(CursorExpired, match="refused its own page cursor"):
        ids(walk(facts, "events"), client, ALL)
    assert len(sandbox.api.requests) <= 2 * (RESTARTS + 1)


# --- links ---------------------------------------------------------------------------------------------------------


def page_leading_to(target: str) -> Reply:
    return Reply(body=json.dumps({"data": [], "links": {"next": target}}).encode())


def test_a_next_link_that_leads_back_is_refused(facts: Contract, connect: Connect) -> None:
    there, back = page_leading_to("/api/lists?page%5Bcursor%5D=2"), page_leading_to("/api/lists?page%5Bcursor%5D=3")
    with Scripted(there, back, there) as server, pytest.raises(MalformedPage, match="leads back"):
        ids(walk(facts, "lists"), connect(server.url), None)
    assert len(server.asked) == 3


def test_a_next_link_that_leads_to_itself_is_refused(facts: Contract, connect: Connect) -> None:
    with Scripted(page_leading_to("/api/lists?page%5Bcursor%5D=2")) as server, pytest.raises(MalformedPage):
        ids(walk(facts, "lists"), connect(server.url), None)
    assert len(server.asked) == 2


def test_the_key_stays_at_home_when_the_next_link_names_another_host(facts: Contract, connect: Connect) -> None:
    with Scripted() as other:
        there = page_leading_to(f"{other.url}/api/lists/?page%5Bcursor%5D=2")
        with Scripted(there, Reply()) as ours:
            ids(walk(facts, "lists"), connect(ours.url), None)
    assert other.asked == []
    assert ours.asked[1].path == "/api/lists/?page%5Bcursor%5D=2"
    assert "pk_sandbox" in ours.asked[1].headers["authorization"]


def test_an_empty_page_in_the_middle_does_not_end_the_walk(facts: Contract, connect: Connect) -> None:
    last = Reply(body=b'{"data":[{"type":"list","id":"L1"}],"links":{"next":null}}')
    with Scripted(page_leading_to("/api/lists?page%5Bcursor%5D=2"), last) as server:
        assert ids(walk(facts, "lists"), connect(server.url), None) == ["L1"]
