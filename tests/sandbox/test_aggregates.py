from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.sandbox.conftest import Client
from tests.sandbox.tiny import DAY, MONDAY

# The tiny account's orders: worth 1 to 30, one an hour from Monday midnight on, and one worth 100.5 ten days later.
FIRST_DAY = sum(range(1, 25))
SECOND_DAY = sum(range(25, 31))


def rows(answer: Any) -> dict[tuple[str, ...], Any]:
    return {tuple(row["dimensions"]): row["measurements"] for row in answer["data"]["attributes"]["data"]}


def dates(answer: Any) -> list[str]:
    found: list[str] = answer["data"]["attributes"]["dates"]
    return found


def test_days_are_counted(client: Client) -> None:
    answer = client.aggregate(start=MONDAY, days=3)
    assert dates(answer) == [f"2026-06-0{day}T00:00:00+00:00" for day in (1, 2, 3)]
    assert rows(answer) == {
        (): {"count": [24, 6, 0], "sum_value": [FIRST_DAY, SECOND_DAY, 0], "unique": [1, 1, 0]},
    }


def test_the_upper_bound_is_not_counted(client: Client) -> None:
    filter_ = ["greater-or-equal(datetime,2026-06-01T01:00:00Z)", "less-than(datetime,2026-06-01T03:00:00Z)"]
    answer = client.aggregate(start=0, days=0, filter=filter_, interval="hour", measurements=["count"])
    assert rows(answer) == {(): {"count": [1, 1]}}


def test_the_days_are_those_of_the_timezone(client: Client) -> None:
    answer = client.aggregate(start=MONDAY, days=1, timezone="Europe/Copenhagen")
    assert dates(answer) == ["2026-05-31T22:00:00+00:00", "2026-06-01T22:00:00+00:00"]
    assert rows(answer)[()]["count"] == [22, 2]


def test_bounds_without_an_offset_are_local(client: Client) -> None:
    filter_ = ["greater-or-equal(datetime,2026-06-01T02:00:00)", "less-than(datetime,2026-06-02T00:00:00)"]
    answer = client.aggregate(start=0, days=0, filter=filter_, timezone="Europe/Copenhagen")
    assert rows(answer)[()]["count"] == [22]


def test_a_day_of_changing_clocks_is_a_day(client: Client) -> None:
    start = int(datetime(2026, 3, 28, tzinfo=UTC).timestamp())
    answer = client.aggregate(start=start, days=3, timezone="Europe/Copenhagen")
    assert dates(answer) == [f"2026-03-{day}:00:00+00:00" for day in ("27T23", "28T23", "29T22", "30T22")]
    hours = client.aggregate(start=start + DAY, days=1, timezone="Europe/Copenhagen", interval="hour")
    assert len(dates(hours)) == len(set(dates(hours))) == 24


@pytest.mark.parametrize(
    ("interval", "first", "counts"),
    [
        ("week", "2026-06-01T00:00:00+00:00", [30, 1, 0]),
        ("month", "2026-06-01T00:00:00+00:00", [31]),
    ],
)
def test_longer_intervals_begin_where_calendars_do(
    client: Client, interval: str, first: str, counts: list[int]
) -> None:
    answer = client.aggregate(start=MONDAY + DAY // 24, days=20, interval=interval, measurements=["count"])
    assert dates(answer)[0] == first
    # The hour before the lower bound is not counted, though its interval is.
    assert rows(answer)[()]["count"] == [counts[0] - 1, *counts[1:]]


def test_events_are_told_apart_by_dimensions_in_their_order(client: Client) -> None:
    answer = client.aggregate(start=MONDAY, days=30, interval="month", by=["$attributed_message", "List"])
    assert rows(answer) == {
        ("", ""): {"count": [30], "sum_value": [FIRST_DAY + SECOND_DAY], "unique": [1]},
        ("MAIL", "Newsletter"): {"count": [1], "sum_value": [100.5], "unique": [1]},
    }


def test_dimensions_can_be_filtered(client: Client) -> None:
    filter_ = [
        "greater-or-equal(datetime,2026-06-01)",
        "less-than(datetime,2026-07-01)",
        'equals(List,"Newsletter")',
    ]
    answer = client.aggregate(start=0, days=0, filter=filter_, interval="month", measurements=["count"])
    assert rows(answer) == {(): {"count": [1]}}


def test_combinations_are_sorted_and_paged(client: Client) -> None:
    asked: dict[str, Any] = {"by": ["List"], "interval": "month", "measurements": ["count"], "page_size": 1}
    first = client.aggregate(start=MONDAY, days=30, sort="-count", **asked)
    assert list(rows(first)) == [("",)]
    assert first["links"]["next"]
    second = client.aggregate(start=MONDAY, days=30, sort="-count", page_cursor="1", **asked)
    assert list(rows(second)) == [("Newsletter",)]
    assert second["links"]["next"] is None
    assert list(rows(client.aggregate(start=MONDAY, days=30, sort="-List", **asked))) == [("Newsletter",)]


def test_a_metric_without_events_counts_nothing(client: Client) -> None:
    assert rows(client.aggregate(start=MONDAY - 90 * DAY, days=2)) == {
        (): {"count": [0, 0], "sum_value": [0, 0], "unique": [0, 0]}
    }
    assert rows(client.aggregate(start=MONDAY - 90 * DAY, days=2, by=["List"])) == {}


@pytest.mark.parametrize(
    ("attributes", "status"),
    [
        ({"metric_id": "NOPE"}, 404),
        ({"metric_id": "CUSTOM"}, 400),
        ({"measurements": ["median"]}, 400),
        ({"measurements": []}, 400),
        ({"interval": "decade"}, 400),
        ({"timezone": "Middle/Earth"}, 400),
        ({"by": ["Colour"]}, 400),
        ({"sort": "Colour"}, 400),
        ({"group_by": ["List"]}, 400),
        ({"filter": ["greater-or-equal(datetime,2026-06-01)"]}, 400),
        ({"filter": "less-than(datetime,2026-06-01)"}, 400),
        ({"filter": ["greater-or-equal(datetime,2026-06-01)", "less-than(datetime,2026-06-01)"]}, 400),
        ({"filter": ["greater-or-equal(datetime,2025-06-01)", "less-than(datetime,2026-06-03)"]}, 400),
        ({"filter": ["greater-or-equal(datetime,soon)", "less-than(datetime,2026-06-03)"]}, 400),
        ({"page_cursor": "x"}, 400),
    ],
)
def test_what_cannot_be_aggregated_is_refused(client: Client, attributes: dict[str, Any], status: int) -> None:
    answer = client.ask_aggregate(start=MONDAY, days=1, **attributes)
    assert answer.status_code == status
    assert answer.json()["errors"][0]["status"] == status


def test_what_is_no_question_is_refused(client: Client) -> None:
    for body in (b"", b"{", b"[]", b'{"data": {"type": "event"}}'):
        assert client.session.post(f"{client.url}/api/metric-aggregates", data=body).status_code == 400
