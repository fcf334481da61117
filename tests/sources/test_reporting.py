"""Reports build up a history that is neither counted twice nor asked for twice, within the day's allowance."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pendulum
import pytest

from sandbox.account import Account, Event, Events
from sandbox.contract import load
from sandbox.faults import Fault
from sources.klaviyo import contract, klaviyo_reports
from sources.klaviyo.aggregates import Aggregate
from sources.klaviyo.errors import BadRequest, MalformedPage, UnknownResource
from sources.klaviyo.reports import REPORTS
from tests.sources.days import (
    FIRST,
    LONGEST,
    METRICS,
    Recorded,
    Shop,
    Warehouse,
    a_day_after,
    by_period,
    local_day,
    opened,
)
from tests.sources.house import House

DAILY = 225
SUBJECTS = {"flow_series": "FMSG", "flow_values": "FMSG", "campaign_values": "MAIL"}


def assert_equal_to_the_truth(warehouse: Warehouse, shop: Shop, name: str, *, until: date) -> None:
    """Every figure of periods that end before this day, and no other row of them."""
    report = next(one for one in REPORTS if one.name == name)
    expected = {key: dict(told) for key, told in by_period(shop.told, report, SUBJECTS[name]).items() if key[1] < until}
    found: dict[tuple[str, date], dict[str, float]] = {}
    for row in warehouse.rows(name):
        key = (row["conversion_metric_id"], row[report.period])
        if key[1] >= until:
            continue
        told = {statistic: row[statistic] for statistic in ("recipients", "opens", "conversions", "conversion_value")}
        if any(told.values()):
            assert key not in found, "a period is there twice"
            found[key] = told
    assert found == expected
    assert len(expected) > 1


def assert_within_the_allowance(warehouse: Warehouse, names: tuple[str, ...]) -> None:
    for name in names:
        statuses = Counter(request["status"] for request in warehouse.asked(name))
        assert set(statuses) <= {200}, f"{name}: {statuses}"


def assert_no_settled_day_is_asked_for_again(warehouse: Warehouse, name: str, begun: Callable[[date], date]) -> None:
    """A day is settled once no day of its period can change; then it is asked for once more, and that was it."""
    last_looks: Counter[tuple[str, date]] = Counter()
    for today, metric, day in warehouse.days_asked(name):
        if day < begun(today - timedelta(days=LONGEST)):
            last_looks[metric, day] += 1
    assert len(last_looks) > 300 * len(METRICS)
    assert set(last_looks.values()) == {1}


def test_four_hundred_days_of_daily_runs_tell_the_truth_and_ask_for_no_settled_day_again() -> None:
    shop = Shop(400)
    with opened(shop) as warehouse:
        asked: dict[str, Counter[tuple[str, str]]] = {name: Counter() for name in ("flow_series", "campaign_values")}
        for number in range(401 + LONGEST):
            warehouse.move_to(a_day_after(number))
            before = {name: len(warehouse.asked(name)) for name in asked}
            reporting = warehouse.run("flow_series", "campaign_values")
            assert {tally.status for tally in reporting.tallies} == {"complete"}
            for name in asked:
                calls = len(warehouse.asked(name)) - before[name]
                assert 0 < calls <= 2 * len(METRICS), f"{calls} requests for {name} on day {number}"
        assert_within_the_allowance(warehouse, ("flow_series", "campaign_values"))
        until = local_day(399)
        assert_equal_to_the_truth(warehouse, shop, "flow_series", until=until)
        assert_equal_to_the_truth(warehouse, shop, "campaign_values", until=until.replace(day=1))
        assert_no_settled_day_is_asked_for_again(warehouse, "flow_series", lambda day: day)
        assert_no_settled_day_is_asked_for_again(warehouse, "campaign_values", lambda day: day.replace(day=1))


def test_rows_that_an_open_day_no_longer_has_are_marked_with_what_was_told_last_and_come_back() -> None:
    sent = Aggregate(metric="Received Email", by=("$message",))
    with opened(Shop(60)) as warehouse:
        warehouse.move_to(a_day_after(60))
        names = ("flow_series", "flow_values", "campaign_values")
        warehouse.run(*names, aggregates=[sent])
        told = {name: {**rows} for name, rows in warehouse.tables.items()}
        account = warehouse.sandbox.account
        everything = account.events
        account.events = Events([one for one in shop_events(everything) if about(one) != "FMSG"])
        warehouse.sandbox.changed()
        warehouse.move_to(a_day_after(61))
        reporting = warehouse.run(*names, aggregates=[sent])
        for name, rows in warehouse.tables.items():
            period = "month" if name.endswith("values") else "day"
            # The day that has settled since is asked for once more.
            since = local_day(60 - LONGEST)
            since = since.replace(day=1) if period == "month" else since
            gone = {
                key
                for key, row in told[name].items()
                if row[period] >= since
                and (row.get("recipients") or row.get("count"))
                and "FMSG" in (row.get("flow_message_id"), *json.loads(row.get("dimensions") or "{}").values())
            }
            assert {key for key, row in rows.items() if row["_deleted_at"]} == gone, name
            assert all({**rows[key], "_deleted_at": None} == told[name][key] for key in gone)
            assert reporting.vanished[name] == len(gone)
            assert bool(gone) == (name != "campaign_values")
        account.events = everything
        warehouse.sandbox.changed()
        warehouse.move_to(a_day_after(62))
        assert not +warehouse.run(*names, aggregates=[sent]).vanished
        marked = [row for rows in warehouse.tables.values() for row in rows.values() if row["_deleted_at"]]
        assert {row.get("day") or row["month"] for row in marked} == {local_day(60 - LONGEST)}, (
            "settled days are not asked for again"
        )


def shop_events(events: Events) -> list[Event]:
    return [events.at(place) for place in range(len(events))]


def about(event: Event) -> str:
    return str((event.properties or {}).get("$message"))


# --- the day's allowance ---------------------------------------------------------------------------------------------


def allow(requests: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the share of a day's requests be so many."""
    monkeypatch.setattr("sources.klaviyo.reporting.daily_share", lambda _endpoint, _share: requests)


