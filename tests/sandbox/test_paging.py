from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from sandbox.account import Object
from sandbox.listing import ALWAYS_ORDERED_ANEW
from sandbox.server import Sandbox
from tests.sandbox.conftest import Client
from tests.sandbox.tiny import EARLY, MONDAY, NOW, PlainEvent, tiny_account

EVENTS = [f"e{number:05}" for number in range(30)] + ["zz-attributed", "zz-orphan", "zz-visit"]


@pytest.fixture
def own() -> Iterator[Sandbox]:
    """One that a test may change."""
    with Sandbox(tiny_account(), limits="off", now=NOW) as running:
        yield running


@pytest.mark.parametrize(("sort", "ids"), [("datetime", EVENTS), ("-datetime", EVENTS[::-1])])
@pytest.mark.parametrize("size", [1, 7, 33, 1000])
def test_events_are_walked_once_in_either_direction(client: Client, sort: str, ids: list[str], size: int) -> None:
    assert client.ids("/api/events", sort=sort, **{"page[size]": size}) == ids


def test_events_come_newest_first_if_not_sorted(client: Client) -> None:
    assert client.ids("/api/events") == EVENTS[::-1]


def test_events_of_one_second_are_told_apart_by_id(own: Sandbox) -> None:
    for number in range(10):
        own.account.events.add(PlainEvent(f"x{number}", MONDAY))
    ids = Client(own.url).ids("/api/events", sort="datetime", **{"page[size]": 3})
    assert ids[:11] == ["e00000", *(f"x{number}" for number in range(10))]
    assert len(ids) == len(set(ids)) == 43


def test_an_event_that_slips_in_behind_the_cursor_is_not_seen(own: Sandbox) -> None:
    client = Client(own.url)
    first = client.get("/api/events", sort="datetime", **{"page[size]": 5})
    own.account.events.add(PlainEvent("late", MONDAY + 60))
    own.account.events.add(PlainEvent("early", MONDAY + 5 * 3_600 + 60))
    rest = client.ids(first["links"]["next"])
    assert "late" not in rest
    assert "early" in rest


def test_a_walk_goes_on_after_the_event_at_its_cursor_is_gone(own: Sandbox) -> None:
    client = Client(own.url)
    for sort, expected in (("datetime", EVENTS[5:]), ("-datetime", EVENTS[-6::-1])):
        first = client.get("/api/events", sort=sort, **{"page[size]": 5})
        last = own.account.events.get(first["data"][-1]["id"])
        assert last is not None
        own.account.events.remove(last.id)
        assert client.ids(first["links"]["next"]) == expected
        own.account.events.add(last)


def test_the_cursor_is_spelled_as_the_api_does(client: Client) -> None:
    link = client.get("/api/events?sort=datetime&page[size]=1")["links"]["next"]
    assert link.startswith(f"{client.url}/api/events?sort=datetime&page%5Bsize%5D=1&page%5Bcursor%5D=")
    cursor = link.rpartition("=")[2]
    assert json.loads(base64.b64decode(cursor + "==")) == [MONDAY, "e00000", True]


def test_the_next_link_repeats_all_parameters(client: Client) -> None:
    link = client.get('/api/events?filter=equals(metric_id,"ORDER")&fields[event]=uuid&page[size]=2')["links"]["next"]
    assert "filter=equals%28metric_id%2C%22ORDER%22%29&fields%5Bevent%5D=uuid&page%5Bsize%5D=2&page%5Bcursor" in link
    assert len(client.get(link)["data"]) == 2


def test_lists_come_by_tens_and_each_once(client: Client) -> None:
    pages = client.pages("/api/lists")
    assert [len(page["data"]) for page in pages] == [10, 10, 5]
    ids = [row["id"] for page in pages for row in page["data"]]
    assert ids == sorted(ids)


@pytest.mark.parametrize(("sort", "ids"), [("updated", "ANNA BERT CLEO"), ("-updated", "BERT ANNA CLEO")])
def test_nulls_come_last_in_either_direction(client: Client, sort: str, ids: str) -> None:
    assert client.ids("/api/profiles", sort=sort, **{"page[size]": 1}) == ids.split()


def test_nulls_are_told_apart_by_id(own: Sandbox) -> None:
    profiles = own.account.objects["profile"]
    for id_ in ("ZED", "ABE"):
        profiles[id_] = Object("profile", id_, {"updated": None})
    client = Client(own.url)
    for sort in ("updated", "-updated"):
        assert client.ids("/api/profiles", sort=sort, **{"page[size]": 1})[2:] == ["ABE", "CLEO", "ZED"]


@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        ("greater-than(created,2026-01-10T08:00:00Z)", "BERT CLEO"),
        ("less-than(created,2026-03-01T00:00:00Z)", "ANNA BERT"),
        ("greater-than(created,2026-01-10T08:00:00Z),less-than(created,2026-03-01T00:00:00Z)", "BERT"),
    ],
)
def test_a_filter_on_the_sort_key_narrows_the_walk(client: Client, condition: str, ids: str) -> None:
    for sort, expected in (("created", ids.split()), ("-created", ids.split()[::-1])):
        assert client.ids("/api/profiles", sort=sort, filter=condition, **{"page[size]": 1}) == expected


def test_equal_keys_are_told_apart_by_id(client: Client) -> None:
    ids = client.ids("/api/lists", sort="created")
    assert ids == sorted(ids)
    assert client.ids("/api/lists", sort="-created") == ids[::-1]


def test_a_profile_that_moves_while_it_is_walked_is_seen_twice(own: Sandbox) -> None:
    client = Client(own.url)
    first = client.get("/api/profiles", sort="updated", **{"page[size]": 1})
    own.account.objects["profile"]["ANNA"].attributes["updated"] = "2026-06-20T00:00:00+00:00"
    assert client.ids(first["links"]["next"]) == ["BERT", "ANNA", "CLEO"]


def test_large_collections_are_walked_once_and_see_changes_that_were_told(own: Sandbox) -> None:
    members = own.account.list_members["NEWS"]
    for number in range(ALWAYS_ORDERED_ANEW + 50):
        own.account.objects["profile"][f"M{number:05}"] = Object("profile", f"M{number:05}", {})
        members[f"M{number:05}"] = datetime.fromtimestamp(MONDAY + number, UTC).isoformat()
    client = Client(own.url)
    ids = client.ids("/api/lists/NEWS/profiles", sort="joined_group_at", **{"page[size]": 100})
    assert ids == ["ANNA", "BERT", *(f"M{number:05}" for number in range(ALWAYS_ORDERED_ANEW + 50))]
    members["CLEO"] = EARLY
    own.changed()
    assert client.ids("/api/lists/NEWS/profiles", sort="joined_group_at", **{"page[size]": 100})[1] == "CLEO"


@pytest.mark.parametrize("path", ["/api/events", "/api/lists", "/api/profiles?sort=updated"])
@pytest.mark.parametrize("cursor", ["nonsense!", "", "bmV4dDo6", "WzEsIDJd", "é"])
def test_a_mangled_cursor_is_refused(client: Client, path: str, cursor: str) -> None:
    status, error = client.error(path, **{"page[cursor]": cursor})
    assert (status, error["code"], error["detail"]) == (400, "invalid", "Invalid cursor provided.")
    assert error["source"] == {"parameter": "page[cursor]"}


def test_a_cursor_of_another_order_is_refused(client: Client) -> None:
    cursor = client.get("/api/lists")["links"]["next"].rpartition("=")[2]
    assert client.error("/api/lists", sort="name", **{"page[cursor]": cursor})[0] == 400
