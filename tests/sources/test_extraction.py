"""What one reading of an account takes, hands on and remembers."""

from __future__ import annotations

from collections.abc import Container
from functools import partial
from typing import Any

import dlt
import pendulum
import pytest
from dlt.extract import DltResource

from sandbox.account import Attribution
from sandbox.faults import Fault
from sandbox.server import Sandbox
from sources.klaviyo.errors import RevisionRetired, Unauthorized, Unreachable
from sources.klaviyo.extraction import Extraction, forget_other_revisions
from sources.klaviyo.held import Nothing
from sources.klaviyo.resources import RESOURCES, select
from sources.klaviyo.tables import Table
from sources.klaviyo.tally import Tally
from sources.klaviyo.windows import Window
from tests.sandbox.tiny import PlainEvent
from tests.sources.conftest import Connect, Open
from tests.sources.house import House, account, person, second
from tests.sources.scripted import Reply, Scripted


def read(extraction: Extraction) -> list[Tally]:
    """Read all walks without a pipeline, and tell what they counted."""
    state: dict[str, Any] = {}
    extraction.plan = partial(extraction.plan, state=lambda: state)  # type: ignore[method-assign]  # without dlt's
    for walk in extraction.walks:
        for _ in extraction.read(walk):
            pass
    return [walk.tally for walk in extraction.walks]


def load(house: House, extraction: Extraction) -> list[Tally]:
    @dlt.source(name="klaviyo", max_table_nesting=0)
    def source() -> list[DltResource]:
        return extraction.resources()

    house.pipeline().run(source())
    return [walk.tally for walk in extraction.walks]


# --- walks ---------------------------------------------------------------------------------------------------------


def test_resources_that_share_pages_share_a_walk(connect: Connect) -> None:
    walks = Extraction(connect("http://nowhere"), RESOURCES).walks
    tables = {walk.host.name: walk.tally.tables for walk in walks}
    assert tables["events"] == ("events", "event_attributions")
    assert tables["flows"] == ("flows", "flow_actions", "flow_tags")
    assert sum(map(len, tables.values())) == len(RESOURCES)


def test_every_walk_hands_out_its_empty_tables_first(connect: Connect, sandbox: Sandbox) -> None:
    extraction = Extraction(connect(sandbox.url), select(["lists", "list_tags"]))
    (walk,) = extraction.walks
    handed = extraction.read(walk)
    assert [next(handed).data.num_rows, next(handed).data.num_rows] == [0, 0]
    assert len(sandbox.api.requests) == 0


def test_rows_requests_and_pages_are_counted(connect: Connect, sandbox: Sandbox) -> None:
    (tally,) = read(Extraction(connect(sandbox.url), select(["lists", "list_tags"])))
    lists = len(sandbox.account.objects["list"])
    assert tally.status == "complete"
    assert tally.error == ""
    assert tally.rows == {"lists": lists, "list_tags": 1}
    assert tally.received == lists
    assert tally.pages == tally.requests == -(-lists // 10)
    assert tally.windows == []


# --- windows -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "end"), [("2999-01-01", None), ("2025-02-01", "2025-01-01"), ("2999-01-01", "2999-02-01")]
)
def test_an_empty_window_asks_klaviyo_nothing(start: str, end: str | None, connect: Connect, open_house: Open) -> None:
    house = open_house(account([PlainEvent("e1", second("2025-01-01"))]))
    bounds: dict[str, Any] = {"start": pendulum.parse(start), "end": pendulum.parse(end) if end else None}
    (tally,) = load(house, Extraction(connect(house.sandbox.url), select(["events"]), **bounds))
    assert house.asked("/api/events") == []
    assert tally.status == "complete"
    assert tally.windows == []


def test_an_end_in_the_future_is_brought_back_behind_the_clock(open_house: Open, connect: Connect) -> None:
    house = open_house(account())
    now = pendulum.datetime(2025, 6, 1, 12, 0, 0, 999_999)
    start, end = pendulum.datetime(2025, 1, 1), pendulum.datetime(2999, 1, 1)
    extraction = Extraction(connect(house.sandbox.url), select(["events"]), start=start, end=end, now=now)
    (tally,) = load(house, extraction)
    assert tally.windows == [Window(start, pendulum.datetime(2025, 6, 1, 11, 59, 50))]


# --- what the warehouse knows --------------------------------------------------------------------------------------