def test_a_long_history_is_asked_for_over_as_many_days_as_the_allowance_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    allow(5, monkeypatch)
    shop = Shop(400)
    with opened(shop) as warehouse:
        warehouse.move_to(a_day_after(400 + LONGEST + 31))
        left: list[tuple[int, ...]] = []
        for _ in range(7):
            told = warehouse.run("campaign_values", "flow_series").tallies
            left.append(tuple(tally.left for tally in told))
            assert all(("go on from" in tally.note) == bool(tally.left) for tally in told)
            asked = len(warehouse.questions)
            warehouse.run("campaign_values", "flow_series")
            assert len(warehouse.questions) == asked or not any(left[-1]), "the day is spent"
            warehouse.move_to(warehouse.clock() + 86_400 + 60)
        # Sixteen months of two metrics, and eight spans of sixty days; the days that are open come again each day.
        assert left[0] == (27, 11)
        assert left[-1][1] == 0
        assert sorted(left, reverse=True) == left
        for _ in range(4):
            warehouse.run("campaign_values", "flow_series")
            warehouse.move_to(warehouse.clock() + 86_400 + 60)
        assert {tally.status for tally in warehouse.run("campaign_values", "flow_series").tallies} == {"complete"}
        assert_within_the_allowance(warehouse, ("campaign_values", "flow_series"))
        assert_equal_to_the_truth(warehouse, shop, "campaign_values", until=local_day(400).replace(day=1))
        assert_equal_to_the_truth(warehouse, shop, "flow_series", until=local_day(400))


