"""The main job: the account in the warehouse, the first time and every time after."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest
from dlt.common.destination.exceptions import DestinationTerminalException

from pipelines.destinations.duckdb import UpsertJob
from pipelines.errors import RunError
from sandbox.account import Account, Attribution, Events
from sandbox.faults import Fault
from sandbox.server import Sandbox
from sources.klaviyo.resources import select
from tests.conftest import Job, both_revisions
from tests.pipelines.warehouse import BIG_TABLES, OF_EACH_KIND, assert_tables_equal_the_account, change, rows

EVENTS = ("events", "event_attributions")
LISTS = ("lists", "list_tags", "list_flow_triggers")


def load_ids(job: Job, table: str) -> set[str]:
    return {row["_dlt_load_id"] for row in rows(job, table)}


def test_loaded_tables_equal_the_account_value_by_value(loaded: Job, sandbox: Sandbox) -> None:
    assert_tables_equal_the_account(loaded, sandbox)


def test_a_second_run_loads_no_row_and_asks_each_collection_once(loaded: Job, sandbox: Sandbox) -> None:
    def loads() -> dict[str, set[str]]:
        with duckdb.connect(str(loaded.database), read_only=True):  # an open file is opened again at once
            return {resource.name: load_ids(loaded, resource.name) for resource in select(None)}

    first = loads()
    second = loaded.load()
    assert loads() == first
    assert not any(tally.rows for tally in second.tallies)
    asked = [(request["path"], request["query"]) for request in sandbox.api.requests]
    assert len({*asked}) == len(asked) == sum(tally.requests for tally in second.tallies)
    # A third of them ask for the new members of one list or segment each.
    assert len(asked) < 100


def test_a_collection_read_whole_is_loaded_again_once_anything_in_it_differs(loaded: Job, sandbox: Sandbox) -> None:
    def loads(*names: str) -> set[str]:
        return {table for tally in loaded.load(*names).tallies for table in tally.rows}

    # What is selected of its pages is a part of what it is.
    assert loads("lists") == {"lists"}
    assert loads("lists") == set()
    some = next(iter(sandbox.account.objects["list"].values()))
    some.attributes["name"] = "otherwise"
    sandbox.changed()
    assert loads("lists") == {"lists"}
    assert_tables_equal_the_account(loaded, sandbox, "lists")
    with duckdb.connect(str(loaded.database)) as database:
        database.execute("delete from klaviyo.lists where id = ?", [some.id])
    assert loads("lists") == {"lists"}
    assert_tables_equal_the_account(loaded, sandbox, "lists")
    assert {table for tally in loaded.load("lists", full_refresh="lists").tallies for table in tally.rows} == {"lists"}


def test_rows_that_a_killed_run_left_unmarked_are_marked_by_the_next(loaded: Job, sandbox: Sandbox) -> None:
    gone, _ = sandbox.account.objects["list"].popitem()
    sandbox.changed()
    with loaded.monkeypatch.context() as killed:
        killed.setattr("pipelines.load.mark_vanished", lambda *_: {})
        loaded.load("lists")
    assert [row["_deleted_at"] for row in rows(loaded, "lists") if row["id"] == gone] == [None]
    loaded.load("lists")
    assert_tables_equal_the_account(loaded, sandbox, "lists")


@both_revisions
@pytest.mark.parametrize(("first", "second"), [EVENTS, EVENTS[::-1]])
def test_a_package_of_which_a_kill_left_one_table_is_loaded_whole_by_the_next_run(
    first: str, second: str, job: Job, sandbox: Sandbox
) -> None:
    merge, merged = UpsertJob.run, threading.Event()

    def killed(upsert: UpsertJob) -> None:
        if upsert.load_table_name == second:
            assert merged.wait(30)
            raise DestinationTerminalException("killed")
        merge(upsert)
        merged.set()

    job.monkeypatch.setattr(UpsertJob, "run", killed)
    with pytest.raises(RunError, match="killed"):
        job.load(*EVENTS)
    job.monkeypatch.setattr(UpsertJob, "run", merge)
    assert [bool(rows(job, table)) for table in (first, second)] == [True, False]
    job.load(*EVENTS)
    assert_tables_equal_the_account(job, sandbox, *EVENTS)


def test_after_changes_another_run_makes_the_tables_equal_again(loaded: Job, sandbox: Sandbox) -> None:
    # A run reads up to some seconds before its start.
    lately = (datetime.now(UTC) - timedelta(seconds=30)).isoformat()
    job = loaded
    change(sandbox, "add_events", count=30, at=lately)
    orders = change(sandbox, "add_events", count=2, metric="Placed Order", at=lately)
    change(sandbox, "late_events", count=5, days=3)
    job.load()
    assert_tables_equal_the_account(job, sandbox)

    change(sandbox, "attach_attribution", count=2, events=orders["events"])
    profile = next(iter(sandbox.account.objects["profile"]))
    change(sandbox, "update_profile", id=profile, attributes={"first_name": "Zoë"}, at=lately)
    for kind in ("list", "tag", "segment", "campaign", "flow", "template"):
        change(sandbox, "add", type=kind, at=lately)
    for kind in ("campaign", "flow"):
        change(sandbox, "archive", type=kind, at=lately)
    for kind in ("list", "campaign", "template"):
        change(sandbox, "rename", type=kind, name=f"a renamed {kind}", at=lately)
    for kind in ("segment", "tag"):
        change(sandbox, "delete", type=kind)
    job.load()
    assert_tables_equal_the_account(job, sandbox)


def test_who_joins_a_list_is_loaded_and_who_stays_is_not_loaded_again(job: Job, sandbox: Sandbox) -> None:
    lately = (datetime.now(UTC) - timedelta(seconds=30)).isoformat()
    job.load("list_memberships")
    first = load_ids(job, "list_memberships")
    joined = max(sandbox.account.list_members, key=lambda one: len(sandbox.account.list_members[one]))
    change(sandbox, "join_list", list=joined, count=2, at=lately)
    run = job.load("list_memberships")
    assert sum(tally.rows["list_memberships"] for tally in run.tallies) == 2
    assert_tables_equal_the_account(job, sandbox, "list_memberships")
    assert first < load_ids(job, "list_memberships")


def test_members_of_a_list_that_is_gone_are_marked_and_so_is_who_left_once_all_are_read_again(
    job: Job, sandbox: Sandbox
) -> None:
    job.load("list_memberships")
    gone, left = sorted(sandbox.account.list_members, key=lambda one: -len(sandbox.account.list_members[one]))[:2]
    change(sandbox, "delete", type="list", id=gone)
    change(sandbox, "leave_list", list=left, count=2)
    job.load("list_memberships")
    marked = [row["list_id"] for row in rows(job, "list_memberships") if row["_deleted_at"] is not None]
    assert {*marked} == {gone}
    job.load("list_memberships", full_refresh="list_memberships")
    marked = [row["list_id"] for row in rows(job, "list_memberships") if row["_deleted_at"] is not None]
    assert marked.count(left) == 2
    assert_tables_equal_the_account(job, sandbox, "list_memberships")


def test_rows_that_vanish_are_marked_and_neither_kept_as_live_nor_dropped(loaded: Job, sandbox: Sandbox) -> None:
    gone = next(iter(sandbox.account.objects["list"]))
    before = len(rows(loaded, "lists"))
    taken = sandbox.account.objects["list"].pop(gone)
    sandbox.changed()
    loaded.load(*LISTS)
    marked = [row for row in rows(loaded, "lists") if row["_deleted_at"] is not None]
    assert [row["id"] for row in marked] == [gone]
    assert len(rows(loaded, "lists")) == before
    assert all(row["_deleted_at"] is not None for row in rows(loaded, "list_tags") if row["list_id"] == gone)

    first_seen_missing = marked[0]["_deleted_at"]
    loaded.load(*LISTS)
    assert [row["_deleted_at"] for row in rows(loaded, "lists") if row["id"] == gone] == [first_seen_missing]

    sandbox.account.objects["list"][gone] = taken
    sandbox.changed()
    loaded.load(*LISTS)
    assert all(row["_deleted_at"] is None for row in rows(loaded, "lists"))


def test_an_attribution_that_moves_is_replaced_and_the_old_one_marked(job: Job, sandbox: Sandbox) -> None:
    at = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    order = change(sandbox, "add_events", metric="Placed Order", at=at)["events"][0]
    event = sandbox.account.events.get(order)
    assert event is not None
    for name in ("before", "after"):
        event.attributions = (Attribution(name, {"event": order, "campaign": f"the campaign {name}"}),)
        sandbox.changed()
        job.load(*EVENTS)
    found = {row["id"]: row["_deleted_at"] for row in rows(job, "event_attributions") if row["event_id"] == order}
    assert found.keys() == {"before", "after"}
    assert found["after"] is None
    assert found["before"] is not None


@both_revisions
def test_an_empty_account_has_every_table_with_its_columns(job: Job, sandbox: Sandbox) -> None:
    sandbox.account.objects = {kind: {} for kind in sandbox.account.objects}
    sandbox.account.events = Events([])
    sandbox.changed()
    job.load()
    for name in (resource.name for resource in select(None, job.revision)):
        assert rows(job, name) == []
    columns = {row[0] for row in job.query("describe klaviyo.event_attributions")}
    assert {"id", "event_id", "campaign_id", "campaign_message_id", "_deleted_at", "_dlt_load_id"} <= columns


def test_a_second_machine_with_an_empty_disk_continues_where_the_first_stopped(loaded: Job) -> None:
    first = {table: load_ids(loaded, table) for table in BIG_TABLES}
    loaded.load(machine="two")
    assert {table: load_ids(loaded, table) for table in BIG_TABLES} == first


def test_a_deleted_warehouse_is_loaded_anew(loaded: Job, sandbox: Sandbox) -> None:
    loaded.load("tags")
    loaded.database.unlink()
    loaded.load(*OF_EACH_KIND)
    assert_tables_equal_the_account(loaded, sandbox, *OF_EACH_KIND)


def test_a_past_range_is_read_without_disturbing_the_incremental_position(job: Job, sandbox: Sandbox) -> None:
    job.load("events", start="2026-02-01", end="2026-03-01")
    times = [row["datetime"] for row in rows(job, "events")]
    assert times
    assert min(times) >= datetime(2026, 2, 1, tzinfo=UTC)
    assert max(times) < datetime(2026, 3, 1, tzinfo=UTC)
    job.load(*EVENTS)
    assert_tables_equal_the_account(job, sandbox, *EVENTS)


def test_a_resource_selected_later_gets_its_whole_history(job: Job, sandbox: Sandbox) -> None:
    job.load("events")
    assert job.query("from duckdb_tables() where table_name = 'event_attributions'") == []
    job.load(*EVENTS)
    assert_tables_equal_the_account(job, sandbox, *EVENTS)


def test_the_start_date_bounds_events_and_nothing_else(job: Job, account: Account) -> None:
    job.load("events", "profiles", start_date="2026-06-01")
    assert min(row["datetime"] for row in rows(job, "events")) >= datetime(2026, 6, 1, tzinfo=UTC)
    assert len(rows(job, "profiles")) == len(account.objects["profile"])


def test_a_full_refresh_reads_everything_again_and_marks_what_is_gone(loaded: Job, sandbox: Sandbox) -> None:
    gone = sandbox.account.events.at(5).id
    sandbox.account.events.remove(gone)
    sandbox.changed()
    loaded.load(*EVENTS)
    assert [row["_deleted_at"] for row in rows(loaded, "events") if row["id"] == gone] == [None]
    loaded.load(*EVENTS, full_refresh="events")
    assert_tables_equal_the_account(loaded, sandbox, *EVENTS)


def test_an_attribute_that_klaviyo_adds_arrives_as_a_column_and_is_reported(loaded: Job, sandbox: Sandbox) -> None:
    some = next(iter(sandbox.account.objects["list"].values()))
    some.attributes["colour"] = "green"
    sandbox.changed()
    (change,) = loaded.load(*LISTS).changes
    assert (change.table, change.attribute, change.kind) == ("lists", "colour", "new_attribute")
    assert [json.loads(row["colour"]) for row in rows(loaded, "lists") if row["id"] == some.id] == ["green"]
    loaded.load(*LISTS)
    assert {row["colour"] for row in rows(loaded, "lists")} == {'"green"', None}


@pytest.mark.parametrize("faults", [
    [{"kind": "status", "status": 429, "retry_after": 1, "every": 9}],
    [{"kind": "status", "status": 500, "every": 9}, {"kind": "reset", "every": 10}, {"kind": "html", "every": 11}],
    [
        {"kind": "truncated", "every": 9, "how": "length"},
        {"kind": "truncated", "every": 10, "how": "json"},
        {"kind": "expired_cursor", "every": 3, "times": 4},
    ],
], ids=lambda faults: "-".join(fault["kind"] for fault in faults))  # fmt: skip
def test_faults_lose_nothing_and_double_nothing(job: Job, sandbox: Sandbox, faults: list[dict[str, Any]]) -> None:
    happening = [Fault(**fault) for fault in faults]
    sandbox.api.faults.ordered.extend(happening)
    job.load(*OF_EACH_KIND)
    assert all(fault.struck for fault in happening)
    assert_tables_equal_the_account(job, sandbox, *OF_EACH_KIND)
