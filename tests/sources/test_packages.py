"""Loads in packages: how much each holds, and that together they are what one would be."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import dlt
import pendulum
import pyarrow as pa
import pytest
from dlt.common.versioned_state import decompress_state
from dlt.extract import DltResource

from sandbox.account import Account, Attribution, Events, Object
from sandbox.faults import Fault
from sources.klaviyo.extraction import Extraction
from sources.klaviyo.ledger import windows
from sources.klaviyo.package import Package
from sources.klaviyo.resources import select
from sources.klaviyo.rows import Rows
from sources.klaviyo.windows import BEGINNING, Window, gaps, moment
from tests.sandbox.tiny import PlainEvent
from tests.sources.clock import Clock
from tests.sources.conftest import Connect, Open
from tests.sources.house import House, second

NOON = second("2025-03-01T12:00:00")
NOW = pendulum.datetime(2025, 6, 1)
HORIZON = NOW.subtract(seconds=10)

NAMES = ("profiles", "campaigns", "campaign_messages", "events", "event_attributions")


# --- bounds --------------------------------------------------------------------------------------------------------


def rows(count: int, width: int = 1) -> Rows:
    return Rows({"events": pa.table({"id": ["x" * width] * count})}, {}, 0)


def test_a_package_is_full_with_the_row_that_reaches_its_bound() -> None:
    package = Package(rows=10)
    assert [package.filled_by(rows(count)) for count in (9, 0, 1, 0)] == [False, False, True, True]


def test_the_rows_of_all_tables_and_walks_count() -> None:
    package = Package(rows=10)
    both = Rows({"events": rows(4).tables["events"], "event_attributions": rows(1).tables["events"]}, {}, 0)
    assert [package.filled_by(both), package.filled_by(both)] == [False, True]


def test_a_package_is_full_when_its_rows_take_the_megabytes_it_may_hold() -> None:
    package = Package(megabytes=2)
    assert [package.filled_by(rows(100, width=9_000)) for _ in range(3)] == [False, False, True]


def test_a_package_is_full_when_its_time_is_up(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    monkeypatch.setattr("sources.klaviyo.package.time.monotonic", clock)
    package = Package(minutes=1.5)
    clock.sleep(89)
    assert not package.filled_by(rows(1))
    clock.sleep(1)
    assert package.filled_by(rows(1))
    package.begin()
    assert not package.filled_by(rows(1))


def test_a_new_package_begins_empty() -> None:
    package = Package(rows=10, megabytes=1)
    assert package.filled_by(rows(200, width=9_000))
    package.begin()
    assert not package.filled_by(rows(9))


def test_rows_of_many_threads_are_all_counted() -> None:
    package = Package(rows=1_000_000)
    threads = [
        threading.Thread(target=lambda: [package.filled_by(rows(1)) for _ in range(500)] and None) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert package.held_rows == 4_000


# --- one load in several packages ----------------------------------------------------------------------------------


def busy_account(events: int = 2_300, people: int = 250) -> Account:
    """Events in a crowd and around it, people, campaigns on every channel."""
    credit = (Attribution("A", {"campaign": "email-False"}),)
    happened = [
        PlainEvent(
            f"e{number:04}",
            NOON + (number - 1_000 if number > 1_000 else 0),
            attributions=(Attribution(f"A{number}", credit[0].relationships),) if number % 50 == 0 else (),
        )
        for number in range(events)
    ]
    objects: dict[str, dict[str, Object]] = {"profile": {}, "campaign": {}, "campaign-message": {}}
    for number in range(people):
        id_, created = f"P{number:03}", pendulum.from_timestamp(NOON + number // 3)
        dated = {"created": created.isoformat(), "updated": created.add(days=1).isoformat()}
        objects["profile"][id_] = Object("profile", id_, {"email": f"{id_}@example.com", **dated})
    for channel in ("email", "sms", "mobile_push"):
        for archived in (False, True):
            id_, at = f"{channel}-{archived}", pendulum.from_timestamp(NOON).isoformat()
            campaign = {"name": id_, "archived": archived, "created_at": at, "updated_at": at}
            objects["campaign"][id_] = Object("campaign", id_, campaign, {"campaign-messages": [f"M-{id_}"]})
            objects["campaign-message"][f"M-{id_}"] = Object(
                "campaign-message", f"M-{id_}", {"definition": {"channel": channel}}, {"campaign": id_}
            )
    return Account(objects=objects, events=Events([*happened]))


def load(house: House, extraction: Extraction, most: int = 500) -> Iterator[dict[str, Any]]:
    """Load package after package. Yield what the destination then knows of each resource."""

    @dlt.source(name="klaviyo", max_table_nesting=0)
    def account() -> list[DltResource]:
        return extraction.resources()

    pipeline = house.pipeline()
    for _ in range(most):
        if extraction.finished:
            return
        extraction.package.begin()
        pipeline.run(account())
        yield committed(house)
    pytest.fail("the load does not end")


def committed(house: House) -> dict[str, Any]:
    """The state as another machine would find it."""
    ((text,),) = house.rows("SELECT state FROM _dlt_pipeline_state ORDER BY version DESC LIMIT 1")
    state: Any = decompress_state(text)
    known: dict[str, Any] = state.get("sources", {}).get("klaviyo", {}).get("resources", {})
    return known


def extraction(house: House, connect: Connect, names: Sequence[str] = NAMES, **settings: Any) -> Extraction:
    settings = {"package": Package(rows=500), "now": NOW, "max_lanes": 4, **settings}
    return Extraction(connect(house.sandbox.url), select([*names]), **settings)


def read_of(state: dict[str, Any], name: str) -> list[Window]:
    return windows(state.get(name, {}).get("windows_read", {}).get(name, ()))


def check_nothing_unread_is_noted(house: House, state: dict[str, Any]) -> None:
    """Whatever the committed state takes for read is there."""
    there = {id_ for (id_,) in house.rows("SELECT id FROM events")}
    read = read_of(state, "events")
    held = house.sandbox.account.events
    for place in range(len(held)):
        event = held.at(place)
        when = pendulum.from_timestamp(event.second)
        assert event.id in there or not any(start <= when < end for start, end in read), (event.id, read)
    people = {id_ for (id_,) in house.rows("SELECT id FROM profiles")}
    loading = state.get("profiles", {})
    by_creation = windows(loading.get("first_load", {}).get("windows_read", ()))
    by_creation += read_of(state, "profiles")
    for id_, person in house.sandbox.account.objects["profile"].items():
        created = moment(person.attributes["created"])
        assert id_ in people or not any(start <= created < end for start, end in by_creation), (id_, by_creation)


def check_equal(house: House) -> None:
    held = house.sandbox.account
    for name, ids in (
        ("events", {held.events.at(place).id for place in range(len(held.events))}),
        ("event_attributions", {one.id for place in range(len(held.events)) for one in held.events.at(place).attributions}),
        ("profiles", held.objects["profile"].keys()),
        ("campaigns", held.objects["campaign"].keys()),
        ("campaign_messages", held.objects["campaign-message"].keys()),
    ):  # fmt: skip
        assert sorted(id_ for (id_,) in house.rows(f"SELECT id FROM {name}")) == sorted(ids), name


def test_packages_together_are_what_one_would_be(open_house: Open, connect: Connect) -> None:
    house = open_house(busy_account())
    reading = extraction(house, connect)
    states = []
    for state in load(house, reading):
        check_nothing_unread_is_noted(house, state)
        states.append(state)
    assert len(states) >= 3
    check_equal(house)
    for name in ("events", "profiles"):
        assert read_of(states[-1], name) == [Window(BEGINNING, HORIZON)], name
    assert "first_load" not in states[-1]["profiles"]
    assert [walk.tally.status for walk in reading.walks] == ["complete"] * len(reading.walks)


def test_what_has_been_read_grows_from_package_to_package(open_house: Open, connect: Connect) -> None:
    house = open_house(busy_account(events=5_000))
    reading = extraction(house, connect, ["events"], package=Package(rows=1_000), max_lanes=1)
    noted = [read_of(state, "events") for state in load(house, reading)]
    assert len(noted) >= 5
    for earlier, later in pairwise(noted):
        assert not [gap for one in earlier for gap in gaps(one, later)]
    assert len({str(read) for read in noted}) >= 4


def test_a_package_holds_about_as_much_as_it_may(open_house: Open, connect: Connect) -> None:
    house = open_house(busy_account(events=6_000))
    reading = extraction(house, connect, ["events"], package=Package(rows=1_500), max_lanes=4)
    loaded = [0]
    for _ in load(house, reading):
        loaded += house.rows("SELECT count(*) FROM events")[0]
    # A page more than the bound, at most.
    assert max(later - earlier for earlier, later in pairwise(loaded)) <= 1_500 + 1_000
    assert loaded[-1] == 6_000


@pytest.mark.parametrize("packages", [1, 3])
def test_a_load_that_is_cut_off_goes_on_from_its_last_package(
    packages: int, open_house: Open, connect: Connect
) -> None:
    house = open_house(busy_account(events=4_000))
    cut = extraction(house, connect, package=Package(rows=1_000))
    for number, _ in enumerate(load(house, cut), 1):
        if number == packages:
            break
    cut.close()
    before = house.rows("SELECT count(*) FROM events")[0][0]
    then = extraction(house, connect, package=Package(rows=3_000), now=NOW.add(hours=1))
    for state in load(house, then):
        check_nothing_unread_is_noted(house, state)
    check_equal(house)
    received = next(walk.tally.received for walk in then.walks if walk.host.name == "events")
    # The lookback of a week holds every event here; what lanes had ahead is read again too.
    assert received <= 4_000 + 4 * 1_000
    assert before >= 1_000


def test_a_first_load_whose_last_page_fills_a_package_is_over_once(open_house: Open, connect: Connect) -> None:
    house = open_house(busy_account(events=0))
    states = [*load(house, extraction(house, connect, ["profiles"], package=Package(rows=50), max_lanes=1))]
    assert read_of(states[-1], "profiles") == [Window(BEGINNING, HORIZON)]
    assert len(house.rows("SELECT id FROM profiles")) == 250


def test_an_error_in_a_later_package_keeps_what_came_before_it(open_house: Open, connect: Connect) -> None:
    house = open_house(busy_account(events=4_000))
    house.sandbox.api.faults.ordered.append(Fault(kind="status", status=400, path="/api/events", after=3))
    failing = extraction(house, connect, package=Package(rows=1_000), max_lanes=1)
    for state in load(house, failing):
        check_nothing_unread_is_noted(house, state)
    assert {walk.host.name: walk.tally.status for walk in failing.walks}["events"] == "failed"
    assert house.rows("SELECT count(*) FROM events") == [(3_000,)]
    assert read_of(state, "events")
    house.sandbox.api.faults.ordered.clear()
    for state in load(house, extraction(house, connect, package=Package(rows=3_000), now=NOW.add(hours=1))):
        check_nothing_unread_is_noted(house, state)
    check_equal(house)


def test_the_next_load_reads_only_what_is_new(open_house: Open, connect: Connect) -> None:
    house = open_house(busy_account())
    for _ in load(house, extraction(house, connect)):
        pass
    house.forget_requests()
    again = extraction(house, connect, now=NOW.add(days=30))
    for _ in load(house, again):
        pass
    received = {walk.host.name: walk.tally.received for walk in again.walks}
    assert received["events"] == received["profiles"] == 0
    check_equal(house)


def test_a_refresh_in_several_packages_doubles_nothing(open_house: Open, connect: Connect) -> None:
    house = open_house(busy_account())
    for _ in load(house, extraction(house, connect, package=Package(rows=10_000))):
        pass
    refresh = extraction(house, connect, full_refresh=frozenset({"events", "profiles"}), now=NOW.add(hours=1))
    states = [*load(house, refresh)]
    assert len(states) >= 3
    check_equal(house)