def test_in_no_span_of_a_day_more_is_asked_than_the_allowance_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    allow(10, monkeypatch)
    with opened(Shop(400)) as warehouse:
        times: list[float] = []
        for hour in range(60):
            warehouse.move_to(a_day_after(460) + hour * 3_600)
            before = len(warehouse.asked("campaign_values"))
            warehouse.run("campaign_values", asking={"minutes": 3})
            times += [warehouse.clock()] * (len(warehouse.asked("campaign_values")) - before)
        assert len(times) > 20
        assert max(sum(1 for time in times if start <= time < start + 86_400) for start in times) == 10


def test_what_others_have_spent_ends_the_day_cleanly_and_the_next_one_goes_on() -> None:
    with opened(Shop(60)) as warehouse:
        warehouse.move_to(a_day_after(100))
        match = load("2026-07-15").match("POST", "flow-series-reports")
        assert match
        for _ in range(DAILY):
            warehouse.sandbox.api.windows.take(match.endpoint, [], warehouse.sandbox.api.settings)
            warehouse.move_to(warehouse.clock() + 31)
        (tally,) = warehouse.run("flow_series").tallies
        assert (tally.status, tally.throttled) == ("unfinished", 1)
        assert "go on from 2025-06-09T00:00:00Z" in tally.note
        asked = len(warehouse.asked("flow_series"))
        warehouse.move_to(warehouse.clock() + 3_600)
        (tally,) = warehouse.run("flow_series").tallies
        assert tally.status == "unfinished"
        assert len(warehouse.asked("flow_series")) == asked, "it has been told when to come again"
        warehouse.move_to(warehouse.clock() + 86_400)
        (tally,) = warehouse.run("flow_series").tallies
        assert tally.status == "complete"


def test_a_run_spends_no_more_minutes_on_reports_than_it_may_and_the_next_one_goes_on() -> None:
    with opened(Shop(200)) as warehouse:
        warehouse.move_to(a_day_after(300))
        began = warehouse.clock()
        (tally,) = warehouse.run("flow_values", asking={"minutes": 3}).tallies
        assert tally.status == "unfinished"
        assert "in the next run" in tally.note
        assert warehouse.clock() - began <= 4 * 60
        first = tally.left
        warehouse.move_to(warehouse.clock() + 60)
        (tally,) = warehouse.run("flow_values", asking={"minutes": 3}).tallies
        assert 0 < tally.left < first


def test_runs_that_have_time_for_one_question_each_come_to_an_end() -> None:
    with opened(Shop(100)) as warehouse:
        warehouse.move_to(a_day_after(100))
        runs = 1
        while warehouse.run("campaign_values", asking={"minutes": 1e-6}).tallies[0].status != "complete":
            warehouse.move_to(warehouse.clock() + 3_600)
            runs += 1
            assert runs < 20, "it comes to no end"
        asked = [(metric, day) for _, metric, day in warehouse.days_asked("campaign_values")]
        # Four months and a day of February, for two metrics.
        assert runs == len(warehouse.asked("campaign_values")) == 10
        assert len(asked) == len({*asked}), "nothing is asked for twice on the way"


def test_a_page_is_a_request_of_the_allowance() -> None:
    with opened(Shop(20), report_page=1) as warehouse:
        warehouse.move_to(a_day_after(20))
        (tally,) = warehouse.run("campaign_values").tallies
        spent = sum(warehouse.state["campaign_values"]["requests"].values())
        assert spent == len(warehouse.asked("campaign_values")) == 2 * len(METRICS)
        assert tally.status == "complete"


# --- what is asked ---------------------------------------------------------------------------------------------------


def test_open_days_are_not_asked_for_again_within_hours() -> None:
    with opened(Shop(30)) as warehouse:
        warehouse.move_to(a_day_after(20))
        warehouse.run("flow_series", "campaign_values")
        asked = len(warehouse.questions)
        for _ in range(19):
            warehouse.move_to(warehouse.clock() + 3_600)
            assert {tally.status for tally in warehouse.run("flow_series", "campaign_values").tallies} == {"complete"}
        assert len(warehouse.questions) == asked
        warehouse.move_to(warehouse.clock() + 2 * 3_600)
        warehouse.run("flow_series", "campaign_values")
        assert len(warehouse.questions) > asked


