"""The client against real servers: a sandbox that breaks on demand, and one that answers what it is told."""

from __future__ import annotations

import gzip
import json
import logging
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.server import Sandbox
from sources.klaviyo.client import FIRST_CONTACT_ATTEMPTS, Client
from sources.klaviyo.contract import Contract, Endpoint
from sources.klaviyo.errors import (
    BadRequest,
    CursorExpired,
    KlaviyoError,
    MalformedPage,
    NotFound,
    NotPermitted,
    Refused,
    RevisionRetired,
    Unauthorized,
    Unreachable,
)
from sources.klaviyo.extraction import Extraction
from sources.klaviyo.resources import select
from sources.klaviyo.tally import Tally
from tests.sources.clock import Clock
from tests.sources.conftest import Connect
from tests.sources.pages import REVISION, page
from tests.sources.scripted import EMPTY, Reply, Scripted

KEY = "pk_a_key_that_nobody_may_see"
HTML = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head></html>"
HTML_HEADERS = {"Content-Type": "text/html; charset=UTF-8"}


@pytest.fixture
def connect(connect: Connect) -> Connect:
    """As everywhere, with a key that is easy to find."""

    def connected(url: str, key: str = KEY, **settings: Any) -> Client:
        return connect(url, key, **settings)

    return connected


@pytest.fixture(scope="module")
def lists(facts: Contract) -> Endpoint:
    return facts.collection("/api/lists")


def parse(body: bytes) -> list[str]:
    ids: list[str] = page(body, "lists").rows["lists"]["id"].to_pylist()
    return ids


def read(client: Client, endpoint: Endpoint, target: str = "", tally: Tally | None = None) -> list[str]:
    return client.read(endpoint, target or endpoint.path, parse, tally or Tally("lists"))


def break_it(sandbox: Sandbox, **fault: Any) -> None:
    requests.post(f"{sandbox.url}/sandbox/faults", json=fault, timeout=10).raise_for_status()


def refusal(status: int, detail: str = "No.", **headers: str) -> Reply:
    return Reply(status, json.dumps({"errors": [{"status": status, "detail": detail}]}).encode(), headers)


def listed(*ids: str) -> bytes:
    return json.dumps({"data": [{"type": "list", "id": id_} for id_ in ids]}).encode()


# --- what is sent --------------------------------------------------------------------------------------------------


def test_every_request_carries_the_key_the_revision_and_the_refusal_to_fall_forward(
    connect: Connect, lists: Endpoint
) -> None:
    with Scripted() as server:
        read(connect(server.url), lists, "/api/lists?sort=id")
    (asked,) = server.asked
    assert asked.path == "/api/lists?sort=id"
    assert asked.headers["authorization"] == f"Klaviyo-API-Key {KEY}"
    assert asked.headers["revision"] == REVISION
    assert asked.headers["x-klaviyo-revision-fall-forward-opt-out"] == "1"
    assert asked.headers["accept"] == "application/vnd.api+json"
    assert asked.headers["accept-encoding"] == "gzip"
    assert asked.headers["user-agent"].startswith("klaviyo-etl/")


def test_a_netrc_of_the_user_does_not_replace_the_key(
    connect: Connect, lists: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("default login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with Scripted() as server:
        read(connect(server.url), lists)
    assert server.asked[0].headers["authorization"] == f"Klaviyo-API-Key {KEY}"


def test_a_base_url_may_end_in_a_slash(connect: Connect, lists: Endpoint) -> None:
    with Scripted() as server:
        read(connect(f"{server.url}/"), lists)
    assert server.asked[0].path == "/api/lists"


def test_answers_may_be_compressed(connect: Connect, lists: Endpoint) -> None:
    with Scripted(Reply(body=gzip.compress(listed("L1")), headers={"Content-Encoding": "gzip"})) as server:
        assert read(connect(server.url), lists) == ["L1"]


def test_one_connection_serves_request_after_request_whatever_the_answers(connect: Connect, lists: Endpoint) -> None:
    with Scripted(Reply(), Reply(503), refusal(429), refusal(404), Reply()) as server:
        client = connect(server.url)
        read(client, lists)
        with pytest.raises(BadRequest):
            read(client, lists)
        read(client, lists)
    assert len(server.asked) == 5
    assert len({asked.connection for asked in server.asked}) == 1


def test_threads_share_one_client(connect: Connect, lists: Endpoint, sandbox: Sandbox) -> None:
    client, tally = connect(sandbox.url, "pk_sandbox"), Tally("lists")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: read(client, lists, tally=tally), range(40)))
    assert all(answer == answers[0] for answer in answers)
    assert len(sandbox.api.requests) == 40


