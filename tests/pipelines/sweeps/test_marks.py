"""Sweeps find what is gone and what is missing."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import duckdb

from pipelines.errors import Exit
from sandbox.server import Sandbox
from sources.klaviyo.errors import Unreachable
from tests.conftest import Job
from tests.pipelines.sweeps.people import (
    LOADED,
    MEMBERSHIPS,
    marked,
    of_one,
    sweep,
    sweeper,
    vanish,
)
from tests.pipelines.warehouse import assert_tables_equal_the_account, change, rows
from tests.sandbox.tiny import EARLY


def test_a_sweep_of_what_has_not_changed_marks_and_loads_nothing(job: Job) -> None:
    found = sweep(job, *LOADED)
    assert {one.resource for one in found.swept} == {*LOADED} - {
        "lists",
        "profile_suppressions",
        "metrics",
        "events",
    }
    assert all((one.held, one.absent, one.missed) == (one.seen, 0, 0) for one in found.swept)
    assert found.run.exit is Exit.DONE
    assert not rows(job, "etl_absences")


def test_deleted_profiles_are_marked_with_what_rides_along(job: Job, sandbox: Sandbox) -> None:
    vanish(sandbox, "profile", "P001", "P002")
    found = of_one(job, "profiles")
    assert (found.held, found.absent, found.marked, found.overlooked) == (350, 2, 2, 0)
    assert marked(job, "profiles") == {"P001", "P002"}
    assert marked(job, "profile_suppressions", "profile_id") == {"P002"}
    absence, _ = [row for row in rows(job, "etl_absences") if row["table_name"] == "profiles"]
    assert absence["id"] == "P001"
    [(began,)] = job.query("select min(started_at) from klaviyo.etl_runs")
    assert absence["last_seen_at"] == began < absence["known_at"]
    assert_tables_equal_the_account(job, sandbox, "profiles", "profile_suppressions")
    vanish(sandbox, "profile", "P003")
    assert of_one(job, "profiles").marked == 1


def test_whatever_is_read_by_its_changes_is_swept(job: Job, sandbox: Sandbox) -> None:
    gone = {
        "templates": ("template", "TPL"),
        "template_universal_content": ("template-universal-content", "UC"),
        "images": ("image", "366547581"),
    }
    for kind, id_ in gone.values():
        del sandbox.account.objects[kind][id_]
    sandbox.changed()
    assert [one.marked for one in sweep(job, *gone).swept] == [1] * len(gone)
    assert [marked(job, name) for name in gone] == [{id_} for _, id_ in gone.values()]


def test_who_left_is_marked_between_the_last_sweep_that_saw_them_and_the_one_that_did_not(
    job: Job, sandbox: Sandbox
) -> None:
    saw = of_one(job, "list_memberships")
    of_one(job, "segment_memberships")
    change(sandbox, "leave_list", list="NEWS", profiles=["P007", "P100"])
    change(sandbox, "leave_list", list="L01")
    del sandbox.account.segment_members["VIPS"]["P003"]
    sandbox.changed()
    found = sweep(job, *MEMBERSHIPS)
    assert [one.marked for one in found.swept] == [3, 1]
    absences = {(row["parent_id"], row["id"]): row for row in rows(job, "etl_absences")}
    assert absences.keys() == {("NEWS", "P007"), ("NEWS", "P100"), ("L01", "P000"), ("VIPS", "P003")}
    absence = absences["NEWS", "P007"]
    assert absence["last_seen_at"] >= saw.began_at
    assert absence["known_at"] == found.run.started_at
    assert_tables_equal_the_account(job, sandbox, *MEMBERSHIPS)


def test_a_sweep_ends_the_memberships_of_who_left_at_once_and_the_next_run_leaves_them_so(
    job: Job, sandbox: Sandbox
) -> None:
    def told() -> dict[tuple[str, str, str], dict[str, Any]]:
        return {
            (kind, row[f"{kind}_id"], row["profile_id"]): {
                name: row[name] for name in row if not name.startswith("_dlt")
            }
            for kind in ("list", "segment")
            for row in rows(job, f"{kind}_membership_intervals")
        }

    before = told()
    del sandbox.account.list_members["L01"]["P001"]
    del sandbox.account.segment_members["VIPS"]["P002"]
    sandbox.changed()
    swept = sweep(job, *MEMBERSHIPS)
    after = told()
    ended = {key: row for key, row in after.items() if row["valid_to"]}
    assert {*ended} == {("list", "L01", "P001"), ("segment", "VIPS", "P002")}
    for row in ended.values():
        assert (row["valid_to"], row["valid_to_by"]) == (swept.run.started_at, "seen")
        assert row["valid_to_after"] < swept.run.started_at
    assert {key: row for key, row in after.items() if key not in ended} == {
        key: row for key, row in before.items() if key not in ended
    }
    job.load("lists", *MEMBERSHIPS)
    assert told() == after


def test_who_one_sweep_sees_and_the_next_puts_in_becomes_a_member_for_history_too(job: Job, sandbox: Sandbox) -> None:
    # As a merge has it: who joined long ago is shown only now. Someone is gone, too, and cannot be asked for again.
    sandbox.account.list_members["L01"]["P100"] = EARLY
    del sandbox.account.list_members["L01"]["P001"]
    sandbox.changed()
    with job.monkeypatch.context() as patch:
        patch.setattr("pipelines.sweep.shown_after_all", outage)
        assert sweep(job, "list_memberships").run.exit is Exit.FAILED
    job.load("lists", "list_memberships")
    assert of_one(job, "list_memberships").missed == 1
    told = {
        row["profile_id"]: row["valid_to"] for row in rows(job, "list_membership_intervals") if row["list_id"] == "L01"
    }
    assert told.keys() == {"P000", "P001", "P002", "P100"}
    assert [profile for profile, ended in told.items() if ended] == ["P001"]


def outage(*_: object) -> set[str]:
    raise Unreachable("nobody answers")


def test_who_comes_back_is_unmarked_and_the_absence_ends(job: Job, sandbox: Sandbox) -> None:
    names = ("profiles", "segment_memberships", "images")
    gone = sandbox.account.objects["profile"].pop("P050")
    image = sandbox.account.objects["image"].pop("366547581")
    joined = sandbox.account.segment_members["VIPS"].pop("P050")
    sandbox.changed()
    sweep(job, *names)
    assert marked(job, "profiles") == {"P050"}
    sandbox.account.objects["profile"]["P050"] = gone
    sandbox.account.objects["image"][image.id] = image
    sandbox.account.segment_members["VIPS"]["P050"] = joined
    sandbox.changed()
    found = sweep(job, *names)
    assert [one.missed for one in found.swept] == [1, 1, 1]
    assert not marked(job, "profiles") | marked(job, "images") | marked(job, "segment_memberships", "profile_id")
    assert all(row["returned_at"] is not None for row in rows(job, "etl_absences"))
    assert_tables_equal_the_account(job, sandbox, *names)


def test_rows_that_the_warehouse_lost_or_holds_in_an_old_state_are_loaded(job: Job, sandbox: Sandbox) -> None:
    expected = {"profiles": (3, 0), "list_memberships": (1, 0), "images": (1, 0)}
    names = (*expected, "profile_suppressions")
    # Changed without showing it in time: no run looks that far back.
    sandbox.account.objects["profile"]["P003"].attributes |= {
        "first_name": "Zoë",
        "updated": "2026-05-01T00:00:00+00:00",
    }
    sandbox.changed()
    with duckdb.connect(str(job.database)) as database:
        database.execute("delete from klaviyo.profiles where id in ('P001', 'P149')")
        database.execute("delete from klaviyo.list_memberships where profile_id = 'P010'")
        database.execute("delete from klaviyo.images where id = '366547581'")
    found = sweep(job, *names)
    assert {one.resource: (one.missed, one.marked) for one in found.swept} == expected
    assert_tables_equal_the_account(job, sandbox, *names)
    assert all(one.missed == 0 for one in sweep(job, *names).swept)


def test_what_is_newer_than_the_last_run_is_left_to_the_next(job: Job, sandbox: Sandbox) -> None:
    lately = datetime.now(UTC).isoformat(timespec="seconds")
    person = deepcopy(sandbox.account.objects["profile"]["P000"])
    person.id = "NEW"
    person.attributes |= {"created": lately, "updated": lately}
    sandbox.account.objects["profile"]["NEW"] = person
    sandbox.account.list_members["NEWS"]["NEW"] = lately
    sandbox.changed()
    later = {"now": sweeper(job).now.add(minutes=1)}
    found = sweep(job, "profiles", "list_memberships", **later).swept
    assert [(one.seen - one.held, one.missed, one.absent) for one in found] == [(1, 0, 0), (1, 0, 0)]
