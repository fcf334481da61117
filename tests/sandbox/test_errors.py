from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.server import Sandbox
from tests.sandbox.conftest import Client
from tests.sandbox.tiny import NOW, tiny_account


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    keys = {"pk_sandbox": frozenset({"*"}), "pk_narrow": frozenset({"events:read", "lists:read"})}
    tokens = {"oauth": frozenset({"*"})}
    with Sandbox(tiny_account(), keys=keys, tokens=tokens, now=NOW, limits="scaled", limits_factor=100) as running:
        yield running


def with_key(key: str) -> dict[str, str]:
    return {"Authorization": f"Klaviyo-API-Key {key}"}


@pytest.mark.parametrize(
    "authorization", ["", "Klaviyo-API-Key", "Klaviyo-API-Key pk_wrong", "Basic abc", "pk_sandbox"]
)
def test_a_wrong_or_missing_key_is_refused(client: Client, authorization: str) -> None:
    answer = client.ask("/api/lists", headers={"Authorization": authorization})
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["code"]) == (401, "not_authenticated")
    assert error["detail"] == "Missing or invalid private key."
    assert not [name for name in answer.headers if name.lower().startswith("ratelimit")]


def test_a_bearer_token_is_as_good_as_a_key(client: Client) -> None:
    assert client.ask("/api/lists", headers={"Authorization": "Bearer oauth"}).status_code == 200
    answer = client.ask("/api/lists", headers={"Authorization": "Bearer stale"})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (401, "authentication_failed")


def test_a_key_reaches_as_far_as_its_scopes(client: Client) -> None:
    assert client.ask("/api/events", headers=with_key("pk_narrow")).status_code == 200
    answer = client.ask("/api/lists/NEWS/profiles", headers=with_key("pk_narrow"))
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["code"]) == (403, "permission_denied")
    assert "profiles:read" in error["detail"]
    assert "lists:read" not in error["detail"]
    assert answer.headers["RateLimit-Limit"].startswith("7500, 7500;w=1")


@pytest.mark.parametrize("revision", [None, "", "yesterday", "2031-01-01", "2026-07-15.pre"])
def test_a_revision_is_compulsory_and_must_be_known(client: Client, revision: str | None) -> None:
    answer = client.session.get(f"{client.url}/api/lists", headers={"revision": revision})
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["source"]) == (400, {"parameter": "revision"})


def test_a_retired_revision_falls_forward_unless_the_client_opts_out(client: Client) -> None:
    retired = {"revision": "2023-02-22"}
    opted_out = retired | {"X-Klaviyo-Revision-Fall-Forward-Opt-Out": "1"}
    assert client.ask("/api/lists", headers=retired).status_code == 200
    assert client.ask("/api/lists", headers=opted_out).status_code == 410
    campaign = client.ask("/api/campaigns/SPRING", headers=retired).json()["data"]["attributes"]
    assert "status" in campaign, "the oldest shape that is still served"


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("/api/lists?sort=colour", "sort"),
        ("/api/lists?sort=name,created", "sort"),
        ("/api/lists?include=profiles", "include"),
        ("/api/events?include=attributions.campaign", "include"),
        ("/api/profiles?include=lists", "include"),
        ("/api/lists?fields[list]=colour", "fields[list]"),
        ("/api/lists?fields[profile]=email", "fields[profile]"),
        ("/api/lists?additional-fields[list]=profile_count", "additional-fields[list]"),
        ("/api/profiles?additional-fields[profile]=email", "additional-fields[profile]"),
        ("/api/lists?page[size]=11", "page[size]"),
        ("/api/lists?page[size]=0", "page[size]"),
        ("/api/lists?page[size]=ten", "page[size]"),
        ("/api/metrics?page[size]=10", "page[size]"),
        ("/api/accounts?page[cursor]=x", "page[cursor]"),
        ("/api/metrics?sort=name", "sort"),
        ("/api/coupons?filter=equals(id,'TEN')", "filter"),
        ("/api/lists?limit=10", "limit"),
    ],
)
def test_parameters_that_the_contract_does_not_know_are_refused(client: Client, path: str, parameter: str) -> None:
    status, error = client.error(path)
    assert (status, error["code"], error["source"]) == (400, "invalid", {"parameter": parameter})


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("/api/profiles/NOPE01", 404, "A profile with id NOPE01 does not exist."),
        ("/api/profiles/NOPE01/lists", 404, "A profile with id NOPE01 does not exist."),
        ("/api/flow-messages/NOPE01/template", 404, "A flow message with id NOPE01 does not exist."),
        ("/api/lists/NOPE01/relationships/profiles", 404, "A list with id NOPE01 does not exist."),
        ("/api/accounts/NOPE01", 404, "Account with id NOPE01 not found."),
        ("/api/events/NOPE01", 400, "Invalid Event ID: 'NOPE01'"),
        ("/api/mapped-metrics/nope", 400, "'nope' is not a valid choice for 'id'."),
        ("/api/nothing", 404, "The path /api/nothing could not be found."),
        ("/api/", 404, "The path /api/ could not be found."),
        ("/api/lists/NEWS/profiles/more/than/this", 404, "The path"),
    ],
)
def test_what_does_not_exist_is_said_in_the_words_of_the_api(
    client: Client, path: str, status: int, detail: str
) -> None:
    found, error = client.error(path)
    assert (found, error["status"]) == (status, status)
    assert error["detail"].startswith(detail)


def test_nothing_can_be_written(client: Client) -> None:
    assert client.session.post(f"{client.url}/api/lists", json={}).status_code == 405
    assert client.session.delete(f"{client.url}/api/profiles/ANNA").status_code == 405