# --- what is tried again -------------------------------------------------------------------------------------------

FAULTS = {
    "500": {"kind": "status", "status": 500},
    "502": {"kind": "status", "status": 502},
    "503": {"kind": "status", "status": 503},
    "504": {"kind": "status", "status": 504},
    "524": {"kind": "status", "status": 524},
    "429": {"kind": "status", "status": 429},
    "a reset": {"kind": "reset"},
    "a body shorter than announced": {"kind": "truncated", "how": "length"},
    "a chunked body cut": {"kind": "truncated", "how": "chunked"},
    "a gzip stream cut": {"kind": "truncated", "how": "gzip"},
    "a document cut": {"kind": "truncated", "how": "json"},
    "a challenge in HTML, 403": {"kind": "html", "status": 403},
    "a page in HTML, 200": {"kind": "html", "status": 200},
    "a page in HTML, 404": {"kind": "html", "status": 404},
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_passing_fault_is_asked_away(
    fault: dict[str, Any], sandbox: Sandbox, connect: Connect, lists: Endpoint
) -> None:
    client = connect(sandbox.url, "pk_sandbox")
    whole = read(client, lists)
    break_it(sandbox, **fault, times=2)
    tally = Tally("lists")
    assert read(client, lists, tally=tally) == whole
    assert (tally.requests, tally.retries) == (3, 2)
    assert tally.throttled == (2 if fault.get("status") == 429 else 0)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_lasting_fault_is_given_up_after_a_bounded_number_of_tries(
    fault: dict[str, Any], sandbox: Sandbox, connect: Connect, lists: Endpoint
) -> None:
    client = connect(sandbox.url, "pk_sandbox", attempts=3, patience=20.0)
    read(client, lists)
    sandbox.api.requests.clear()
    break_it(sandbox, **fault)
    with pytest.raises(Unreachable, match="/api/lists: no usable answer"):
        read(client, lists)
    # A refusal for the rate is no failure: only time runs out.
    assert len(sandbox.api.requests) == (21 if fault.get("status") == 429 else 3)


@pytest.mark.parametrize("status", [408, 425, 520, 521, 522, 523, 529])
def test_the_networks_own_status_codes_are_tried_again(status: int, connect: Connect, lists: Endpoint) -> None:
    with Scripted(Reply(status), Reply(body=listed("L1"))) as server:
        assert read(connect(server.url), lists) == ["L1"]


def test_a_truncated_error_body_is_tried_again_too(connect: Connect, lists: Endpoint) -> None:
    with Scripted(Reply(400, b'{"errors":[]}', cut=3), Reply(200, EMPTY, cut=5), Reply(reset=True), Reply()) as server:
        read(connect(server.url), lists)
    assert len(server.asked) == 4


def test_pauses_grow_with_every_failure_and_never_beyond_a_minute(
    connect: Connect, lists: Endpoint, clock: Clock
) -> None:
    with Scripted(Reply(), Reply(503)) as server:
        client = connect(server.url, attempts=12)
        read(client, lists)
        with pytest.raises(Unreachable):
            read(client, lists)
    assert len(clock.slept) == 11
    for pause, usual in zip(clock.slept, [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60], strict=True):
        assert usual * 0.75 <= pause <= usual * 1.25


def test_the_retry_after_of_a_429_is_waited_for_by_everyone(connect: Connect, lists: Endpoint, clock: Clock) -> None:
    throttled = refusal(429, "Request was throttled.", **{"Retry-After": "37"})
    with Scripted(throttled, Reply()) as server:
        client, tally, started = connect(server.url), Tally("lists"), clock.now
        read(client, lists, tally=tally)
    assert clock.now - started == pytest.approx(37)
    assert (tally.requests, tally.throttled, tally.retries) == (2, 1, 1)
    assert tally.waited == pytest.approx(37)


def test_the_retry_after_of_a_503_is_waited_for(connect: Connect, lists: Endpoint, clock: Clock) -> None:
    with Scripted(Reply(503, headers={"Retry-After": "20"}), Reply()) as server:
        started = clock.now
        read(connect(server.url), lists)
    assert clock.now - started == pytest.approx(20)


@pytest.mark.parametrize("text", ["", "soon", "-5", "Sun, 22 Nov 2026 06:00:00 GMT"])
def test_a_retry_after_that_is_no_number_is_a_second(
    text: str, connect: Connect, lists: Endpoint, clock: Clock
) -> None:
    with Scripted(refusal(429, **{"Retry-After": text}), Reply()) as server:
        started = clock.now
        read(connect(server.url), lists)
    assert clock.now - started == pytest.approx(1)


def test_a_pause_longer_than_our_patience_is_not_waited_for(connect: Connect, lists: Endpoint, clock: Clock) -> None:
    with Scripted(refusal(429, **{"Retry-After": "40000"})) as server, pytest.raises(Unreachable, match="rate limit"):
        read(connect(server.url), lists)
    assert clock.slept == []
    assert len(server.asked) == 1


def test_failures_do_not_add_up_across_requests(connect: Connect, lists: Endpoint) -> None:
    with Scripted(*[Reply(), Reply(503), Reply(503)] * 5, Reply()) as server:
        client = connect(server.url, attempts=3)
        for _ in range(6):
            read(client, lists)
    assert len(server.asked) == 16


# --- a host that never answers -------------------------------------------------------------------------------------


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address where nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


def test_a_host_that_never_answered_is_given_up_soon(
    nobody: str, connect: Connect, lists: Endpoint, clock: Clock
) -> None:
    client, tally = connect(nobody), Tally("lists")
    with pytest.raises(Unreachable) as given_up:
        read(client, lists, "/api/lists?filter=anna", tally)
    assert tally.requests == FIRST_CONTACT_ATTEMPTS < client.attempts
    assert sum(clock.slept) < 10
    assert str(given_up.value).startswith(f"{nobody}/api/lists: no usable answer")
    assert "anna" not in str(given_up.value)
    assert not client.contacted


def test_a_host_that_has_answered_is_given_more_time(connect: Connect, lists: Endpoint) -> None:
    with Scripted(Reply(), Reply(reset=True)) as server:
        client = connect(server.url)
        read(client, lists)
        with pytest.raises(Unreachable):
            read(client, lists)
    assert client.contacted
    assert len(server.asked) == 1 + client.attempts


# --- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "detail", "error"),
    [
        (400, "'equals' is not an allowed filter operator", BadRequest),
        (400, "Invalid cursor provided.", CursorExpired),
        (401, "Missing or invalid private key.", Unauthorized),
        (403, "You do not have permission to perform this action.", NotPermitted),
        (404, "A list with id X does not exist.", NotFound),
        (410, "This revision has been retired.", RevisionRetired),
        (422, "Unprocessable.", BadRequest),
    ],
)
def test_a_refusal_is_raised_as_what_it_means_and_not_tried_again(
    status: int, detail: str, error: type[Refused], connect: Connect, lists: Endpoint
) -> None:
    with Scripted(refusal(status, detail)) as server, pytest.raises(Refused) as refused:
        read(connect(server.url), lists)
    assert type(refused.value) is error
    assert len(server.asked) == 1
    assert status == 401 or (detail in str(refused.value) and "GET /api/lists" in str(refused.value))


