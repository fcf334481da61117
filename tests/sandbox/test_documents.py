from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.contract import load
from sandbox.jsonapi import Renderer
from sandbox.query import read
from sandbox.relations import Relations, event_object
from sandbox.server import Sandbox
from tests.sandbox.conftest import HEADERS, Client


def relation(document: Any, name: str) -> Any:
    data = document["data"]
    return (data[0] if isinstance(data, list) else data)["relationships"][name]


def test_both_forms_of_a_path_are_the_same_endpoint(client: Client) -> None:
    assert client.get("/api/lists/NEWS/")["data"] == client.get("/api/lists/NEWS")["data"]
    assert client.get("/api/tags/")["data"] == client.get("/api/tags")["data"]


def test_the_links_of_objects_end_in_a_slash(client: Client) -> None:
    row = client.get("/api/lists/NEWS")["data"]
    assert row["links"]["self"] == f"{client.url}/api/lists/NEWS/"
    assert row["relationships"]["tags"]["links"] == {
        "self": f"{client.url}/api/lists/NEWS/relationships/tags/",
        "related": f"{client.url}/api/lists/NEWS/tags/",
    }


def test_the_link_to_the_document_repeats_the_request(client: Client) -> None:
    links = client.get("/api/tags/?sort=name&include=tag-group")["links"]
    assert links == {"self": f"{client.url}/api/tags/?sort=name&include=tag-group", "next": None, "prev": None}
    # Collections without pages have no `next` at all.
    assert client.get("/api/lists/NEWS/tags")["links"] == {"self": f"{client.url}/api/lists/NEWS/tags"}


def test_a_relation_shows_its_linkage_only_when_included(client: Client) -> None:
    filter_ = {"filter": 'equals(messages.channel,"email")'}
    assert "data" not in relation(client.get("/api/campaigns", **filter_), "tags")
    document = client.get("/api/campaigns", include="tags", **filter_)
    assert relation(document, "tags")["data"] == [{"type": "tag", "id": "T1"}]
    assert [one["id"] for one in document["included"]] == ["T1"]


@pytest.mark.parametrize(
    ("path", "name", "data"),
    [
        ("/api/events/e00000", "metric", {"type": "metric", "id": "ORDER"}),
        ("/api/events/e00000", "profile", {"type": "profile", "id": "ANNA"}),
        ("/api/campaigns/SPRING", "campaign-messages", [{"type": "campaign-message", "id": "MAIL"}]),
        ("/api/campaign-messages/MAIL", "campaign", {"type": "campaign", "id": "SPRING"}),
        ("/api/flow-actions/116466132", "flow", {"type": "flow", "id": "WELCOME"}),
        ("/api/tags/T1", "tag-group", {"type": "tag-group", "id": "G1"}),
    ],
)
def test_some_relations_show_their_linkage_always(client: Client, path: str, name: str, data: Any) -> None:
    assert relation(client.get(path), name)["data"] == data


def test_an_included_relation_without_anybody_is_null(client: Client) -> None:
    assert "data" not in relation(client.get("/api/campaign-messages/MAIL"), "image")
    assert relation(client.get("/api/campaign-messages/MAIL", include="image"), "image")["data"] is None
    assert client.get("/api/campaign-messages/MAIL/image") == {"data": None}


def test_included_objects_come_once(client: Client) -> None:
    included = client.get("/api/events", include="metric,profile")["included"]
    found = sorted((one["type"], one["id"]) for one in included)
    assert found == [("metric", "ORDER"), ("metric", "VISIT"), ("profile", "ANNA"), ("profile", "BERT")]


def test_an_attribution_has_relations_only(client: Client) -> None:
    document = client.get("/api/events/zz-attributed", include="attributions")
    assert relation(document, "attributions")["data"] == [{"type": "attribution", "id": "attr1"}]
    (attribution,) = document["included"]
    assert "attributes" not in attribution
    related = {name: one["data"]["id"] for name, one in attribution["relationships"].items()}
    assert related == {
        "event": "zz-attributed",
        "attributed-event": "e00000",
        "campaign": "SPRING",
        "campaign-message": "MAIL",
    }


def test_an_unattributed_event_does_not_mention_attributions(client: Client) -> None:
    document = client.get("/api/events/e00000", include="attributions")
    assert "attributions" not in document["data"]["relationships"]
    assert document["included"] == []


