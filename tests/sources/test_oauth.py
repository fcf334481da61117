"""Tokens that end, rotate and are revoked while they are used."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from sandbox.oauth import Consent
from sandbox.server import Sandbox
from sources.klaviyo import REVISION, contract
from sources.klaviyo.account import page
from sources.klaviyo.client import Client
from sources.klaviyo.errors import Unauthorized
from sources.klaviyo.oauth import App, Grant, Tokens, challenge
from sources.klaviyo.tally import Tally
from tests.sandbox.tiny import tiny_account

LISTS = contract.load(REVISION).collection("/api/lists")


@dataclass
class Memory:
    """A store that any number of processes could share."""

    grant: Grant | None = None

    def read(self) -> Grant | None:
        return self.grant

    @contextmanager
    def replacing(self) -> Iterator[Callable[[Grant], None]]:
        def replace_(grant: Grant) -> None:
            self.grant = grant

        yield replace_


@dataclass
class Let:
    """An app that has been let in."""

    sandbox: Sandbox
    store: Memory
    app: App

    @property
    def grant(self) -> Grant:
        assert self.store.grant
        return self.store.grant

    @property
    def refreshed(self) -> int:
        return sum(one["path"] == "/oauth/token" for one in self.sandbox.api.requests)

    def process(self) -> Client:
        return Client(Tokens(self.app, self.store), self.sandbox.url, REVISION)

    def forget_access(self) -> None:
        self.sandbox.api.oauth.access.clear()


def read(client: Client, tally: Tally | None = None) -> int:
    return len(client.read(LISTS, "/api/lists", page, tally or Tally("lists")).data)


@pytest.fixture
def let(monkeypatch: pytest.MonkeyPatch) -> Iterator[Let]:
    monkeypatch.setattr("sources.klaviyo.limits.Limiter.acquire", lambda *_: 0.0)
    with Sandbox(tiny_account(), limits="off") as running:
        consent = Consent("sandbox", "lists:read", used_at=time.time())
        running.api.oauth.renew(consent)
        app = App(client_id="sandbox", client_secret="sandbox_secret", base_url=running.url)
        never = Grant(
            client_id="sandbox", access_token="never", refresh_token=consent.refresh, expires_at=time.time() + 9e9
        )
        yield Let(running, Memory(never), app)


def test_an_access_token_that_is_refused_is_renewed_once_for_all_lanes(let: Let) -> None:
    let.sandbox.api.settings = replace(let.sandbox.api.settings, latency=0.05)
    client = let.process()
    with ThreadPoolExecutor(12) as pool:
        assert {*pool.map(lambda _: read(client), range(48))} == {read(client)}
        assert let.refreshed == 1
        let.forget_access()
        assert {*pool.map(lambda _: read(client), range(48))} == {read(client)}
    assert let.refreshed == 2


def test_what_the_renewal_took_is_counted(let: Let) -> None:
    tally = Tally("lists")
    read(let.process(), tally)
    assert (tally.requests, tally.retries) == (2, 1)


def test_a_token_is_renewed_before_it_ends(let: Let) -> None:
    let.store.grant = msgspec.structs.replace(let.grant, expires_at=time.time() + 30)
    read(let.process())
    assert [one["status"] for one in let.sandbox.api.requests] == [200, 200]


def test_a_refresh_token_is_kept_as_the_answer_gives_it(let: Let) -> None:
    first = let.grant.refresh_token
    read(let.process())
    assert let.grant.refresh_token not in {"", first}
    let.sandbox.api.settings = replace(let.sandbox.api.settings, rotates=False)
    kept = let.grant.refresh_token
    let.forget_access()
    read(let.process())
    assert let.grant.refresh_token == kept


def test_what_another_process_has_renewed_is_taken_over(let: Let) -> None:
    one, other = let.process(), let.process()
    read(one)
    read(other)
    let.forget_access()
    read(one)
    read(other)
    assert let.refreshed == 2


def test_revoked_tokens_say_what_to_do_and_nothing_else(let: Let) -> None:
    client = let.process()
    read(client)
    let.app.revoke(let.grant)
    with pytest.raises(Unauthorized, match="klaviyo-etl auth login") as caught:
        read(client)
    for secret in (let.grant.access_token, let.grant.refresh_token, let.app.client_secret):
        assert secret not in f"{caught.value}{let.grant!r}{let.app!r}{client!r}"


def test_tokens_that_are_refused_although_fresh_are_not_renewed_for_ever(let: Let) -> None:
    let.sandbox.api.settings = replace(let.sandbox.api.settings, token_seconds=-1)
    with pytest.raises(Unauthorized, match="auth login"):
        read(let.process())
    assert let.refreshed <= 2


def test_a_wrong_secret_is_told_from_revoked_tokens(let: Let) -> None:
    wrong = replace(let.app, client_secret="wrong")
    with pytest.raises(Unauthorized, match="client_secret"):
        wrong.refresh(let.grant)


def test_consent_is_asked_for_where_merchants_log_in() -> None:
    app = App(client_id="id", client_secret="secret")
    address = urlsplit(app.consent_address(redirect="http://127.0.0.1:1/", scopes={"b", "a"}, state="s", verifier="v"))
    assert (address.netloc, address.path) == ("www.klaviyo.com", "/oauth/authorize")
    assert parse_qs(address.query)["scope"] == ["a b"]
    assert parse_qs(address.query)["code_challenge"] == [challenge("v")]
    assert "secret" not in address.query


def test_the_challenge_is_that_of_the_standard() -> None:
    # RFC 7636, appendix B
    assert challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
