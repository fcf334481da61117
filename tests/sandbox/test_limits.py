from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from sandbox.contract import Endpoint, load
from sandbox.errors import ApiError
from sandbox.limits import Windows
from sandbox.server import Sandbox
from sandbox.settings import Settings
from tests.sandbox.conftest import HEADERS, Client
from tests.sandbox.tiny import MONDAY, tiny_account


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000_020.0  # where a second and a minute begin

    def __call__(self) -> float:
        return self.now


def endpoint(path: str, method: str = "GET") -> Endpoint:
    match = load("2026-07-15").match(method, path)
    assert match is not None
    return match.endpoint


def taken(windows: Windows, path: str, parameters: dict[str, str] | None = None, **settings: Any) -> dict[str, str]:
    return windows.take(endpoint(path), list((parameters or {}).items()), Settings(**settings))


def refused(windows: Windows, path: str, parameters: dict[str, str] | None = None) -> str | None:
    """The seconds to wait, if the request is refused."""
    try:
        taken(windows, path, parameters)
    except ApiError as error:
        return error.headers["Retry-After"]
    return None


def test_a_second_holds_the_burst_quota_and_no_more() -> None:
    windows = Windows(clock := Clock())
    assert [refused(windows, "flows") for _ in range(5)] == [None, None, None, "1", "1"]
    clock.now += 0.99
    assert refused(windows, "flows") == "1"
    clock.now += 0.01
    assert refused(windows, "flows") is None


def test_a_minute_holds_the_steady_quota_and_no_more() -> None:
    windows = Windows(clock := Clock())
    for _ in range(20):
        assert [refused(windows, "flows") for _ in range(3)] == [None] * 3
        clock.now += 1
    assert refused(windows, "flows") == "40"
    clock.now += 40
    assert refused(windows, "flows") is None


def test_the_longer_wait_is_told_when_several_quotas_are_exhausted() -> None:
    windows = Windows(clock := Clock())
    for _ in range(15):
        assert refused(windows, "accounts") is None
        clock.now += 1
    clock.now -= 1
    assert refused(windows, "accounts") == "46"


def test_a_day_holds_the_daily_quota_of_a_report() -> None:
    windows = Windows(clock := Clock())
    report = endpoint("campaign-values-reports", "POST")
    for number in range(225):
        windows.take(report, [], Settings())
        clock.now += 60 if number % 2 else 1
    with pytest.raises(ApiError) as caught:
        windows.take(report, [], Settings())
    assert int(caught.value.headers["Retry-After"]) == 86_400 - int(clock.now % 86_400)


def test_refused_requests_do_not_count() -> None:
    windows = Windows(clock := Clock())
    for _ in range(100):
        refused(windows, "accounts")
    clock.now += 1
    assert refused(windows, "accounts") is None


def test_endpoints_do_not_share_a_quota() -> None:
    windows = Windows(Clock())
    assert [refused(windows, "accounts"), refused(windows, "accounts/ACC")] == [None, None]
    assert [refused(windows, "accounts/ACC"), refused(windows, "accounts/OTHER")] == ["1", "1"]


def test_a_costly_parameter_has_a_smaller_quota_of_its_own() -> None:
    windows = Windows(Clock())
    costly = {"additional-fields[profile]": "subscriptions,predictive_analytics"}
    assert taken(windows, "profiles", costly)["RateLimit-Limit"] == "10, 10;w=1, 150;w=60"
    cheap = taken(windows, "profiles", {"additional-fields[profile]": "subscriptions"})
    assert cheap["RateLimit-Limit"] == "75, 75;w=1, 750;w=60"
    assert cheap["RateLimit-Remaining"] == "74"
    # It is counted over all the endpoints that know the parameter.
    assert [refused(windows, "lists/NEWS/profiles", costly) for _ in range(10)] == [None] * 9 + ["1"]
    assert taken(windows, "profiles/ANNA", {"include": "lists"})["RateLimit-Limit"] == "1, 1;w=1, 15;w=60"


def test_quotas_can_be_scaled() -> None:
    headers = taken(Windows(Clock()), "events", limits="scaled", limits_factor=0.1)
    assert headers["RateLimit-Limit"] == "35, 35;w=1, 350;w=60"
    assert headers["RateLimit-Remaining"] == "34"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    keys = {"pk_sandbox": frozenset({"*"}), "pk_other": frozenset({"*"})}
    with Sandbox(tiny_account(), keys=keys, tokens={"oauth": frozenset({"*"})}) as running:
        yield running


def test_success_tells_what_is_left_of_the_second(client: Client) -> None:
    headers = client.ask("/api/events?filter=less-than(datetime,2026-01-01)").headers
    assert headers["RateLimit-Limit"] == "350, 350;w=1, 3500;w=60"
    assert headers["RateLimit-Remaining"] == "349"
    assert headers["RateLimit-Reset"] == "0"
    assert "Retry-After" not in headers


def exhausted(client: Client, path: str) -> requests.Response:
    deadline = time.monotonic() + 5
    while (answer := client.ask(path)).status_code == 200 and time.monotonic() < deadline:
        pass
    return answer


def test_a_refusal_says_only_when_to_come_again(client: Client) -> None:
    answer = exhausted(client, "/api/web-feeds")
    (error,) = answer.json()["errors"]
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "1"
    assert not [name for name in answer.headers if name.lower().startswith("ratelimit")]
    assert (error["status"], error["code"], error["meta"]) == (429, "throttled", [])
    assert error["detail"] == "Request was throttled. Expected available in 1 second."
    assert "type" in error["links"]
    time.sleep(1)
    assert client.ask("/api/web-feeds").status_code == 200


def test_the_keys_of_an_account_share_its_quotas(client: Client) -> None:
    exhausted(client, "/api/webhooks")
    other = {**HEADERS, "Authorization": "Klaviyo-API-Key pk_other"}
    statuses = {client.ask("/api/webhooks", headers=other).status_code for _ in range(3)}
    assert 429 in statuses


def test_an_app_has_quotas_of_its_own(client: Client) -> None:
    app = {**HEADERS, "Authorization": "Bearer oauth"}
    exhausted(client, "/api/webhook-topics")
    assert client.ask("/api/webhook-topics", headers=app).status_code == 200


def test_aggregates_have_quotas_too(client: Client) -> None:
    statuses = [client.ask_aggregate(start=MONDAY, days=1).status_code for _ in range(8)]
    assert 429 in statuses
