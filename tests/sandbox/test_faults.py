from __future__ import annotations

import json
import socket
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from sandbox.server import Sandbox
from tests.sandbox.conftest import HEADERS, Client
from tests.sandbox.tiny import NOW, tiny_account

PLAIN = {"Accept-Encoding": "identity"}


class Saboteur(Client):
    def order(self, **fault: Any) -> None:
        answer = self.session.post(f"{self.url}/sandbox/faults", json=fault)
        assert answer.status_code == 200, answer.text

    def statuses(self, path: str, count: int) -> list[int]:
        return [self.ask(path).status_code for _ in range(count)]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(tiny_account(), limits="off", now=NOW) as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[Saboteur]:
    client = Saboteur(sandbox.url)
    yield client
    client.session.delete(f"{client.url}/sandbox/faults")


def test_a_status_comes_so_often_and_so_late_as_ordered(client: Saboteur) -> None:
    client.order(kind="status", status=503, path="/api/events", times=2, after=3)
    assert client.statuses("/api/lists", 3) == [200] * 3
    assert client.statuses("/api/events", 7) == [200, 200, 200, 503, 503, 200, 200]


def test_a_status_comes_every_so_often(client: Saboteur) -> None:
    client.order(kind="status", status=500, path="/api/events", every=3)
    assert client.statuses("/api/events/", 7) == [200, 200, 500, 200, 200, 500, 200]


def test_a_status_comes_with_a_chance(client: Saboteur) -> None:
    client.order(kind="status", status=502, path="/api/lists", probability=0.5)
    found = client.statuses("/api/lists", 60)
    assert 15 < found.count(502) < 45


def test_a_path_may_be_a_pattern(client: Saboteur) -> None:
    client.order(kind="status", status=504, path="/api/lists/*")
    assert client.statuses("/api/lists", 1) + client.statuses("/api/lists/NEWS/profiles", 1) == [200, 504]


def test_a_failure_has_the_envelope_of_the_api(client: Saboteur) -> None:
    client.order(kind="status", status=500, retry_after=7, times=1)
    answer = client.ask("/api/lists")
    assert answer.json()["errors"][0]["status"] == 500
    assert answer.headers["Retry-After"] == "7"
    client.order(kind="status", status=429, retry_after=3)
    answer = client.ask("/api/lists")
    assert answer.json()["errors"][0]["code"] == "throttled"
    assert answer.headers["Retry-After"] == "3"


def test_a_challenge_of_the_front_door_is_html(client: Saboteur) -> None:
    client.order(kind="html")
    answer = client.ask("/api/lists")
    assert answer.status_code == 403
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.headers["cf-mitigated"] == "challenge"
    assert answer.text.startswith("<!DOCTYPE html>")


def raw(client: Client, path: str) -> tuple[bytes, Exception | None]:
    """What a socket receives, and the error it ends with."""
    host, port = client.url.removeprefix("http://").split(":")
    headers = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    received = b""
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n".encode())
        try:
            while piece := connection.recv(65_536):
                received += piece
        except OSError as error:
            return received, error
    return received, None


def test_a_reset_is_a_reset(client: Saboteur) -> None:
    client.order(kind="reset", path="/api/events", times=1)
    received, error = raw(client, "/api/events")
    assert isinstance(error, ConnectionResetError)
    assert received == b"" or received.startswith(b"HTTP/1.1 200")
    assert client.statuses("/api/events", 1) == [200]


@pytest.mark.parametrize("fault", [{"kind": "reset"}, {"kind": "truncated"}, {"kind": "truncated", "how": "chunked"}])
def test_a_broken_connection_is_noticed_by_the_client(client: Saboteur, fault: dict[str, Any]) -> None:
    client.order(path="/api/events", times=1, **fault)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        client.ask("/api/events")
    assert client.statuses("/api/events", 2) == [200, 200]


def test_a_truncated_body_is_shorter_than_announced(client: Saboteur) -> None:
    client.order(kind="truncated", path="/api/events", times=1)
    received, error = raw(client, "/api/events")
    head, _, body = received.partition(b"\r\n\r\n")
    announced = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    assert error is None
    assert len(body) == announced // 2


def test_a_body_cut_in_its_content_looks_whole_to_http(client: Saboteur) -> None:
    client.order(kind="truncated", how="json", path="/api/events", times=1)
    answer = client.ask("/api/events", headers=PLAIN)
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.content)


def test_a_zipped_body_cut_short_looks_whole_to_http(client: Saboteur) -> None:
    client.order(kind="truncated", how="gzip", path="/api/events", times=1)
    answer = client.session.get(f"{client.url}/api/events", stream=True)
    body = answer.raw.read(decode_content=False)
    assert len(body) == int(answer.headers["Content-Length"])
    unzip = zlib.decompressobj(wbits=31)
    unzip.decompress(body)
    assert not unzip.eof


def test_a_slow_body_trickles(client: Saboteur) -> None:
    client.order(kind="slow", path="/api/events", seconds=0.4, times=1)
    started = time.monotonic()
    answer = client.session.get(f"{client.url}/api/events", stream=True)
    first = time.monotonic() - started
    assert len(answer.json()["data"]) == 33
    assert first < 0.3
    assert time.monotonic() - started >= 0.4


def test_a_cursor_expires_on_demand(client: Saboteur) -> None:
    client.order(kind="expired_cursor", path="/api/events", times=1)
    first = client.get("/api/events", **{"page[size]": 20})
    status, error = client.error(first["links"]["next"])
    assert (status, error["detail"]) == (400, "Invalid cursor provided.")
    assert len(client.get(first["links"]["next"])["data"]) == 13


def test_an_order_that_makes_no_sense_is_refused(client: Saboteur) -> None:
    for fault in ({"kind": "gremlin"}, {}, {"kind": "reset", "frequency": 2}):
        assert client.session.post(f"{client.url}/sandbox/faults", json=fault).status_code == 400


def test_latency_does_not_queue(client: Saboteur) -> None:
    client.session.put(f"{client.url}/sandbox/settings", json={"latency": 0.3})
    started = time.monotonic()
    with ThreadPoolExecutor(50) as pool:
        statuses = list(pool.map(lambda _: Client(client.url).ask("/api/tags").status_code, range(50)))
    took = time.monotonic() - started
    client.session.put(f"{client.url}/sandbox/settings", json={"latency": 0})
    assert statuses == [200] * 50
    assert 0.3 <= took < 1.5
