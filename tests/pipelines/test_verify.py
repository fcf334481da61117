"""`verify` finds what is missing, or too much, by Klaviyo's own counts, and mends it."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import duckdb
import pendulum
import pytest

from pipelines.errors import ConfigurationError, Exit
from pipelines.progress import LogWatch
from pipelines.settings import Settings
from pipelines.verify import Verification, Verifier
from pipelines.warehouse import Warehouse
from sandbox.account import Account
from sandbox.reads import Reader
from sandbox.server import Sandbox
from sources.klaviyo.limits import Limiter
from sources.klaviyo.windows import Window, moment
from tests.conftest import KEY, Cli, Job, Once, both_revisions, load_once
from tests.pipelines.warehouse import assert_tables_equal_the_account, rows
from tests.sandbox.tiny import DAY, MONDAY, PlainEvent, tiny_account
from tests.sources.clock import Clock

EVENTS = ("events", "event_attributions")
LATER = count()
HOUR = pendulum.datetime(2026, 6, 1)
"""In it, and in each of the 29 that follow, there is one order."""


def orders() -> Account:
    """Orders of two days, some on their own in the year before, one from long ago, and one event without a metric."""
    tiny = tiny_account()
    for month in range(12):
        tiny.events.add(PlainEvent(f"month{month}", MONDAY - month * 25 * DAY - 3_000))
    tiny.events.add(PlainEvent("ancient", int(datetime(1995, 3, 14, 15, tzinfo=UTC).timestamp())))
    return tiny


@pytest.fixture
def account() -> Account:
    return orders()


@pytest.fixture(scope="session")
def first_load(once: Once, request: pytest.FixtureRequest) -> Path:
    """A warehouse with all events."""
    return load_once(once, "orders", orders, *EVENTS, revision=str(request.config.getoption("--revision")))


@pytest.fixture
def loaded(job: Job, first_load: Path) -> Job:
    """A job whose warehouse holds all events."""
    job.settle()
    shutil.copyfile(first_load, job.database)
    return job


def verify(job: Job, start: str = "", end: str = "", *, repair: bool = True, most: int = 1_000) -> Verification:
    verifier = Verifier(
        settings=Settings(api_key=KEY, base_url=job.sandbox.url, revision=job.revision),
        warehouse=Warehouse("duckdb"),
        watch=LogWatch(),
        most_requests=most,
        repair=repair,
        # Whose turn it is goes by the second in which it was verified last.
        now=pendulum.now("UTC").replace(microsecond=0).add(seconds=next(LATER)),
    )
    clock = Clock()
    verifier.client.limiter = Limiter(clock=clock, sleep=clock.sleep)
    with duckdb.connect(str(job.database)):  # an open file is opened again at once
        return verifier.verify(moment(start) if start else None, moment(end) if end else None)


def delete(job: Job, *ids: str) -> None:
    with duckdb.connect(str(job.database)) as database:
        database.execute("delete from klaviyo.events where id in (select unnest(?))", [[*ids]])


@both_revisions
def test_a_load_that_holds_everything_is_verified_day_by_day(loaded: Job, sandbox: Sandbox) -> None:
    found = verify(loaded)
    assert found.exit is Exit.DONE
    events = sandbox.account.events.some(range(len(sandbox.account.events)))
    truth = Counter((event.metric_id, f"{event.datetime:.10}") for event in events)
    recorded = rows(loaded, "etl_verifications")
    assert {(row["metric_id"], f"{row['day']}"): row["held"] for row in recorded} == truth
    assert all(row["status"] == "equal" and row["held"] == row["counted"] for row in recorded if row["metric_id"])
    # The decades between the first event and the next take no counting.
    assert found.tally.requests < 6 * len(sandbox.account.objects["metric"])


def test_rows_deleted_by_hand_are_put_back_and_only_their_hours_are_read_again(loaded: Job, sandbox: Sandbox) -> None:
    delete(loaded, "e00004", "e00005", "e00027", "ancient")
    found = verify(loaded)
    assert found.exit is Exit.DONE
    assert [one.held - one.held_before for one in found.having("repaired")] == [1, 2, 1]
    hours = [(HOUR + timedelta(hours=4), 2), (HOUR + timedelta(hours=27), 1)]
    ancient = Window(pendulum.datetime(1995, 3, 14, 15), pendulum.datetime(1995, 3, 14, 16))
    assert found.read_again == [ancient, *(Window(start, start + timedelta(hours=count)) for start, count in hours)]
    assert_tables_equal_the_account(loaded, sandbox, *EVENTS)
    assert not verify(loaded).having("repaired")


def test_events_that_came_later_than_any_run_looks_back_are_found(loaded: Job, sandbox: Sandbox) -> None:
    for number in range(3):
        sandbox.account.events.add(PlainEvent(f"late{number}", MONDAY + number * DAY, "VISIT"))
    sandbox.changed()
    loaded.load(*EVENTS)
    with pytest.raises(AssertionError):
        assert_tables_equal_the_account(loaded, sandbox, "events")
    found = verify(loaded, "2026-05-01")
    assert found.exit is Exit.DONE
    assert [one.held - one.held_before for one in found.having("repaired")] == [1, 1, 1]
    assert_tables_equal_the_account(loaded, sandbox, *EVENTS)


def test_events_that_klaviyo_no_longer_shows_are_marked(loaded: Job, sandbox: Sandbox) -> None:
    sandbox.account.events.remove("e00007")
    sandbox.changed()
    found = verify(loaded)
    assert found.exit is Exit.DONE
    [repaired] = found.having("repaired")
    assert (repaired.day, repaired.held) == (HOUR, repaired.held_before - 1)
    assert loaded.query("select id from klaviyo.events where _deleted_at is not null") == [("e00007",)]


class Forgetful:
    """Reads as the sandbox does, but never lists one event, which is counted all the same."""

    def __init__(self, reader: Reader, hidden: str) -> None:
        self.reader = reader
        self.hidden = hidden

    def __getattr__(self, name: str) -> Any:
        return getattr(self.reader, name)

    def document(self, *arguments: Any) -> Any:
        made = self.reader.document(*arguments)
        document = made if isinstance(made, dict) else json.loads(made)
        if isinstance(document["data"], list):
            document["data"] = [one for one in document["data"] if one["id"] != self.hidden]
        return document


def test_what_klaviyo_counts_but_does_not_list_remains_and_is_explained(job: Job, sandbox: Sandbox) -> None:
    sandbox.api.reader = Forgetful(sandbox.api.reader, "e00003")  # type: ignore[assignment]  # in its place
    job.load(*EVENTS)
    found = verify(job)
    assert found.exit is Exit.NEEDS_A_PERSON
    [left] = found.having("differs")
    assert (left.metric, left.counted) == ("ORDER", left.held + 1)
    assert "does not list" in left.explanation
    [recorded] = [row for row in rows(job, "etl_verifications") if row["status"] == "differs"]
    assert recorded["explanation"] == left.explanation


def test_events_without_a_metric_are_told_apart_from_differences(loaded: Job) -> None:
    found = verify(loaded)
    assert found.exit is Exit.DONE
    [uncounted] = found.having("not_counted")
    assert (uncounted.metric, uncounted.held) == ("", 1)


def test_without_repair_it_only_compares(loaded: Job) -> None:
    delete(loaded, "e00001")
    found = verify(loaded, repair=False)
    assert found.exit is Exit.NEEDS_A_PERSON
    assert not found.read_again
    assert verify(loaded, "2026-05-01").having("repaired")


def test_the_next_verification_asks_for_the_latest_days_and_a_part_of_the_rest(loaded: Job) -> None:
    first = verify(loaded)
    second = verify(loaded)
    assert {one.day for one in second.made} < {one.day for one in first.made}
    assert sum((window.end - window.start).total_seconds() for window in second.windows) <= 44 * 86_400
    assert second.asked[-1].end == first.asked[-1].end
    sampled = [verify(loaded).asked[0].start for _ in range(2)]
    assert len({second.asked[0].start, *sampled}) == 3


def test_late_events_of_days_on_which_there_was_nothing_to_compare_are_found_in_their_turn(
    loaded: Job, sandbox: Sandbox
) -> None:
    verify(loaded)
    for year in (1990, 2010):
        sandbox.account.events.add(PlainEvent(f"of {year}", int(datetime(year, 5, 1, tzinfo=UTC).timestamp())))
    sandbox.changed()
    assert verify(loaded).having("repaired")
    assert verify(loaded).having("repaired")
    assert_tables_equal_the_account(loaded, sandbox, *EVENTS)


def test_a_range_can_be_named(loaded: Job) -> None:
    found = verify(loaded, "2026-06-02", "2026-06-03")
    assert {one.day for one in found.made} == {HOUR + timedelta(days=1)}


def test_it_refuses_what_would_take_more_requests_than_allowed(loaded: Job) -> None:
    with pytest.raises(ConfigurationError, match="--max-requests"):
        verify(loaded, most=3)


def test_narrowing_down_stays_within_the_bound_and_then_reads_whole_days(loaded: Job, sandbox: Sandbox) -> None:
    delete(loaded, "e00001")
    most = len(sandbox.account.objects["metric"])
    sandbox.api.requests.clear()
    found = verify(loaded, "2026-06-01", "2026-06-02", most=most)
    assert found.exit is Exit.DONE
    assert found.read_again == [Window(HOUR, HOUR + timedelta(days=1))]
    assert [one["path"] for one in sandbox.api.requests].count("/api/metric-aggregates") <= most


def test_what_arrives_while_it_is_read_again_is_counted_within_the_bound(loaded: Job, sandbox: Sandbox) -> None:
    delete(loaded, "e00001")
    most = len(sandbox.account.objects["metric"]) + 20
    sandbox.api.requests.clear()
    found = verify(loaded, "2026-06-01", "2026-06-02", most=most)
    assert found.exit is Exit.DONE
    assert [window.end - window.start for window in found.read_again] == [timedelta(hours=1)]
    counts = [one["path"] for one in sandbox.api.requests].count("/api/metric-aggregates")
    assert counts == len(sandbox.account.objects["metric"]) + 2, "one by the hour, and one once more"


def test_the_command_says_what_was_compared_and_ends_in_3_while_differences_remain(cli: Cli) -> None:
    assert cli("verify").returncode == 2
    loaded = cli("run", "--no-transform", "--select", "events", "--verify")
    assert loaded.returncode == 0
    assert "0 differs" in loaded.stdout
    assert "nothing differs" in cli("status").stdout
    assert "differs" not in cli("run", "--no-transform", "--select", "events", "--verify").stdout
    with duckdb.connect(str(cli.database)) as database:
        database.execute("delete from klaviyo.events where id = 'e00001'")
    compared = cli("verify", "--no-repair", "--start", "2026-06-01")
    assert compared.returncode == 3
    assert "1 differs" in compared.stdout
    assert "1 repaired" in cli("verify", "--start", "2026-06-01").stdout
