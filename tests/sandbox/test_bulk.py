from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, cast

import msgspec
import pytest

from sandbox.account import Account
from sandbox.bulk import bulk
from sandbox.bulk.calendar import HOURS, Calendar
from sandbox.bulk.events import BulkEvents
from sandbox.bulk.profiles import Profiles
from sandbox.contract import load
from sandbox.jsonapi import Renderer
from sandbox.query import read
from sandbox.relations import Relations, event_object
from sandbox.server import Sandbox
from tests.sandbox.conftest import Client

UNTIL = datetime(2026, 7, 1, tzinfo=UTC)
END = int(UNTIL.timestamp())
EVENTS, PROFILES = 30_000, 5_000


@pytest.fixture(scope="module")
def account() -> Account:
    return bulk(EVENTS, PROFILES, UNTIL)


@pytest.fixture(scope="module")
def client(account: Account) -> Iterator[Client]:
    with Sandbox(account, limits="off", now=UNTIL) as running:
        yield Client(running.url)


def people(account: Account) -> Profiles:
    return cast("Profiles", account.objects["profile"])


def instants(rows: list[Any], field: str) -> list[datetime]:
    return [datetime.fromisoformat(row["attributes"][field]) for row in rows]


# --- when -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 40, 30_000, 3_000_000])
def test_a_second_begins_where_its_index_says(count: int) -> None:
    calendar = Calendar(count, END)
    for index in range(0, count, max(1, count // 997)):
        second, first, stop = calendar.second_of(index)
        assert first <= index < stop
        assert (calendar.index(second), calendar.index(second + 1)) == (first, stop)
    assert calendar.index(calendar.begin - 1) == 0
    assert calendar.index(END) == count


def test_the_seconds_of_a_year_hold_every_event_once() -> None:
    calendar = Calendar(100_000, END)
    seconds = list(calendar.seconds(0, 100_000))
    assert [first for _, first, _ in seconds] == [0, *(stop for _, _, stop in seconds[:-1])]
    assert seconds[-1][2] == 100_000
    assert all(one[0] < other[0] for one, other in pairwise(seconds))
    assert seconds[0][0] >= END - HOURS * 3_600
    assert seconds[-1][0] < END


def test_a_campaign_fills_an_hour_and_a_second_and_nights_are_quiet() -> None:
    calendar = Calendar(1_000_000, END)
    hours = [calendar.hour(number) for number in range(HOURS)]
    assert max(hour.size for hour in hours) == pytest.approx(50_000, rel=0.05)
    assert max(stop - first for hour in hours if hour.burst for _, first, stop in [calendar.second_of(hour.first)]) > 20_000 * 0.95  # fmt: skip
    by_hour = Counter[int]()
    for number, hour in enumerate(hours):
        by_hour[number % 24] += hour.size
    assert by_hour[3] * 20 < by_hour[20]


# --- events ---------------------------------------------------------------------------------------------------------


def test_an_event_is_found_by_its_id_and_by_its_key(account: Account) -> None:
    events = account.events
    for index in range(0, EVENTS, 37):
        event = events.at(index)
        assert events.get(event.id) == event
        assert events.index(event.second, event.id) == index
    assert events.get("AAAAAAAAAAA") is None
    assert events.get("not an id") is None


def test_events_come_in_the_order_of_second_and_id_and_are_all_different(account: Account) -> None:
    keys = [(event.second, event.id) for event in account.events.some(range(EVENTS))]
    assert all(one < other for one, other in pairwise(keys))
    assert len({id_ for _, id_ in keys}) == EVENTS
    assert {len(id_) for _, id_ in keys} == {11}


def test_a_burst_of_tens_of_thousands_has_an_id_for_each() -> None:
    events = bulk(1_000_000, 10, UNTIL).events
    assert isinstance(events, BulkEvents)
    hour = max((events.calendar.hour(number) for number in range(HOURS)), key=lambda hour: hour.burst)
    ids = [events.id(hour.first + place) for place in range(0, hour.burst, 7)]
    assert all(one < other for one, other in pairwise(ids))


def test_events_are_about_a_kilobyte_of_many_metrics_and_all_their_own(account: Account) -> None:
    some = account.events.some(range(5_000))
    properties = [msgspec.json.encode(event.properties) for event in some]
    assert 1_100 < sum(map(len, properties)) / len(properties) < 1_300
    assert len(set(properties)) == len({event.uuid for event in some}) == 5_000
    assert len({event.metric_id for event in account.events.some(range(EVENTS))}) == 25
    assert 0.005 < sum(bool(event.attributions) for event in some) / 5_000 < 0.05
    assert all(account.objects["profile"][event.profile_id or ""] for event in some[:100])


def test_an_account_is_the_same_for_the_same_size(account: Account) -> None:
    again = bulk(EVENTS, PROFILES, UNTIL)
    indexes = range(0, EVENTS, 997)
    assert [again.events.at(index) for index in indexes] == [account.events.at(index) for index in indexes]
    assert people(again).at(17) == people(account).at(17)


def test_events_neither_come_nor_go(account: Account) -> None:
    event = account.events.at(0)
    with pytest.raises(ValueError, match="cannot be added"):
        account.events.add(event)
    with pytest.raises(ValueError, match="cannot be removed"):
        account.events.remove(event.id)


@pytest.mark.parametrize("query", ["", "include=attributions", "fields[event]=datetime", "include=metric,attributions"])
@pytest.mark.parametrize("sort", ["datetime", "-datetime"])
def test_pages_are_spelled_as_the_general_renderer_would(
    account: Account, client: Client, query: str, sort: str
) -> None:
    endpoint = load("2026-07-15").match("GET", "events")
    assert endpoint is not None
    asked = read(query, endpoint.endpoint)
    renderer = Renderer(client.url, endpoint.endpoint, asked, Relations(account, load("2026-07-15")))
    document = client.get(f"/api/events?sort={sort}&page[size]=1000&{query}")
    places = range(1_000) if sort == "datetime" else range(EVENTS - 1, EVENTS - 1_001, -1)
    objects = [event_object(account.events.at(index)) for index in places]
    assert document["data"] == [renderer.primary(one) for one in objects]
    if query:
        assert document.get("included", []) == renderer.included(objects)


def test_a_walk_over_a_burst_sees_each_event_once(account: Account, client: Client) -> None:
    assert isinstance(account.events, BulkEvents)
    calendar = account.events.calendar
    hour = max((calendar.hour(number) for number in range(HOURS)), key=lambda hour: hour.size)
    start = datetime.fromtimestamp(hour.begin, UTC)
    bounds = f"greater-or-equal(datetime,{start:%FT%TZ}),less-than(datetime,{start + timedelta(hours=1):%FT%TZ})"
    expected = [account.events.at(index).id for index in range(hour.first, hour.first + hour.size)]
    assert len(expected) > 1_000
    for sort, ids in (("datetime", expected), ("-datetime", expected[::-1])):
        assert client.ids("/api/events", filter=bounds, sort=sort, **{"page[size]": 333}) == ids


def test_the_events_of_a_metric_are_found_without_looking_at_the_others(account: Account, client: Client) -> None:
    metric = next(id_ for id_, one in account.objects["metric"].items() if one.attributes["name"] == "Fulfilled Order")
    expected = [event.id for event in account.events.some(range(EVENTS)) if event.metric_id == metric]
    filter_ = f'equals(metric_id,"{metric}")'
    assert client.ids("/api/events", filter=filter_, sort="datetime", **{"page[size]": 100}) == expected
    start = END - 300 * 86_400
    counted = client.aggregate(start=start, days=300, metric_id=metric, measurements=["count"], interval="day")
    counts = counted["data"]["attributes"]["data"][0]["measurements"]["count"]
    assert sum(counts) == sum(account.events.get(id_).second >= start for id_ in expected)  # type: ignore[union-attr]  # they are its own


# --- profiles -------------------------------------------------------------------------------------------------------


def test_a_profile_is_found_by_its_id(account: Account) -> None:
    profiles = people(account)
    for index in range(0, PROFILES, 97):
        assert profiles[profiles.id(index)] == profiles.at(index)
        assert profiles.id_bytes(index).decode() == profiles.id(index)
    assert "01JDA6744WXCXHRCG4G2KXS9XY" not in profiles
    assert "nobody" not in profiles
    assert len(list(profiles)) == len(set(profiles)) == PROFILES


@pytest.mark.parametrize("count", [1, 7, 100, PROFILES])
def test_orders_are_those_that_sorting_would_make(account: Account, count: int) -> None:
    profiles = Profiles(count, END, people(account).models)
    shown = [profiles.at(index) for index in range(count)]
    for field in ("created", "updated"):
        order = profiles.order(field)
        assert order is not None
        sorted_ = sorted((datetime.fromisoformat(one.attributes[field]), one.id) for one in shown)
        assert [tuple(place) for place in order.keyed] == sorted_
    assert all(one.attributes["created"] <= one.attributes["updated"] < UNTIL.isoformat() for one in shown)


def test_profiles_are_listed_by_change_in_either_direction(account: Account, client: Client) -> None:
    bound = UNTIL - timedelta(days=500)
    query = {"filter": f"greater-than(updated,{bound:%FT%TZ})", "page[size]": 100}
    rows = [row for page in client.pages("/api/profiles", sort="updated", **query) for row in page["data"]]
    assert instants(rows, "updated") == sorted(instants(rows, "updated"))
    expected = {one.id for one in people(account).values() if one.attributes["updated"] > bound.isoformat()}
    assert {row["id"] for row in rows} == expected
    assert len(rows) == len(expected) > 1_000
    assert client.ids("/api/profiles", sort="-updated", **query) == [row["id"] for row in rows][::-1]


def test_a_profile_shows_what_a_profile_shows(account: Account, client: Client) -> None:
    (row,) = client.get("/api/profiles", filter=f'equals(id,"{people(account).id(5)}")')["data"]
    assert row["attributes"]["email"].startswith("customer5@")
    assert row["attributes"]["location"]