def test_only_what_all_tables_of_a_walk_have_read_is_taken_for_known(open_house: Open, connect: Connect) -> None:
    credit = Attribution("A1", {"campaign": "C1"})
    house = open_house(account([PlainEvent("e1", second("2025-01-01"), attributions=(credit,)), PlainEvent("e2", 1)]))

    held: set[int] = set()

    class Hashes(Nothing):
        def hashes(self, table: Table, _window: Window) -> Container[int]:
            assert table.name == "events"
            return held

    past = {"start": pendulum.datetime(1970, 1, 1, 0, 0, 1), "end": pendulum.datetime(2025, 6, 1)}

    def run(*names: str, **settings: Any) -> Tally:
        extraction = Extraction(connect(house.sandbox.url), select([*names]), held=Hashes(), **(settings or past))
        (tally,) = load(house, extraction)
        held.update(digest for (digest,) in house.rows("SELECT _row_hash FROM events"))
        return tally

    assert run("events").rows == {"events": 2}
    unchanged = run("events")
    assert (unchanged.rows, unchanged.unchanged, unchanged.received) == ({}, 2, 2)
    joined = run("events", "event_attributions")
    assert joined.rows == {"events": 2, "event_attributions": 1}
    assert run("events", "event_attributions").rows == {}
    assert run("events", full_refresh=frozenset({"events"})).rows == {"events": 2}


def test_a_full_refresh_reads_from_the_beginning_whatever_has_been_read(open_house: Open, connect: Connect) -> None:
    house = open_house(account([PlainEvent("e1", second("2025-01-01"))], person()))
    house.load("events", "profiles")
    house.forget_requests()
    house.wait_for_the_next_second()
    names = select(["events", "profiles"])
    load(house, Extraction(connect(house.sandbox.url), names, full_refresh=frozenset({"events"})))
    (events,), (_suppressed, profiles) = house.asked("/api/events"), sorted(house.asked("/api/profiles"), key=len)
    assert [one.operator for one in events] == ["less-than"]
    assert [one.operator for one in profiles] == ["greater-than", "less-than"]


def test_a_change_of_revision_makes_what_it_tells_otherwise_unread() -> None:
    read: dict[str, Any] = {"windows_read": {}}
    state: dict[str, Any] = {"resources": {name: {**read} for name in ("campaigns", "campaign_messages", "events")}}
    forget_other_revisions(state, "2026-07-15")
    assert state["resources"]["campaigns"] == read
    forget_other_revisions(state, "2026-10-15")
    assert state["resources"] == {"campaigns": {}, "campaign_messages": {}, "events": read}
    state["resources"]["campaigns"] = {**read}
    forget_other_revisions(state, "2026-10-15")
    assert state["resources"]["campaigns"] == read


# --- trouble -------------------------------------------------------------------------------------------------------


def test_a_refusal_ends_a_walk_and_no_other(connect: Connect) -> None:
    denied = Reply(403, b'{"errors":[{"detail":"No."}]}')
    with Scripted(denied, Reply(body=b'{"data":[{"type":"metric","id":"M1"}]}')) as server:
        denied_, read_ = read(Extraction(connect(server.url), select(["accounts", "metrics"])))
    assert (denied_.status, read_.status) == ("not_permitted", "complete")
    assert "accounts:read" in denied_.error
    assert read_.rows == {"metrics": 1}


def test_an_outage_ends_a_walk_and_no_other(connect: Connect) -> None:
    down = [Reply(503)] * 8
    with Scripted(Reply(), *down, Reply()) as server:
        tallies = read(Extraction(connect(server.url), select(["accounts", "metrics", "tag_groups"])))
    assert [tally.status for tally in tallies] == ["complete", "failed", "complete"]
    assert "503" in tallies[1].error


@pytest.mark.parametrize(
    ("reply", "error"),
    [(Reply(401, b"{}"), Unauthorized), (Reply(410, b"{}"), RevisionRetired), (Reply(reset=True), Unreachable)],
)
def test_what_would_befall_every_walk_ends_the_run(reply: Reply, error: type[Exception], connect: Connect) -> None:
    with Scripted(reply) as server, pytest.raises(error):
        read(Extraction(connect(server.url), select(["accounts", "metrics"])))


def test_the_rows_before_an_outage_are_kept_and_what_comes_after_them_stays_due(
    open_house: Open, connect: Connect
) -> None:
    moments = [PlainEvent(f"e{number:04}", second("2025-01-01") + number) for number in range(1_001)]
    house = open_house(account(moments))
    house.sandbox.api.faults.ordered.append(Fault(kind="status", status=503, after=1))
    # Another lane might be the first to be answered.
    (tally,) = load(house, Extraction(connect(house.sandbox.url), select(["events"]), max_lanes=1))
    assert tally.status == "failed"
    assert house.rows("SELECT count(*) FROM events") == [(1_000,)]
    house.sandbox.api.faults.ordered.clear()
    house.forget_requests()
    (tally,) = load(house, Extraction(connect(house.sandbox.url), select(["events"])))
    assert tally.status == "complete"
    assert house.rows("SELECT count(*), count(DISTINCT id) FROM events") == [(1_001, 1_001)]
    lower, upper = house.asked("/api/events")[0]
    # From the latest page that arrived, less the lookback.
    assert (lower.operator, lower.value) == ("greater-or-equal", "2024-12-31T23:50:00Z")
    assert upper.operator == "less-than"
