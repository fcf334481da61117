"""Days go by: what comes late, changes afterwards or lies in the future is there in time, at a small and stated cost."""

from __future__ import annotations

import re
from io import StringIO
from urllib.parse import parse_qs

import pytest
from rich.console import Console

from pipelines.lateness import Band, Lateness
from pipelines.report import print_lateness
from pipelines.status import status
from pipelines.warehouse import Warehouse
from sandbox.account import Account
from sources.klaviyo import REVISION
from sources.klaviyo.rereads import DAY, HOUR, tiers_of
from sources.klaviyo.windows import moment
from tests.conftest import Job
from tests.pipelines.simulated import Days, days
from tests.sandbox.tiny import tiny_account
from tests.sources.filters import conditions

__all__ = ["days"]

TIERS = tiers_of({"each_run": 0.25, "daily": 7})


@pytest.fixture
def account() -> Account:
    return tiny_account()


def rereads(job: Job) -> list[tuple[object, ...]]:
    return job.query(
        "select cast(reread_at as date)::text, tier, late_from_hours, late_to_hours, new, changed "
        "from klaviyo.etl_rereads where new + changed > 0 order by all"
    )


def test_late_events_late_attribution_and_the_future_arrive_over_days_and_their_lateness_is_measured(
    days: Days,
) -> None:
    days.job.tiers = TIERS
    order = days.event("order", "2026-07-06T00:30:00")
    days.event("birthday", "2026-07-08T12:00:00")
    days.event("far", "2027-06-30T00:00:00")
    days.run("2026-07-06T06:00:00")
    assert days.rows("events").keys() & {"birthday", "far"} == set()

    # Each hour, only the last ones are read again; a late event of yesterday waits for the daily tier.
    days.event("late by hours", "2026-07-06T04:00:00")
    days.event("late by days", "2026-07-04T04:00:00")
    asked = days.run("2026-07-06T07:00:00")
    assert len(asked) == 1
    assert days.rows("events").keys() >= {"late by hours"}
    assert "late by days" not in days.rows("events")

    days.attribute(order, "SPRING")
    days.event("late by weeks", "2026-06-20T04:00:00")
    asked = days.run("2026-07-07T05:00:00")
    assert len(asked) == 2
    assert days.rows("events").keys() >= {"late by days"}
    assert days.rows("event_attributions").keys() >= {"order-SPRING"}
    assert "late by weeks" not in days.rows("events")

    # A week without runs, on a machine that has lost its disk.
    days.run("2026-07-14T06:00:00", machine="another")
    assert days.rows("events").keys() >= {"late by weeks", "birthday"}
    assert "far" not in days.rows("events")
    nothing_new = days.run("2026-07-14T07:00:00", machine="another")
    assert len(nothing_new) == 1
    (events,) = days.last.tallies
    assert events.rows == {}

    assert rereads(days.job) == [
        ("2026-07-06", "each_run", 1, 3, 1, 0),
        ("2026-07-07", "daily", 3, 6, 0, 1),
        ("2026-07-07", "daily", 48, 72, 1, 0),
        ("2026-07-14", "weekly", 336, 720, 1, 0),
    ]
    assert_nothing_is_left(days)

    told = status(Warehouse("duckdb"), REVISION, 1.0).lateness
    assert told is not None
    assert told.late == 4
    assert told.days == pytest.approx(8, abs=0.1)
    assert told.recommended() is None

    # Its time comes, almost a year later.
    days.run("2027-06-30T06:00:00")
    assert "far" in days.rows("events")
    assert max(end for (end,) in days.job.query("select window_end from klaviyo.etl_windows")) < moment(
        "2027-06-30T06:00"
    )


def assert_nothing_is_left(days: Days) -> None:
    """All that Klaviyo shows up to now is there."""
    now = moment("2026-07-14T07:00:00").timestamp()
    account = days.job.sandbox.account
    shown = [account.events.at(place) for place in range(len(account.events))]
    assert days.rows("events").keys() == {event.id for event in shown if event.second < now}


def test_a_tier_that_was_switched_off_reads_again_what_it_has_missed(days: Days) -> None:
    days.job.tiers = TIERS
    days.run("2026-07-06T06:00:00")
    days.event("late", "2026-07-04T04:00:00")
    days.job.tiers = TIERS[:1]
    days.run("2026-07-07T06:00:00")
    assert "late" not in days.rows("events")
    days.job.tiers = TIERS
    asked = days.run("2026-07-08T06:00:00")
    filters = [parse_qs(request["query"])["filter"][0] for request in asked]
    lower = [one.value for text in filters for one in conditions(text) if one.operator == "greater-or-equal"]
    assert sorted(lower) == ["2026-06-29T05:59:50Z", "2026-07-06T23:59:50Z"]
    assert "late" in days.rows("events")


# --- what is recommended -------------------------------------------------------------------------------------------


def bands(**late: int) -> list[Band]:
    """A thousand events read again in each band; so many of them were late by up to so many hours."""
    edges = [1, 3, 6, 12, 24, 48, 72, 120, 168, 336, 720, 1440, 2160]
    return [
        Band(low * HOUR, high * HOUR, 1_000, late.get(f"h{high}", 0), 0)
        for low, high in zip([0, *edges], edges, strict=False)
    ]


def test_each_tier_should_reach_to_where_its_share_of_what_comes_late_was_found() -> None:
    found = Lateness(bands(h1=500, h12=450, h48=45, h168=4, h336=1), days=40, rereads=14)
    assert found.recommended() == {"each_run": 12 * HOUR, "daily": 2 * DAY, "weekly": 7 * DAY, "monthly": 30 * DAY}


def test_where_nothing_comes_late_the_least_reaches_are_recommended() -> None:
    assert Lateness(bands(), days=40, rereads=14).recommended() == {
        "each_run": 3 * HOUR,
        "daily": DAY,
        "weekly": 7 * DAY,
        "monthly": 30 * DAY,
    }


def test_what_is_found_at_the_end_of_all_reaches_calls_for_a_longer_one() -> None:
    recommended = Lateness(bands(h1=99, h2160=1), days=40, rereads=14).recommended()
    assert recommended is not None
    assert recommended["monthly"] == 180 * DAY


def test_nothing_is_recommended_from_a_few_days_or_runs() -> None:
    assert Lateness(bands(h1=99), days=27, rereads=600).recommended() is None
    assert Lateness(bands(h1=99), days=40, rereads=13).recommended() is None


def test_status_shows_the_curve_and_the_setting_to_change() -> None:
    console = Console(width=160, record=True, file=StringIO())
    print_lateness(console, Lateness(bands(h1=900, h48=100), days=40, rereads=14), TIERS)
    shown = console.export_text()
    assert re.search(r"up to 1 hours +1,000 +900 +0 +90.0%", shown)
    assert re.search(r"up to 2 days +1,000 +100 +0 +100.0%", shown)
    told = "each_run 0.125 (now 0.25), daily 2 (now 7), weekly 7 (now 30), monthly 30 (now 90)"
    assert f"recommended reread_days: {told}" in shown