def test_a_refusal_is_known_by_what_it_says_whatever_it_is_announced_as(connect: Connect, lists: Endpoint) -> None:
    told = refusal(404, "A list with id X does not exist.", **{"Content-Type": "text/plain"})
    with Scripted(told) as server, pytest.raises(NotFound):
        read(connect(server.url), lists)
    assert len(server.asked) == 1


def test_what_is_not_permitted_names_the_scopes_that_the_key_needs(connect: Connect, lists: Endpoint) -> None:
    with Scripted(refusal(403)) as server, pytest.raises(NotPermitted, match="the key needs lists:read"):
        read(connect(server.url), lists)


def test_a_wrong_key_names_the_setting_to_check(sandbox: Sandbox, connect: Connect, lists: Endpoint) -> None:
    with pytest.raises(Unauthorized, match=r"sources\.klaviyo\.api_key"):
        read(connect(sandbox.url), lists)


def test_a_retired_revision_fails_loudly(sandbox: Sandbox, lists: Endpoint) -> None:
    client = Client("pk_sandbox", sandbox.url, "2024-10-15")
    with pytest.raises(RevisionRetired):
        read(client, lists)


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'{"errors":[]}', b'{"errors":{}}', b'{"errors":["x"]}', b"{"])
def test_a_refusal_without_an_explanation_is_a_refusal_all_the_same(
    body: bytes, connect: Connect, lists: Endpoint
) -> None:
    with Scripted(Reply(400, body)) as server, pytest.raises(BadRequest, match="no detail given"):
        read(connect(server.url), lists)


def test_a_long_explanation_is_cut(connect: Connect, lists: Endpoint) -> None:
    with Scripted(refusal(400, "x" * 5_000)) as server, pytest.raises(BadRequest) as refused:
        read(connect(server.url), lists)
    assert len(str(refused.value)) < 400


# --- the key -------------------------------------------------------------------------------------------------------


