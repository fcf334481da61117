"""The main job: the account in the warehouse, the first time and every time after."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from sandbox.account import Account, Attribution, Events
from sandbox.faults import Fault
from sandbox.server import Sandbox
from sources.klaviyo.resources import select
from tests.conftest import Job, both_revisions
from tests.pipelines.warehouse import assert_tables_equal_the_account, change, rows

BIG_TABLES = ("events", "event_attributions", "profiles")


def load_ids(job: Job, table: str) -> set[str]:
    return {row["_dlt_load_id"] for row in rows(job, table)}


@both_revisions
def test_loaded_tables_equal_the_account_value_by_value(job: Job, sandbox: Sandbox) -> None:
    job.load()
    assert_tables_equal_the_account(job, sandbox)


def test_a_second_run_loads_no_row_into_the_big_tables_and_asks_few_requests(job: Job) -> None:
    job.load()
    first = {table: load_ids(job, table) for table in BIG_TABLES}
    second = job.load()
    assert {table: load_ids(job, table) for table in BIG_TABLES} == first
    assert sum(tally.requests for tally in second.tallies) < 110


@both_revisions
def test_after_changes_another_run_makes_the_tables_equal_again(job: Job, sandbox: Sandbox) -> None:
    # A run reads up to some seconds before its start.
    lately = (datetime.now(UTC) - timedelta(seconds=30)).isoformat()
    job.load()
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


def test_rows_that_vanish_are_marked_and_neither_kept_as_live_nor_dropped(job: Job, sandbox: Sandbox) -> None:
    job.load()
    gone = next(iter(sandbox.account.objects["list"]))
    before = len(rows(job, "lists"))
    taken = sandbox.account.objects["list"].pop(gone)
    sandbox.changed()
    job.load()
    marked = [row for row in rows(job, "lists") if row["_deleted_at"] is not None]
    assert [row["id"] for row in marked] == [gone]
    assert len(rows(job, "lists")) == before
    assert all(row["_deleted_at"] is not None for row in rows(job, "list_tags") if row["list_id"] == gone)

    first_seen_missing = marked[0]["_deleted_at"]
    job.load()
    assert [row["_deleted_at"] for row in rows(job, "lists") if row["id"] == gone] == [first_seen_missing]

    sandbox.account.objects["list"][gone] = taken
    sandbox.changed()
    job.load()
    assert all(row["_deleted_at"] is None for row in rows(job, "lists"))


def test_an_attribution_that_moves_is_replaced_and_the_old_one_marked(job: Job, sandbox: Sandbox) -> None:
    at = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    order = change(sandbox, "add_events", metric="Placed Order", at=at)["events"][0]
    event = sandbox.account.events.get(order)
    assert event is not None
    for name in ("before", "after"):
        event.attributions = (Attribution(name, {"event": order, "campaign": f"the campaign {name}"}),)
        sandbox.changed()
        job.load()
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


def test_a_second_machine_with_an_empty_disk_continues_where_the_first_stopped(job: Job) -> None:
    job.load()
    first = {table: load_ids(job, table) for table in BIG_TABLES}
    job.load(machine="two")
    assert {table: load_ids(job, table) for table in BIG_TABLES} == first


def test_a_deleted_warehouse_is_loaded_anew(job: Job, sandbox: Sandbox) -> None:
    job.load()
    job.database.unlink()
    job.load()
    assert_tables_equal_the_account(job, sandbox)


def test_a_past_range_is_read_without_disturbing_the_incremental_position(job: Job, sandbox: Sandbox) -> None:
    job.load("events", start="2026-02-01", end="2026-03-01")
    times = [row["datetime"] for row in rows(job, "events")]
    assert times
    assert min(times) >= datetime(2026, 2, 1, tzinfo=UTC)
    assert max(times) < datetime(2026, 3, 1, tzinfo=UTC)
    job.load()
    assert_tables_equal_the_account(job, sandbox)


def test_a_resource_selected_later_gets_its_whole_history(job: Job, sandbox: Sandbox) -> None:
    job.load("events")
    assert rows(job, "event_attributions") == []
    job.load()
    assert_tables_equal_the_account(job, sandbox)


def test_the_start_date_bounds_events_and_nothing_else(job: Job, account: Account) -> None:
    job.load(start_date="2026-06-01")
    assert min(row["datetime"] for row in rows(job, "events")) >= datetime(2026, 6, 1, tzinfo=UTC)
    assert len(rows(job, "profiles")) == len(account.objects["profile"])


def test_a_full_refresh_reads_everything_again_and_marks_what_is_gone(job: Job, sandbox: Sandbox) -> None:
    job.load()
    gone = sandbox.account.events.at(5).id
    sandbox.account.events.remove(gone)
    sandbox.changed()
    job.load()
    assert [row["_deleted_at"] for row in rows(job, "events") if row["id"] == gone] == [None]
    job.load(full_refresh="events")
    assert_tables_equal_the_account(job, sandbox)


def test_an_attribute_that_klaviyo_adds_arrives_as_a_column_and_is_reported(job: Job, sandbox: Sandbox) -> None:
    job.load()
    some = next(iter(sandbox.account.objects["list"].values()))
    some.attributes["colour"] = "green"
    sandbox.changed()
    assert {name for tally in job.load().tallies for name in tally.new_columns} == {"lists.colour"}
    assert [json.loads(row["colour"]) for row in rows(job, "lists") if row["id"] == some.id] == ["green"]
    job.load()
    assert {row["colour"] for row in rows(job, "lists")} == {'"green"', None}


@pytest.mark.parametrize("fault", [
    {"kind": "status", "status": 500, "every": 3},
    {"kind": "status", "status": 429, "retry_after": 1, "every": 9},
    {"kind": "reset", "every": 4},
    {"kind": "truncated", "every": 4, "how": "length"},
    {"kind": "truncated", "every": 4, "how": "json"},
    {"kind": "html", "every": 4},
    {"kind": "expired_cursor", "every": 3, "times": 4},
], ids=lambda fault: "-".join(str(fault[key]) for key in ("kind", "status", "how") if key in fault))  # fmt: skip
def test_faults_lose_nothing_and_double_nothing(job: Job, sandbox: Sandbox, fault: dict[str, object]) -> None:
    sandbox.api.faults.ordered.append(Fault(**fault))  # type: ignore[arg-type]  # the fields of a fault
    job.load()
    assert_tables_equal_the_account(job, sandbox)
