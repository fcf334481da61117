from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from sandbox.account import Account
from sandbox.server import Sandbox
from tests.sandbox.conftest import Client
from tests.sandbox.tiny import NOW, tiny_account


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(tiny_account(), limits="off", now=NOW) as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox) -> Client:
    return Client(sandbox.url)


def put(client: Client, **settings: Any) -> int:
    return client.session.put(f"{client.url}/sandbox/settings", json=settings).status_code


def test_the_truth_counts_everything(client: Client) -> None:
    counts = client.get("/sandbox/account")
    assert (counts["event"], counts["profile"], counts["list"]) == (33, 3, 25)
    assert (counts["list-member"], counts["segment-member"]) == (2, 1)


def test_the_truth_shows_also_what_the_api_hides(client: Client) -> None:
    def truth(type_: str) -> list[Any]:
        return [json.loads(line) for line in client.ask(f"/sandbox/account/{type_}").text.splitlines()]

    assert [campaign["id"] for campaign in truth("campaign")] == ["SPRING", "AUTUMN", "LASTYEAR"]
    assert truth("campaign")[0]["relationships"] == {"campaign-messages": ["MAIL"], "tags": ["T1"]}
    events = {event["id"]: event for event in truth("event")}
    assert len(events) == 33
    assert events["zz-attributed"]["relationships"]["attributions"][0]["relationships"]["campaign"] == "SPRING"
    assert events["zz-orphan"]["relationships"]["profile"] is None
    assert events["e00000"]["attributes"]["event_properties"]["$value"] == 1
    assert truth("segment-member") == [
        {"group": "VIPS", "profile": "ANNA", "joined_group_at": "2026-05-20T09:30:00+00:00"}
    ]
    assert truth("unicorn") == []


def test_every_request_is_remembered_until_forgotten(client: Client) -> None:
    client.ask("/api/lists?sort=name")
    client.ask("/api/nothing")
    first, second = client.get("/sandbox/requests")
    assert first == {
        "method": "GET",
        "path": "/api/lists",
        "query": "sort=name",
        "status": 200,
        "key": "pk_sandbox",
        "fault": None,
    }
    assert second["status"] == 404
    client.session.delete(f"{client.url}/sandbox/requests")
    assert client.get("/sandbox/requests") == []


def test_settings_change_while_running(client: Client) -> None:
    assert put(client, limits="scaled", limits_factor=2, keys={"pk_new": ["lists:read"]}) == 200
    assert client.ask("/api/lists").status_code == 401
    new = {"Authorization": "Klaviyo-API-Key pk_new"}
    assert client.ask("/api/lists", headers=new).headers["RateLimit-Limit"] == "150, 150;w=1, 1500;w=60"
    assert client.get("/sandbox/settings")["limits_factor"] == 2
    assert client.get("/sandbox/settings")["now"] == "2026-07-01T00:00:00Z"


def test_settings_that_make_no_sense_are_refused(client: Client) -> None:
    assert put(client, mood="sunny") == 400
    assert put(client, limits="sometimes") == 400
    assert client.ask("/api/lists").status_code == 200


def test_a_change_is_made_to_the_account_and_seen_by_the_api(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def rename(account: Account, arguments: dict[str, Any]) -> dict[str, Any]:
        account.objects["list"][arguments["id"]].attributes["name"] = arguments["name"]
        return {"renamed": arguments["id"]}

    monkeypatch.setitem(sys.modules, "sandbox.changes", SimpleNamespace(CHANGES={"rename_list": rename}))
    change = {"kind": "rename_list", "id": "NEWS", "name": "Letters"}
    assert client.session.post(f"{client.url}/sandbox/changes", json=change).json() == {"renamed": "NEWS"}
    assert client.get("/api/lists/NEWS")["data"]["attributes"]["name"] == "Letters"


@pytest.mark.parametrize("change", [{}, {"kind": "unheard_of"}, {"kind": "untag", "colour": "red"}])
def test_a_change_that_makes_no_sense_is_refused(client: Client, change: dict[str, Any]) -> None:
    assert client.session.post(f"{client.url}/sandbox/changes", json=change).status_code == 400