@pytest.mark.parametrize("query", ["", "include=attributions", "fields[event]=datetime", "fields[event]="])
def test_events_are_spelled_as_the_general_renderer_would(sandbox: Sandbox, client: Client, query: str) -> None:
    endpoint = load("2026-07-15").match("GET", "events")
    assert endpoint is not None
    asked = read(query, endpoint.endpoint)
    renderer = Renderer(client.url, endpoint.endpoint, asked, Relations(sandbox.account, load("2026-07-15")))
    events = [sandbox.account.events.at(index) for index in range(len(sandbox.account.events))]
    rendered = [renderer.primary(event_object(event)) for event in events]
    assert client.get(f"/api/events?sort=datetime&{query}")["data"] == rendered


def test_a_number_of_any_size_keeps_its_digits(client: Client) -> None:
    body = client.ask("/api/events/zz-attributed").text
    assert '"big":12345678901234567890' in body


def test_expensive_attributes_come_only_when_asked_for(client: Client) -> None:
    profile = client.get("/api/profiles/ANNA")["data"]["attributes"]
    assert not profile.keys() & {"subscriptions", "predictive_analytics"}
    asked = client.get("/api/profiles/ANNA", **{"additional-fields[profile]": "subscriptions"})["data"]["attributes"]
    assert asked.keys() - profile.keys() == {"subscriptions"}
    assert "definition" not in client.get("/api/templates/TPL")["data"]["attributes"]
    counted = client.get("/api/lists/NEWS", **{"additional-fields[list]": "profile_count"})
    assert counted["data"]["attributes"]["profile_count"] == 2


def test_a_fieldset_narrows_the_attributes(client: Client) -> None:
    def attributes(fields: str, **more: str) -> Any:
        return client.get("/api/profiles/ANNA", **{"fields[profile]": fields}, **more)["data"]["attributes"]

    assert attributes("email,location.city") == {"email": "anna@example.com", "location": {"city": "Aarhus"}}
    assert attributes("") == {}
    assert attributes("id") == {}
    assert attributes("email", **{"additional-fields[profile]": "subscriptions"}).keys() == {"email", "subscriptions"}


def test_a_fieldset_may_be_of_an_included_type(client: Client) -> None:
    document = client.get("/api/events", include="metric", **{"fields[metric]": "name", "page[size]": 1})
    assert [one["attributes"] for one in document["included"]] == [{"name": "Active on Site"}]


def test_members_carry_when_they_joined(client: Client) -> None:
    rows = client.get("/api/lists/NEWS/profiles", sort="joined_group_at")["data"]
    assert [(row["id"], row["attributes"]["joined_group_at"][:10]) for row in rows] == [
        ("ANNA", "2026-01-10"),
        ("BERT", "2026-05-20"),
    ]
    assert client.get("/api/lists/NEWS/relationships/profiles")["data"] == [
        {"type": "profile", "id": "ANNA"},
        {"type": "profile", "id": "BERT"},
    ]


@pytest.mark.parametrize(
    ("path", "ids"),
    [
        ("/api/profiles/ANNA/lists", ["NEWS"]),
        ("/api/profiles/ANNA/segments", ["VIPS"]),
        ("/api/profiles/ANNA/push-tokens", ["PUSH"]),
        ("/api/flows/WELCOME/flow-actions", ["116466132"]),
        ("/api/tags/T1/relationships/campaigns", ["SPRING"]),
        ("/api/tags/T1/relationships/flows", ["RETIRED", "WELCOME"]),
        ("/api/tag-groups/G1/tags", ["T1"]),
        ("/api/catalog-items/$custom:::$default:::shirt/categories", ["$custom:::$default:::clothes"]),
        ("/api/catalog-items/%24custom%3A%3A%3A%24default%3A%3A%3Ashirt/variants", ["$custom:::$default:::shirt-red"]),
        ("/api/coupons/TEN/coupon-codes", ["TEN-1"]),
        ("/api/lists/NEWS/flow-triggers", ["WELCOME"]),
    ],
)
def test_relations_can_be_followed_from_either_end(client: Client, path: str, ids: list[str]) -> None:
    assert [row["id"] for row in client.get(path)["data"]] == ids


def test_types_that_the_account_does_not_hold_are_empty(client: Client) -> None:
    assert client.get("/api/profile-bulk-import-jobs")["data"] == []
    assert client.error("/api/profile-bulk-import-jobs/X")[0] == 404


def test_the_body_is_zipped_for_those_who_accept_it(client: Client) -> None:
    zipped = client.ask("/api/events", headers={"Accept-Encoding": "gzip"})
    plain = client.ask("/api/events", headers={"Accept-Encoding": "identity"})
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert int(zipped.headers["Content-Length"]) < int(plain.headers["Content-Length"]) / 3
    assert json.loads(zipped.content) == json.loads(plain.content)
    assert zipped.headers["Content-Type"] == HEADERS["Accept"]
