"""The table of reports, held against Klaviyo's own document; and answers, without a network."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import jsonschema_rs
import pendulum
import pytest

from sources.klaviyo import contract
from sources.klaviyo.aggregates import Aggregate
from sources.klaviyo.contract import Contract
from sources.klaviyo.errors import MalformedPage
from sources.klaviyo.planner import Calendar, Here, Question
from sources.klaviyo.reports import REPORTS, Report
from sources.klaviyo.windows import Window

ZONE = ZoneInfo("Europe/Copenhagen")
HERE = Here(pendulum.datetime(2026, 5, 20, 13, 45, 10), ZONE)
JANUARY = Question(
    "ORDER", Window(pendulum.datetime(2026, 1, 1), pendulum.datetime(2026, 2, 1)), pendulum.datetime(2026, 5, 1)
)
MAY = Question("ORDER", Window(pendulum.datetime(2026, 5, 1), pendulum.datetime(2026, 6, 1)), JANUARY.settled)
OPENINGS = Aggregate(metric="Opened Email", measurements=("count", "unique"), by=("$message",))


def named(name: str) -> Report:
    return next(report for report in REPORTS if report.name == name)


def asked(report: Report | Aggregate, question: Question, facts: Contract, rest: str = "") -> dict[str, Any]:
    _, body = report.request(question, facts, HERE, rest)
    found: dict[str, Any] = json.loads(body)["data"]
    return found


def told(results: list[Any], **more: Any) -> bytes:
    return json.dumps({"data": {"type": "x", "attributes": {"results": results, **more}}, "links": {}}).encode()


@pytest.mark.parametrize("revision", contract.revisions())
def test_every_report_of_the_contract_is_a_table(revision: str) -> None:
    facts = contract.load(revision)
    paths = {name.split()[1] for name in facts.endpoints if name.startswith("POST") and name.endswith("-reports")}
    assert {report.path for report in REPORTS} == paths


@pytest.mark.parametrize("report", REPORTS, ids=[report.name for report in REPORTS])
def test_an_entry_says_what_the_contract_allows(report: Report, facts: Contract) -> None:
    allowed = report.facts(facts)
    assert set(report.by) <= {*allowed.group_by, "segment_id"}
    assert report.with_conversions == allowed.conversion
    assert (report.period == "day") == bool(allowed.intervals)
    columns = [column.name for column in report.table(facts).columns]
    assert len(set(columns)) == len(columns)
    assert set(allowed.statistics) < set(columns)
    assert report.table(facts).key[-1] == report.period


@pytest.mark.parametrize("report", [*REPORTS, OPENINGS], ids=[*(report.name for report in REPORTS), OPENINGS.name])
def test_a_question_is_one_that_klaviyo_declares(
    report: Report | Aggregate, facts: Contract, openapi: dict[str, Any]
) -> None:
    for question in (JANUARY, MAY):
        target, body = report.request(question, facts, HERE)
        schema = openapi["paths"][target]["post"]["requestBody"]["content"]["application/vnd.api+json"]["schema"]
        whole = {"$schema": "http://json-schema.org/draft-07/schema#", "components": openapi["components"], **schema}
        assert list(jsonschema_rs.Draft7Validator(whole).iter_errors(json.loads(body))) == []
        attributes = json.loads(body)["data"]["attributes"]
        declared = openapi["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]["properties"]["data"]["$ref"]
        known = openapi["components"]["schemas"][declared.rsplit("/", 1)[1]]["properties"]["attributes"]["properties"]
        assert attributes.keys() <= known.keys()


def test_whole_local_days_are_asked_for_and_nothing_of_the_future(facts: Contract) -> None:
    frame = asked(named("campaign_values"), JANUARY, facts)["attributes"]["timeframe"]
    assert frame == {"start": "2026-01-01T00:00:00+00:00", "end": "2026-01-31T23:59:59+00:00"}
    frame = asked(named("campaign_values"), MAY, facts)["attributes"]["timeframe"]
    assert frame == {"start": "2026-05-01T00:00:00+00:00", "end": "2026-05-20T13:45:10+00:00"}


def test_all_statistics_are_asked_for_at_once(facts: Contract) -> None:
    for report in REPORTS:
        assert asked(report, JANUARY, facts)["attributes"]["statistics"] == list(report.facts(facts).statistics)


def test_days_beyond_those_asked_for_are_left_out() -> None:
    days = ["2025-12-31T00:00:00+00:00", "2026-01-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00"]
    about = {"flow_id": "F", "flow_message_id": "M", "send_channel": "email"}
    body = told(
        [{"groupings": about, "statistics": {"opens": [1, 2, 3], "open_rate": [None, 0.5, 1]}}], date_times=days
    )
    (row,) = named("flow_series").answer(body, JANUARY, HERE).rows
    assert row == {
        **about,
        "variation": "",
        "conversion_metric_id": "ORDER",
        "day": date(2026, 1, 1),
        "opens": 2,
        "open_rate": 0.5,
    }


def test_values_are_told_for_their_month_and_what_a_message_lacks_is_empty() -> None:
    about = {"campaign_id": "C", "campaign_message_id": "M", "send_channel": None, "variation": None}
    (row,) = (
        named("campaign_values")
        .answer(told([{"groupings": about, "statistics": {"opens": 2, "open_rate": None}}]), JANUARY, HERE)
        .rows
    )
    assert row["month"] == date(2026, 1, 1)
    assert (row["send_channel"], row["variation"], row["open_rate"]) == ("", "", None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"data": {"attributes": {}}}',
        told([{"groupings": {}, "statistics": {"opens": [1]}}], date_times=["2026-01-01", "2026-01-02"]),
        told([{"groupings": {}, "statistics": {"opens": [1, 2, 3]}}], date_times=["2026-01-01", "2026-01-02"]),
        told([{"groupings": {}, "statistics": {"opens": 1}}], date_times=["2026-01-01"]),
        told([{"groupings": {}, "statistics": {"opens": [1]}}], date_times=["soon"]),
        told([{"groupings": {}, "statistics": {"opens": "many"}}]),
        told([{"groupings": {}, "statistics": {"opens": [1]}}]),
    ],
)
def test_what_is_not_a_whole_answer_is_refused(body: bytes) -> None:
    report = named("flow_series") if b"date_times" in body else named("flow_values")
    with pytest.raises(MalformedPage):
        report.answer(body, JANUARY, HERE)


def test_a_series_without_its_days_is_refused_and_not_taken_for_that_of_the_first() -> None:
    body = told([{"groupings": {}, "statistics": {"opens": 10}}])
    assert named("flow_values").answer(body, JANUARY, HERE).rows
    with pytest.raises(MalformedPage):
        named("flow_series").answer(body, JANUARY, HERE)
    assert not named("flow_series").answer(told([]), JANUARY, HERE).rows


# --- metric aggregates -----------------------------------------------------------------------------------------------


def test_an_aggregate_is_asked_for_in_true_time_and_counted_in_the_accounts(facts: Contract) -> None:
    attributes = asked(OPENINGS, MAY, facts)["attributes"]
    assert attributes["filter"] == [
        "greater-or-equal(datetime,2026-04-30T22:00:00Z)",
        "less-than(datetime,2026-05-20T11:45:10Z)",
    ]
    assert attributes["timezone"] == "Europe/Copenhagen"


def test_the_cursor_of_the_rest_goes_into_the_body(facts: Contract) -> None:
    for parameter in ("page_cursor", "page%5Bcursor%5D"):
        rest = f"https://a.klaviyo.com/api/metric-aggregates?{parameter}=abc%3D"
        target, _ = OPENINGS.request(MAY, facts, HERE, rest)
        assert target == "/api/metric-aggregates"
        assert asked(OPENINGS, MAY, facts, rest)["attributes"]["page_cursor"] == "abc="


def test_an_aggregate_tells_of_intervals_in_which_something_happened() -> None:
    body = json.dumps(
        {
            "data": {
                "attributes": {
                    "dates": ["2026-04-30T22:00:00+00:00", "2026-05-01T22:00:00+00:00"],
                    "data": [{"dimensions": ["MAIL"], "measurements": {"count": [0, 3], "unique": [0, 2]}}],
                }
            },
            "links": {"next": None},
        }
    ).encode()
    (row,) = OPENINGS.answer(body, MAY, HERE).rows
    assert row == {
        "metric_id": "ORDER",
        "interval": "day",
        "dimensions": '{"$message":"MAIL"}',
        "starts_at": datetime(2026, 5, 1, 22, tzinfo=UTC),
        "day": date(2026, 5, 2),
        "count": 3,
        "unique": 2,
    }


def test_another_declaration_is_another_history() -> None:
    names = {
        Aggregate(metric="A").name,
        Aggregate(metric="B").name,
        Aggregate(metric="A", interval="week").name,
        Aggregate(metric="A", by=("List",)).name,
        Aggregate(metric="A", measurements=("unique",)).name,
    }
    assert len(names) == 5


# --- the calendar ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("period", "longest"), [("day", 60), ("week", 365), ("month", 31), ("month", 365)])
def test_questions_hold_whole_periods_and_each_day_once(period: Any, longest: int) -> None:
    calendar = Calendar(
        period, pendulum.datetime(2023, 2, 7), pendulum.datetime(2026, 5, 20), 30, pendulum.duration(days=longest)
    )
    questions = calendar.questions(["A", "B"], {})
    for metric in "AB":
        windows = sorted(one.window for one in questions if one.metric == metric)
        assert windows[0].start == calendar.start
        assert windows[-1].end == calendar.end
        assert all(one.end == other.start for one, other in pairwise(windows))
        assert all((one.end - one.start).days <= longest for one in windows)
        if period == "month":
            assert all(one.start.day == 1 for one in windows)
        if period == "week":
            assert all(one.start.weekday() == 0 for one in windows)
    ends = [one.window.end for one in questions]
    assert ends == sorted(ends, reverse=True), "the newest come first"


def test_a_day_is_settled_when_its_period_can_no_longer_change() -> None:
    calendar = Calendar(
        "month", pendulum.datetime(2026, 1, 1), pendulum.datetime(2026, 5, 20), 30, pendulum.duration(days=31)
    )
    settled = {one.window.start.month: not one.for_good.empty for one in calendar.questions(["A"], {})}
    assert settled == {1: True, 2: True, 3: True, 4: False, 5: False}