def test_a_range_is_asked_for_whatever_has_been_read_and_in_whole_months() -> None:
    with opened(Shop(200)) as warehouse:
        warehouse.move_to(a_day_after(240))
        warehouse.run("flow_series", "flow_values")
        warehouse.questions.clear()
        start, end = pendulum.datetime(2025, 4, 10, 4), pendulum.datetime(2025, 5, 3, 4)
        warehouse.run("flow_series", "flow_values", start=start, end=end)
        assert {day for _, _, day in warehouse.days_asked("flow_series")} == days(date(2025, 4, 10), date(2025, 5, 3))
        assert {day for _, _, day in warehouse.days_asked("flow_values")} == days(date(2025, 4, 1), date(2025, 6, 1))


def test_a_full_refresh_asks_for_everything_again() -> None:
    with opened(Shop(100)) as warehouse:
        warehouse.move_to(a_day_after(140))
        warehouse.run("flow_series")
        everything = {day for _, _, day in warehouse.days_asked("flow_series")}
        warehouse.questions.clear()
        warehouse.run("flow_series")
        assert not warehouse.questions
        warehouse.run("flow_series", full_refresh=frozenset({"flow_series"}))
        assert {day for _, _, day in warehouse.days_asked("flow_series")} == everything


def test_history_begins_with_the_accounts_first_metric_unless_a_date_is_given() -> None:
    with opened(Shop(30)) as warehouse:
        warehouse.sandbox.account.objects["metric"]["SENT"].attributes["created"] = "2025-02-10T12:00:00+00:00"
        warehouse.move_to(a_day_after(30))
        warehouse.run("form_series", start_date=None)
        assert min(day for _, _, day in warehouse.days_asked("form_series")) == date(2025, 2, 10)


def test_conversion_metrics_are_known_by_name_and_by_default_what_the_account_calls_revenue() -> None:
    with opened(Shop(10)) as warehouse:
        warehouse.move_to(a_day_after(10))
        warehouse.run("flow_series", asking={"conversion_metrics": ()})
        assert {metric for _, metric, _ in warehouse.days_asked("flow_series")} == {"ORDER"}
        metrics = warehouse.sandbox.account.objects["metric"]
        integration = {"object": "integration", "id": "1", "key": "shopify", "name": "Shopify", "category": "x"}
        metrics["OTHER"] = replace(metrics["ORDER"], id="OTHER", attributes={**metrics["ORDER"].attributes})
        metrics["OTHER"].attributes["integration"] = integration
        for name, expected in (("Placed Order", {"ORDER", "OTHER"}), ("Placed Order (Shopify)", {"OTHER"})):
            warehouse.questions.clear()
            warehouse.run(
                "flow_values", asking={"conversion_metrics": (name,)}, full_refresh=frozenset({"flow_values"})
            )
            assert {metric for _, metric, _ in warehouse.days_asked("flow_values")} == expected


@pytest.mark.parametrize(("kind", "metric"), [("metric", "VISIT"), ("custom-metric", "CUSTOM")])
def test_revenue_is_the_metric_that_the_account_maps_to_it(kind: str, metric: str) -> None:
    with opened(Shop(10)) as warehouse:
        mapped = warehouse.sandbox.account.objects["mapped-metric"]["revenue"]
        mapped.relationships = {"metric": None, "custom-metric": None, kind: metric}
        warehouse.move_to(a_day_after(10))
        warehouse.run("flow_series", asking={"conversion_metrics": ()})
        assert {asked for _, asked, _ in warehouse.days_asked("flow_series")} == {metric}


def test_without_a_mapped_metric_placed_order_means_revenue() -> None:
    with opened(Shop(10)) as warehouse:
        del warehouse.sandbox.account.objects["mapped-metric"]["revenue"]
        warehouse.move_to(a_day_after(10))
        warehouse.run("flow_series", asking={"conversion_metrics": ()})
        assert {metric for _, metric, _ in warehouse.days_asked("flow_series")} == {"ORDER"}


