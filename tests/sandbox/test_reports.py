"""Reports are what the account's own events add up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests

from sandbox.account import Account, Attribution, Events, Object
from sandbox.contract import load
from sandbox.server import Sandbox
from sandbox.story import synthesize
from tests.sandbox import reading
from tests.sandbox.conftest import HEADERS
from tests.sandbox.tiny import PlainEvent, tiny_account

ZONE = ZoneInfo("America/New_York")
CONTRACT = {e.path: e for e in load("2026-07-15").endpoints if e.facts.report}


class Reports:
    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def ask(self, name: str, cursor: str = "", **attributes: Any) -> requests.Response:
        data = {"data": {"type": f"{name}-report", "attributes": attributes}}
        path = f"{self.sandbox.url}/api/{name}-reports{cursor}"
        return requests.post(path, json=data, headers=HEADERS, timeout=10)

    def results(self, name: str, **attributes: Any) -> list[Any]:
        answer = self.ask(name, **attributes)
        assert answer.status_code == 200, answer.text
        found: list[Any] = answer.json()["data"]["attributes"]["results"]
        return found


@pytest.fixture(scope="module")
def shop() -> Account:
    return synthesize(scale=0.05)


@pytest.fixture(scope="module")
def reports(shop: Account) -> Iterator[Reports]:
    with Sandbox(shop, limits="off") as running:
        yield Reports(running)


def metric(account: Account, name: str) -> str:
    return next(one.id for one in account.objects["metric"].values() if one.attributes["name"] == name)


def events(account: Account, name: str) -> Iterator[Any]:
    ids = {one.id for one in account.objects["metric"].values() if one.attributes["name"] == name}
    return (event for event in map(account.events.at, range(len(account.events))) if event.metric_id in ids)


def years(account: Account) -> list[dict[str, str]]:
    """Timeframes of a year each that hold all of the account between them."""
    first = datetime.fromtimestamp(account.events.at(0).second, ZONE).year
    this = datetime.now(UTC).year
    return [{"start": f"{year}-01-01T00:00:00Z", "end": f"{year}-12-31T23:59:59Z"} for year in range(first, this + 1)]


@pytest.mark.parametrize(("subject", "told_by"), [("campaign", "$message"), ("flow", "$message")])
def test_all_time_adds_up_to_the_events_of_each_message(
    reports: Reports, shop: Account, subject: str, told_by: str
) -> None:
    found: Counter[tuple[str, str]] = Counter()
    for year in years(shop):
        for row in reports.results(
            f"{subject}-values",
            statistics=["delivered", "opens", "clicks"],
            timeframe=year,
            conversion_metric_id=metric(shop, "Placed Order"),
        ):
            if row["groupings"]["send_channel"] == "email":
                for name, value in row["statistics"].items():
                    found[row["groupings"][f"{subject}_message_id"], name] += value
    expected: Counter[tuple[str, str]] = Counter()
    now = datetime.now(UTC).timestamp()
    for name, statistic in (("Received Email", "delivered"), ("Opened Email", "opens"), ("Clicked Email", "clicks")):
        for event in events(shop, name):
            if bool(event.properties.get("$flow")) == (subject == "flow") and event.second <= now:
                expected[event.properties[told_by], statistic] += 1
    assert +found == +expected
    assert len(expected) > 10


def test_conversions_are_the_attributed_events_and_their_worth(reports: Reports, shop: Account) -> None:
    order = metric(shop, "Placed Order")
    told: Counter[str] = Counter()
    for subject in ("campaign", "flow"):
        for year in years(shop):
            for row in reports.results(
                f"{subject}-values",
                statistics=["conversions", "conversion_value"],
                timeframe=year,
                conversion_metric_id=order,
            ):
                told.update(row["statistics"])
    orders = [event for event in events(shop, "Placed Order") if event.metric_id == order and event.attributions]
    assert told["conversions"] == len(orders) > 0
    assert told["conversion_value"] == pytest.approx(sum(event.properties["$value"] for event in orders))


def test_days_of_a_series_add_up_to_values_and_are_the_accounts_own(reports: Reports, shop: Account) -> None:
    asked: dict[str, Any] = {
        "timeframe": {"key": "last_30_days"},
        "conversion_metric_id": metric(shop, "Placed Order"),
        "statistics": ["recipients", "opens", "conversion_value"],
    }
    series = reports.ask("flow-series", interval="daily", **asked).json()["data"]["attributes"]
    values = {str(row["groupings"]): row["statistics"] for row in reports.results("flow-values", **asked)}
    assert values
    for row in series["results"]:
        assert {name: pytest.approx(sum(days)) for name, days in row["statistics"].items()} == values[
            str(row["groupings"])
        ]
    assert len(series["date_times"]) == 31
    assert series["date_times"][-1] == f"{datetime.now(ZONE).date()}T00:00:00+00:00"


def test_what_happens_later_counts_for_the_day_of_the_send() -> None:
    """Sent late on 1 June in New York, which is 2 June in UTC; opened and ordered days after."""
    sent = int(datetime(2026, 6, 2, 3, tzinfo=UTC).timestamp())
    about = {"$message": "FMSG", "$flow": "WELCOME"}
    attribution = Attribution("a1", {"flow": "WELCOME", "flow-message": "FMSG"})
    happenings = [
        PlainEvent("s", sent, "SENT", properties=about),
        PlainEvent("o", sent + 3 * 86_400, "OPEN", properties=about),
        PlainEvent("b", sent + 4 * 86_400, "ORDER", properties={"$value": 20.5}, attributions=(attribution,)),
    ]
    account = tiny_account()
    account.events = Events([*happenings])
    for id_, name in (("SENT", "Received Email"), ("OPEN", "Opened Email")):
        account.objects["metric"][id_] = Object("metric", id_, {"name": name})
    account.objects["account"]["ACC"].attributes["timezone"] = "America/New_York"
    asked: dict[str, Any] = {
        "timeframe": {"start": "2026-06-01T00:00:00+00:00", "end": "2026-06-02T23:59:59+00:00"},
        "statistics": ["delivered", "opens", "conversion_value", "open_rate"],
        "interval": "daily",
        "conversion_metric_id": "ORDER",
    }
    told = {}
    for day in (3, 6, 8):
        with Sandbox(account, limits="off", now=datetime(2026, 6, day, tzinfo=UTC)) as running:
            (row,) = Reports(running).results("flow-series", **asked)
            told[day] = row["statistics"]
    none = {"delivered": [1, 0], "opens": [0, 0], "conversion_value": [0, 0], "open_rate": [0, None]}
    assert told[3] == none
    assert told[6] == none | {"opens": [1, 0], "open_rate": [1, None]}
    assert told[8] == none | {"opens": [1, 0], "open_rate": [1, None], "conversion_value": [20.5, 0]}


def test_forms_and_segments_are_counted_too(reports: Reports, shop: Account) -> None:
    submits = sum(
        row["statistics"]["submits"]
        for year in years(shop)
        for row in reports.results(
            "form-values", statistics=["submits"], timeframe=year, group_by=["form_id", "form_version_id"]
        )
    )
    assert submits == sum(1 for _ in events(shop, "Submitted Form")) > 0
    rows = reports.results("segment-values", statistics=["total_members"], timeframe={"key": "today"})
    totals = {row["groupings"]["segment_id"]: row["statistics"]["total_members"] for row in rows}
    assert totals == {segment: len(shop.segment_members.get(segment, ())) for segment in shop.objects["segment"]}
    (one,) = reports.results(
        "segment-series",
        statistics=["total_members", "members_added"],
        timeframe={"key": "last_7_days"},
        interval="daily",
        filter=f'equals(segment_id,"{rows[0]["groupings"]["segment_id"]}")',
    )
    added, total = one["statistics"]["members_added"], one["statistics"]["total_members"]
    assert [after - before for before, after in pairwise(total)] == added[1:]


def test_messages_can_be_told_apart_by_tags_and_filtered(reports: Reports, shop: Account) -> None:
    asked: dict[str, Any] = {
        "statistics": ["recipients"],
        "timeframe": {"key": "last_365_days"},
        "conversion_metric_id": metric(shop, "Placed Order"),
    }
    grouped = reports.results(
        "campaign-values", group_by=["campaign_id", "campaign_message_id", "tag_id", "variation"], **asked
    )
    tagged = {row["groupings"]["tag_id"] for row in grouped} - {None}
    assert tagged
    tag = min(tagged)
    some = reports.results("campaign-values", filter=f'contains-any(tag_id,["{tag}"])', **asked)
    campaigns = {row["groupings"]["campaign_id"] for row in some}
    assert campaigns == {row["groupings"]["campaign_id"] for row in grouped if row["groupings"]["tag_id"] == tag}
    texts = reports.results("campaign-values", filter='equals(send_channel,"sms")', **asked)
    assert {row["groupings"]["send_channel"] for row in texts} == {"sms"}


def test_pages_of_campaigns_hold_each_row_once(reports: Reports, shop: Account) -> None:
    asked: dict[str, Any] = {
        "statistics": ["recipients"],
        "timeframe": {"key": "last_365_days"},
        "conversion_metric_id": metric(shop, "Placed Order"),
    }
    whole = reports.results("campaign-values", **asked)
    assert len(whole) > 5
    with Sandbox(shop, limits="off", report_page=3) as running:
        paged, cursor, pages = [], "", 0
        while True:
            answer = Reports(running).ask("campaign-values", cursor, **asked).json()
            paged += answer["data"]["attributes"]["results"]
            pages += 1
            if not answer["links"]["next"]:
                break
            cursor = "?" + answer["links"]["next"].partition("?")[2]
    assert paged == whole
    assert pages == -(-len(whole) // 3)


MESSAGES: dict[str, Any] = {
    "statistics": ["opens"],
    "timeframe": {"key": "last_7_days"},
    "conversion_metric_id": "ORDER",
}


@pytest.mark.parametrize(
    ("name", "wrong", "pointer"),
    [
        ("campaign-values", {"statistics": ["oppens"]}, "statistics"),
        ("campaign-values", {"statistics": []}, "statistics"),
        ("campaign-values", {"conversion_metric_id": "NOPE"}, "conversion_metric_id"),
        ("campaign-values", {"conversion_metric_id": None}, "conversion_metric_id"),
        ("campaign-values", {"interval": "daily"}, "interval"),
        ("campaign-values", {"group_by": ["send_channel"]}, "group_by"),
        ("campaign-values", {"group_by": ["flow_id"]}, "group_by"),
        ("campaign-values", {"filter": 'equals(flow_id,"x")'}, "filter"),
        ("campaign-values", {"filter": 'greater-than(campaign_id,"x")'}, "filter"),
        ("campaign-values", {"filter": 'equals(campaign_id,"x"),equals(campaign_id,"y")'}, "filter"),
        ("campaign-values", {"timeframe": {"key": "last_2_days"}}, "timeframe"),
        ("campaign-values", {"timeframe": {"start": "2025-01-01T00:00:00Z"}}, "timeframe"),
        ("campaign-values", {"timeframe": {"start": "2025-01-01", "end": "2026-02-01"}}, "timeframe"),
        ("campaign-values", {"timeframe": {"start": "2025-01-02", "end": "2025-01-01"}}, "timeframe"),
        ("flow-series", {"interval": "yearly"}, "interval"),
        ("flow-series", {"interval": None}, "interval"),
        ("flow-series", {"interval": "daily", "timeframe": {"key": "last_90_days"}}, "timeframe"),
        ("flow-series", {"interval": "hourly", "timeframe": {"key": "last_30_days"}}, "timeframe"),
    ],
)
def test_what_cannot_be_reported_is_refused(name: str, wrong: dict[str, Any], pointer: str) -> None:
    with Sandbox(tiny_account(), limits="off") as running:
        answer = Reports(running).ask(name, **MESSAGES | wrong)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["source"]["pointer"] == f"/data/attributes/{pointer}"


def test_segments_have_no_data_before_june_2023() -> None:
    with Sandbox(tiny_account(), limits="off") as running:
        answer = Reports(running).ask(
            "segment-values", statistics=["total_members"], timeframe={"start": "2023-05-31", "end": "2023-06-02"}
        )
    assert answer.status_code == 400


def test_the_226th_report_of_a_day_is_refused_until_the_next() -> None:
    with Sandbox(tiny_account()) as running:
        clock = [86_400.0 * 20_000]
        running.api.windows.clock = lambda: clock[0]
        reports = Reports(running)
        asked: dict[str, Any] = {"statistics": ["submits"], "timeframe": {"key": "today"}}
        for _ in range(225):
            assert reports.ask("form-values", **asked).status_code == 200
            clock[0] += 60
        refused = reports.ask("form-values", **asked)
        assert refused.status_code == 429
        assert int(refused.headers["Retry-After"]) == 86_400 - 225 * 60
        assert reports.ask("form-series", interval="daily", **asked).status_code == 200, "each report has its own"
        clock[0] += int(refused.headers["Retry-After"])
        assert reports.ask("form-values", **asked).status_code == 200


def test_each_report_needs_the_scope_of_its_subject() -> None:
    with Sandbox(tiny_account(), limits="off", keys={"pk_sandbox": frozenset({"campaigns:read"})}) as running:
        reports = Reports(running)
        assert reports.ask("campaign-values", **MESSAGES).status_code == 200
        refused = reports.ask("flow-values", **MESSAGES)
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (403, "permission_denied")


@pytest.mark.parametrize("path", sorted(path for path in CONTRACT if path.endswith("-reports")))
def test_every_statistic_and_grouping_is_answered(path: str, reports: Reports, shop: Account) -> None:
    facts = CONTRACT[path].facts.report
    assert facts
    question: Any = reading.report(CONTRACT[path], metric(shop, "Placed Order"))
    name = path.removeprefix("/api/").removesuffix("-reports")
    rows = reports.results(name, **question["data"]["attributes"])
    assert rows
    assert all(set(row["statistics"]) == set(facts.statistics) for row in rows)
    assert all(set(row["groupings"]) == set(facts.group_by or ["segment_id"]) for row in rows)


@pytest.mark.parametrize("key", getattr(CONTRACT["/api/form-values-reports"].facts.report, "timeframes", ()))
def test_every_timeframe_with_a_name_is_understood(key: str, reports: Reports) -> None:
    assert reports.ask("form-values", statistics=["submits"], timeframe={"key": key}).status_code == 200
