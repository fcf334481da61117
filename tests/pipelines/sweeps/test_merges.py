"""What became of profiles that are gone."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipelines.absence import deleted_profiles
from pipelines.errors import RunError
from pipelines.load import named
from pipelines.warehouse import Tables
from sandbox.faults import Fault
from sandbox.server import Sandbox
from tests.conftest import Job
from tests.pipelines.sweeps.people import (
    MEMBERSHIPS,
    Cut,
    marked,
    sweep,
    sweeper,
    vanish,
)
from tests.pipelines.warehouse import assert_tables_equal_the_account, change, rows


def merges(job: Job) -> dict[str, tuple[str, str]]:
    return {row["profile_id"]: (row["survivor_id"], row["how_known"]) for row in rows(job, "profile_merges")}


def causes(job: Job) -> dict[str, str | None]:
    return {row["id"]: row["cause"] for row in rows(job, "etl_absences") if row["table_name"] == "profiles"}


def test_merged_profiles_lead_to_their_survivors_and_deleted_ones_nowhere(job: Job, sandbox: Sandbox) -> None:
    for source, destination in (("P010", "P011"), ("P040", "P041"), ("P060", "P061")):
        change(sandbox, "merge_profiles", source=source, destination=destination)
    for one in ("P020", "P050"):
        change(sandbox, "delete_profile", id=one)
    lately = (datetime.now(UTC) - timedelta(seconds=30)).isoformat(timespec="seconds")
    again = deepcopy(sandbox.account.objects["profile"]["P000"])
    again.id = "AGAIN"
    # Who was deleted registers once more, with the same address.
    now = datetime.now(UTC).isoformat(timespec="seconds")
    again.attributes |= {"email": "P020@example.com", "created": now, "updated": lately}
    sandbox.account.objects["profile"]["AGAIN"] = again
    sandbox.changed()
    job.load("profiles")
    sweep(job, "profiles")
    assert causes(job) == {"P010": "merged", "P040": None, "P060": "merged", "P020": None, "P050": None}
    # Only then has the warehouse what the survivor got.
    tomorrow = sweeper(job).now.add(days=1)
    job.load("profiles", now=tomorrow.isoformat())
    later = sweeper(job, now=tomorrow)
    assert not later.due(named(["profiles"]))
    assert later.unexplained
    later.sweep([])
    assert merges(job) == {
        "P010": ("P011", "its events are the survivor's"),
        "P040": ("P041", "the survivor has its phone_number"),
        "P060": ("P061", "a Merged Profile event names it"),
    }
    assert causes(job) == {"P010": "merged", "P040": "merged", "P060": "merged", "P020": "deleted", "P050": "deleted"}
    with sweeper(job).warehouse.onlooker() as pipeline, pipeline.sql_client() as client:
        assert [one.id for one in deleted_profiles(Tables(client))] == ["P020", "P050"]
    # Events are read again under the survivor; who was deleted has left all lists, and the survivor may have joined some.
    assert_tables_equal_the_account(job, sandbox, "profiles", "events")
    assert marked(job, "list_memberships", "profile_id") == {"P020", "P050"}
    sweep(job, *MEMBERSHIPS)
    assert_tables_equal_the_account(job, sandbox, *MEMBERSHIPS)


def test_events_that_were_read_again_before_a_sweep_tell_of_the_merge(job: Job, sandbox: Sandbox) -> None:
    change(sandbox, "merge_profiles", source="P010", destination="P011")
    job.load("events", full_refresh="events")
    assert not [row for row in rows(job, "events") if row["profile_id"] == "P010"]
    sweep(job, "profiles")
    [merge] = rows(job, "profile_merges")
    assert (merge["profile_id"], merge["survivor_id"]) == ("P010", "P011")


def test_who_is_merged_again_leads_to_the_last_survivor(job: Job, sandbox: Sandbox) -> None:
    for source, destination in (("P010", "P011"), ("P011", "P012")):
        change(sandbox, "merge_profiles", source=source, destination=destination)
        sweep(job, "profiles")
    assert {profile: survivor for profile, (survivor, _) in merges(job).items()} == {"P010": "P012", "P011": "P012"}
    assert_tables_equal_the_account(job, sandbox, "events")


def test_what_a_survivor_has_is_read_by_the_next_sweep_where_one_could_not(job: Job, sandbox: Sandbox) -> None:
    change(sandbox, "merge_profiles", source="P010", destination="P011")
    of_survivor = Fault(kind="status", status=404, path="/api/events", after=1)
    sandbox.api.faults.ordered.append(of_survivor)
    with pytest.raises(RunError, match="could not be read"):
        sweep(job, "profiles")
    sandbox.api.faults.ordered.clear()
    assert not merges(job)
    sweep(job, "profiles")
    assert {*merges(job)} == {"P010"}
    assert_tables_equal_the_account(job, sandbox, "profiles", "events")


class Redirecting(Cut):
    """Answers with the survivor where a merged profile is asked for by itself."""

    def document(self, match: Any, base: str, address: str, query: str, now: Any) -> Any:
        if match.id == "P070":
            match = match._replace(id="P071")
        return self.reader.document(match, base, address, query, now)


def test_a_gone_id_that_is_answered_with_another_was_merged(job: Job, sandbox: Sandbox) -> None:
    vanish(sandbox, "profile", "P070")
    sandbox.api.reader = Redirecting(sandbox.api.reader, set())  # type: ignore[assignment]  # in its place
    sweep(job, "profiles")
    assert merges(job) == {"P070": ("P071", "Klaviyo answers with the survivor")}