@pytest.mark.parametrize("interval", ["hour", "day", "week", "month"])
def test_aggregates_count_every_event_once_whatever_the_interval(interval: Any) -> None:
    shop = Shop(400)
    opened_mail = Aggregate(
        metric="Received Email", measurements=("count", "unique"), interval=interval, by=("$message",)
    )
    with opened(shop) as warehouse:
        for number in (430, 431, 460):
            warehouse.move_to(a_day_after(number))
            (tally,) = warehouse.run(aggregates=[opened_mail]).tallies
            assert tally.status == "complete", tally.error
    found: Counter[str] = Counter()
    for row in warehouse.rows("metric_aggregates"):
        found[json.loads(row["dimensions"])["$message"]] += row["count"]
    assert found == {"FMSG": 400, "MAIL": 80}


def test_aggregates_of_many_combinations_come_in_pages() -> None:
    shop = Shop(3)
    for number in range(1_200):
        shop.happen("VISIT", "ANNA", FIRST + number, {"URL": f"/{number}"})
    by_page = Aggregate(metric="Active on Site", by=("URL",))
    with opened(shop) as warehouse:
        warehouse.move_to(a_day_after(3))
        (tally,) = warehouse.run(aggregates=[by_page]).tallies
    assert tally.status == "complete", tally.error
    urls = [json.loads(row["dimensions"])["URL"] for row in warehouse.rows("metric_aggregates")]
    assert {f"/{number}" for number in range(1_200)} <= {*urls}
    assert len([request for request in warehouse.sandbox.api.requests if "aggregates" in request["path"]]) == 3


@pytest.mark.parametrize("revision", contract.revisions())
def test_every_revision_is_asked_the_same(revision: str) -> None:
    with opened(Shop(10)) as warehouse:
        warehouse.move_to(a_day_after(10))
        told = warehouse.run(*SUBJECTS, revision=revision).tallies
        assert {tally.status for tally in told} == {"complete"}, told[0].error
        assert warehouse.rows("flow_series")


# --- what goes wrong -------------------------------------------------------------------------------------------------


def test_a_conversion_metric_that_there_is_not_fails_its_reports_alone_and_says_which_there_are() -> None:
    with opened(Shop(10)) as warehouse:
        warehouse.move_to(a_day_after(10))
        told = warehouse.run("flow_series", "form_series", asking={"conversion_metrics": ("Placed Ordre",)}).tallies
        assert [tally.status for tally in told] == ["failed", "complete"]
        assert "no metric named Placed Ordre" in told[0].error
        assert "Placed Order" in told[0].error


def test_an_account_without_revenue_is_told_which_setting_names_it() -> None:
    with opened(Shop(10)) as warehouse:
        del warehouse.sandbox.account.objects["mapped-metric"]["revenue"]
        warehouse.sandbox.account.objects["metric"]["ORDER"].attributes["name"] = "Bought"
        warehouse.move_to(a_day_after(10))
        (tally,) = warehouse.run("flow_series", asking={"conversion_metrics": ()}).tallies
        assert tally.status == "failed"
        assert "sources.klaviyo.conversion_metrics" in tally.error


def test_a_report_that_the_key_may_not_read_costs_that_report_alone() -> None:
    scopes = frozenset({"accounts:read", "metrics:read", "forms:read"})
    with opened(Shop(10), keys={"pk_sandbox": scopes}) as warehouse:
        warehouse.move_to(a_day_after(10))
        told = warehouse.run("flow_series", "form_series").tallies
        assert [tally.status for tally in told] == ["not_permitted", "complete"]
        assert "flows:read" in told[0].error