def test_a_link_to_another_host_is_followed_on_our_own(connect: Connect, lists: Endpoint) -> None:
    with Scripted() as ours, Scripted() as other:
        read(connect(ours.url), lists, f"{other.url}/api/lists/?page%5Bcursor%5D=a%2Bb")
    assert other.asked == []
    assert [asked.path for asked in ours.asked] == ["/api/lists/?page%5Bcursor%5D=a%2Bb"]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status: int, connect: Connect, lists: Endpoint) -> None:
    with Scripted() as other:
        reply = Reply(status, b"{}", {"Location": f"{other.url}/api/lists"})
        with Scripted(reply) as ours, pytest.raises(KlaviyoError):
            read(connect(ours.url), lists)
    assert other.asked == []


@pytest.mark.parametrize(
    ("link", "asked"),
    [
        ("https://evil.example/api/lists?a=b#c", "/api/lists?a=b"),
        ("//evil.example/api/lists", "/api/lists"),
        ("/api/lists", "/api/lists"),
        ("https://evil.example/api/lists/?page%5Bcursor%5D=a%2Bb", "/api/lists/?page%5Bcursor%5D=a%2Bb"),
    ],
)
def test_a_link_is_reduced_to_its_path_and_query(link: str, asked: str, connect: Connect, lists: Endpoint) -> None:
    with Scripted() as server:
        read(connect(server.url), lists, link)
    assert [one.path for one in server.asked] == [asked]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(500),
        Reply(reset=True),
        Reply(200, EMPTY, cut=4),
        Reply(403, HTML, HTML_HEADERS),
        Reply(200, HTML, HTML_HEADERS),
        Reply(200, b"not gzip", {"Content-Encoding": "gzip"}),
        refusal(429, **{"Retry-After": "5000"}),
        refusal(400),
        refusal(401),
        refusal(403),
        refusal(410),
    ],
    ids=lambda reply: f"{reply.status} {reply.body[:10]!r}",
)
def test_no_error_and_no_log_shows_the_key(
    reply: Reply, connect: Connect, lists: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="sources.klaviyo")
    with Scripted(reply) as server, pytest.raises(KlaviyoError) as failed:
        read(connect(server.url), lists)
    assert KEY not in str(failed.value)
    assert KEY not in repr(failed.value)
    assert KEY not in caplog.text


def test_nothing_that_holds_the_key_shows_it(connect: Connect) -> None:
    client = connect("http://nowhere")
    assert KEY not in repr(client)
    assert KEY not in repr(Extraction(client, select(["lists"])))


def test_a_failure_names_its_cause_without_bodies_or_addresses(connect: Connect, lists: Endpoint) -> None:
    causes = {
        "status 500": Reply(500, b"anna@example.com"),
        "ProtocolError": Reply(reset=True),
        "status 403": Reply(403, HTML, HTML_HEADERS),
        "not a JSON:API collection": Reply(200, HTML, HTML_HEADERS),
        "not gzip as announced": Reply(200, b"anna@example.com", {"Content-Encoding": "gzip"}),
    }
    for cause, reply in causes.items():
        with Scripted(reply) as server, pytest.raises(Unreachable) as failed:
            read(connect(server.url), lists)
        assert cause in str(failed.value)
        assert "anna" not in str(failed.value)
        assert "?" not in str(failed.value)


# --- what is counted -----------------------------------------------------------------------------------------------


def test_bytes_are_counted_as_they_are_unpacked_and_requests_as_they_are_sent(
    connect: Connect, lists: Endpoint
) -> None:
    packed = Reply(body=gzip.compress(EMPTY), headers={"Content-Encoding": "gzip"})
    with Scripted(Reply(503, b"x" * 100), packed) as server:
        tally = Tally("lists")
        read(connect(server.url), lists, tally=tally)
    assert (tally.requests, tally.retries, tally.throttled, tally.bytes) == (2, 1, 0, 100 + len(EMPTY))


def test_an_error_in_our_own_parsing_is_not_taken_for_the_networks(connect: Connect, lists: Endpoint) -> None:
    def broken(_: bytes) -> None:
        raise ZeroDivisionError

    with Scripted() as server, pytest.raises(ZeroDivisionError):
        connect(server.url).read(lists, "/api/lists", broken, Tally("lists"))
    assert len(server.asked) == 1


def test_a_malformed_page_is_asked_for_again(connect: Connect, lists: Endpoint) -> None:
    bodies: list[bytes] = []

    def picky(body: bytes) -> int:
        bodies.append(body)
        if len(bodies) < 3:
            raise MalformedPage("not yet")
        return len(bodies)

    with Scripted() as server:
        assert connect(server.url).read(lists, "/api/lists", picky, Tally("lists")) == 3
