"""Apps: codes for tokens, tokens for rows, and the ways in which that is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests

from sandbox.oauth import challenge
from sandbox.server import Sandbox
from tests.sandbox.tiny import NOW, tiny_account

REDIRECT = "http://127.0.0.1:9/callback"
VERIFIER = "v" * 43
APP = ("sandbox", "sandbox_secret")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(tiny_account(), limits="off", now=NOW) as running:
        yield running


def consent(sandbox: Sandbox, **other: str) -> dict[str, str]:
    """What the browser brings back."""
    asked = {
        "response_type": "code", "client_id": "sandbox", "redirect_uri": REDIRECT, "scope": "accounts:read lists:read",
        "state": "s", "code_challenge": challenge(VERIFIER), "code_challenge_method": "S256",
    }  # fmt: skip
    answer = requests.get(f"{sandbox.url}/oauth/authorize", asked | other, allow_redirects=False, timeout=10)
    assert answer.status_code == 302, answer.text
    assert answer.headers["Location"].startswith(REDIRECT)
    return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))


def token(sandbox: Sandbox, app: tuple[str, str] = APP, **form: str) -> tuple[int, Any]:
    answer = requests.post(f"{sandbox.url}/oauth/token", form, auth=app, timeout=10)
    return answer.status_code, answer.json()


def exchange(sandbox: Sandbox, app: tuple[str, str] = APP, **other: str) -> tuple[int, Any]:
    code = consent(sandbox)["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "code_verifier": VERIFIER}
    return token(sandbox, app, **(form | other))


def asks(sandbox: Sandbox, access: str, path: str) -> int:
    headers = {"Authorization": f"Bearer {access}", "revision": "2026-07-15"}
    return requests.get(f"{sandbox.url}/api/{path}", headers=headers, timeout=10).status_code


def test_an_app_that_is_let_in_may_read_what_it_asked_for_for_an_hour(sandbox: Sandbox) -> None:
    status, given = exchange(sandbox)
    assert (status, given["token_type"], given["expires_in"]) == (200, "Bearer", 3600)
    assert [asks(sandbox, given["access_token"], path) for path in ("accounts", "lists", "events")] == [200, 200, 403]
    sandbox.api.settings = replace(sandbox.api.settings, now=NOW.replace(hour=1))
    assert asks(sandbox, given["access_token"], "accounts") == 401


def test_a_refresh_token_is_good_once_or_as_long_as_it_is_told_to_be(sandbox: Sandbox) -> None:
    refresh = {"grant_type": "refresh_token", "refresh_token": exchange(sandbox)[1]["refresh_token"]}
    status, renewed = token(sandbox, **refresh)
    assert status == 200
    assert asks(sandbox, renewed["access_token"], "lists") == 200
    assert token(sandbox, **refresh)[1]["error"] == "invalid_grant"
    sandbox.api.settings = replace(sandbox.api.settings, rotates=False)
    again = refresh | {"refresh_token": renewed["refresh_token"]}
    assert [token(sandbox, **again)[0] for _ in range(2)] == [200, 200]
    requests.post(f"{sandbox.url}/oauth/revoke", {"token": renewed["refresh_token"]}, auth=APP, timeout=10)
    assert token(sandbox, **again)[1]["error"] == "invalid_grant"
    assert asks(sandbox, renewed["access_token"], "lists") == 401


@pytest.mark.parametrize(
    ("app", "other", "status", "error"),
    [
        (("sandbox", "wrong"), {}, 401, "invalid_client"),
        (APP, {"code_verifier": "w" * 43}, 400, "invalid_grant"),
        (APP, {"redirect_uri": "http://127.0.0.1:9/other"}, 400, "invalid_grant"),
        (APP, {"code": "none"}, 400, "invalid_grant"),
        (APP, {"grant_type": "password"}, 400, "invalid_grant_type"),
    ],
)
def test_a_code_is_exchanged_only_by_whoever_asked_for_it(
    sandbox: Sandbox, app: tuple[str, str], other: dict[str, str], status: int, error: str
) -> None:
    found, body = exchange(sandbox, app, **other)
    assert (found, body["error"]) == (status, error)


def test_without_a_challenge_or_a_merchants_consent_there_is_no_code(sandbox: Sandbox) -> None:
    assert consent(sandbox, code_challenge_method="plain")["error"] == "invalid_request"
    sandbox.api.settings = replace(sandbox.api.settings, consents=False)
    assert consent(sandbox)["error"] == "access_denied"
    unknown = requests.get(f"{sandbox.url}/oauth/authorize", {"client_id": "other"}, timeout=10)
    assert unknown.status_code == 400