def test_a_conversion_metric_that_klaviyo_does_not_reckon_costs_the_report_of_that_metric_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ask, asked = Recorded.ask, Counter[str]()

    def picky(client: Recorded, url: str, *arguments: Any) -> bytes:
        body = next((one for one in arguments if isinstance(one, bytes)), b"")
        metric = json.loads(body)["data"]["attributes"]["conversion_metric_id"] if body else ""
        asked[metric] += 1
        answer = ask(client, url, *arguments)
        if metric == "VISIT":
            raise BadRequest("refused (400): does not support querying for values data")
        return answer

    monkeypatch.setattr(Recorded, "ask", picky)
    with opened(Shop(80)) as warehouse:
        warehouse.move_to(a_day_after(80))
        (tally,) = warehouse.run("flow_series").tallies
        assert tally.status == "failed"
        assert "VISIT" in tally.error
        assert "does not support" in tally.error
        assert {row["conversion_metric_id"] for row in warehouse.rows("flow_series")} == {"ORDER"}
        assert (asked["VISIT"], asked["ORDER"]) == (1, 2)
        warehouse.run("flow_series")
        assert asked["ORDER"] == 2, "what was told has been noted"


def test_one_thing_told_twice_in_an_answer_is_not_loaded() -> None:
    with opened(Shop(10)) as warehouse:
        (reading,) = warehouse.run("segment_values").readings
    row = {"segment_id": "VIPS", "month": date(2025, 3, 1), "total_members": 1}
    assert reading.arrow([row]).num_rows == 1
    with pytest.raises(MalformedPage, match="twice"):
        reading.arrow([row, row])


def test_a_statistic_that_was_not_asked_for_is_reported() -> None:
    with opened(Shop(10)) as warehouse:
        (reading,) = warehouse.run("segment_values").readings
    reading.arrow([{"segment_id": "VIPS", "month": date(2025, 3, 1), "members_moved": 1}])
    (change,) = reading.tally.drift.changes
    assert change[:3] == ("segment_values", "members_moved", "new_attribute")


@pytest.mark.parametrize(
    ("kind", "attribute", "value", "complaint"),
    [("account", "timezone", "Middle/Earth", "Middle/Earth"), ("metric", "created", "once", "metric OPEN was created")],
)
def test_an_account_that_is_not_understood_ends_its_reports(
    kind: str, attribute: str, value: str, complaint: str
) -> None:
    with opened(Shop(10)) as warehouse:
        for one in warehouse.sandbox.account.objects[kind].values():
            one.attributes[attribute] = value
        warehouse.sandbox.api.performance.forget()
        warehouse.move_to(a_day_after(10))
        (tally,) = warehouse.run("form_series", start_date=None).tallies
    assert tally.status == "failed"
    assert complaint in tally.error


def test_an_answer_that_is_cut_short_is_asked_for_again_and_counted() -> None:
    with opened(Shop(10)) as warehouse:
        fault = Fault("truncated", how="json", path="/api/flow-series-reports", times=1)
        warehouse.sandbox.api.faults.ordered.append(fault)
        warehouse.move_to(a_day_after(10))
        (tally,) = warehouse.run("flow_series").tallies
        assert (tally.status, tally.retries) == ("complete", 1)
        assert sum(warehouse.state["flow_series"]["requests"].values()) == len(METRICS) + 1


def days(start: date, end: date) -> set[date]:
    return {start + timedelta(days=number) for number in range((end - start).days)}


# --- as a dlt source -------------------------------------------------------------------------------------------------


def test_a_pipeline_of_ones_own_can_load_reports(open_house: Callable[[Account], House]) -> None:
    house = open_house(Shop(30).account())
    asked: dict[str, Any] = {
        "api_key": "pk_sandbox",
        "base_url": house.sandbox.url,
        "start_date": "2025-02-28T12:00:00",
        "report_minutes": 1e-6,
    }
    months = []
    for _ in range(2):
        house.pipeline().run(klaviyo_reports(["segment_values"], **asked))
        months += house.rows("select count(distinct month) from segment_values where total_members > 0")
    assert (0,) < months[0] < months[1], "the second run goes on"
    with pytest.raises(UnknownResource, match="flow_serious"):
        klaviyo_reports(["flow_serious"], **asked)
