"""Reports build up a history that is neither counted twice nor asked for twice, within the day's allowance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta

from sources.klaviyo.reports import REPORTS
from tests.sources.days import LONGEST, METRICS, Shop, Warehouse, a_day_after, by_period, local_day, opened

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
