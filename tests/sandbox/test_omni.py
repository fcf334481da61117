"""Campaigns in the shape of revision 2026-10-15, from the same account."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.omni import audience_id, variation_id
from sandbox.server import Sandbox
from tests.sandbox.conftest import Client
from tests.sandbox.tiny import EARLY, LATE


@pytest.fixture(scope="module")
def omni(sandbox: Sandbox) -> Client:
    client = Client(sandbox.url)
    client.session.headers["revision"] = "2026-10-15"
    return client


def definition(client: Client, path: str, **parameters: Any) -> dict[str, Any]:
    found: dict[str, Any] = client.get(path, **parameters)["data"]["attributes"]["definition"]
    return found


def test_each_request_is_answered_in_its_own_revision(client: Client, omni: Client) -> None:
    before = client.get("/api/campaigns/SPRING")["data"]["attributes"]
    after = omni.get("/api/campaigns/SPRING")["data"]["attributes"]
    assert after.keys() == {"created_at", "updated_at", "definition"}
    for name in ("created_at", "updated_at"):
        assert after[name] == before[name]
    for name in ("name", "archived"):
        assert after["definition"][name] == before[name]


def test_campaigns_need_no_channel(client: Client, omni: Client) -> None:
    assert omni.ids("/api/campaigns") == ["AUTUMN", "SPRING"]
    assert omni.ids("/api/campaigns", filter="equals(archived,true)") == ["LASTYEAR"]
    assert omni.ids("/api/campaigns", filter='contains(name,"spring")') == ["SPRING"]
    assert omni.error("/api/campaigns", filter='equals(messages.channel,"email")')[0] == 400
    assert client.error("/api/campaigns")[0] == 400


def test_a_campaign_brings_its_messages_audiences_and_tags(omni: Client) -> None:
    page = omni.get(
        "/api/campaigns", include="campaign-audiences,campaign-messages,tags", filter='contains(name,"spring")'
    )
    (campaign,) = page["data"]
    linked = {name: [one["id"] for one in relation["data"]] for name, relation in campaign["relationships"].items()}
    assert linked == {
        "campaign-audiences": [audience_id("SPRING")],
        "campaign-messages": ["MAIL"],
        "tags": ["T1"],
    }
    assert {(one["type"], one["id"]) for one in page["included"]} == {
        ("campaign-audience", audience_id("SPRING")),
        ("campaign-message", "MAIL"),
        ("tag", "T1"),
    }


def test_audience_status_and_content_are_those_of_the_account(client: Client, omni: Client) -> None:
    campaign = client.get("/api/campaigns/SPRING")["data"]["attributes"]
    audience = definition(omni, f"/api/campaign-audiences/{audience_id('SPRING')}")
    assert {name: audience[name] for name in ("included", "excluded")} == campaign["audiences"]
    message = definition(omni, "/api/campaign-messages/MAIL")
    assert (message["status"], message["send_options"]["send_time"]) == ("sent", campaign["send_time"])
    assert definition(omni, "/api/campaign-messages/TEXT")["status"] == "draft"
    variation = omni.get("/api/campaign-messages/MAIL/campaign-variations")["data"][0]
    assert variation["id"] == variation_id("MAIL")
    assert variation["attributes"]["created"] == EARLY
    details = variation["attributes"]["definition"]["details"]
    assert (details["channel"], details["subject"], details["template_id"]) == ("email", "Hello", "TPL")
    text = definition(omni, f"/api/campaign-variations/{variation_id('TEXT')}")
    assert (text["details"]["channel"], text["details"]["body"]) == ("sms", "Hi")


@pytest.mark.parametrize(
    ("filter_", "found"),
    [
        ('equals(campaign_id,"SPRING")', ["MAIL"]),
        ('equals(status,"draft")', ["TEXT"]),
        ('contains(name,"one")', ["MAIL", "OLD", "TEXT"]),
        ('any(id,["MAIL","OLD"])', ["MAIL", "OLD"]),
        (f"greater-or-equal(updated,{LATE})", ["MAIL", "OLD", "TEXT"]),
        (f"greater-than(updated,{LATE})", []),
    ],
)
def test_messages_are_a_collection_of_their_own(omni: Client, filter_: str, found: list[str]) -> None:
    assert omni.ids("/api/campaign-messages", filter=filter_) == found


def test_what_is_new_answers_in_its_own_revision(omni: Client) -> None:
    for path in ("brand-logos", "translations", "text-messaging-senders", "billing-usage"):
        assert len(omni.get(f"/api/{path}")["data"]) == 1
        assert omni.ask(f"/api/{path}", headers={"revision": "2026-07-15"}).status_code == 404


def test_a_change_of_the_account_shows_in_both_revisions(client: Client, omni: Client, sandbox: Sandbox) -> None:
    campaign = sandbox.account.objects["campaign"]["AUTUMN"]
    was = campaign.attributes["name"]
    campaign.attributes["name"] = "Winter sale"
    sandbox.changed()
    assert client.get("/api/campaigns/AUTUMN")["data"]["attributes"]["name"] == "Winter sale"
    assert definition(omni, "/api/campaigns/AUTUMN")["name"] == "Winter sale"
    campaign.attributes["name"] = was
    sandbox.changed()
