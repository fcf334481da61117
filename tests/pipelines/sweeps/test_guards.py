"""A sweep never takes what it has not seen for gone."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pipelines.dry_sweep import dry_sweep
from pipelines.errors import Exit
from pipelines.forgetting import Eraser
from pipelines.load import named
from pipelines.settings import Settings
from pipelines.sweep import sweepable
from pipelines.warehouse import Warehouse
from sandbox.faults import Fault
from sandbox.server import Sandbox
from sources.klaviyo.policy import NO_POLICY
from sources.klaviyo.pseudonyms import Pseudonyms
from tests.conftest import KEY, Job
from tests.pipelines.sweeps.people import (
    MEMBERSHIPS,
    PEOPLE,
    Cut,
    marked,
    of_one,
    sweep,
    sweeper,
    vanish,
)
from tests.pipelines.warehouse import assert_tables_equal_the_account, change, rows


def test_an_answer_that_was_cut_erases_nothing(job: Job, sandbox: Sandbox) -> None:
    sandbox.api.reader = Cut(sandbox.api.reader, {*PEOPLE[20:]}, unless="")  # type: ignore[assignment]  # in its place
    found = sweep(job, "profiles", *MEMBERSHIPS)
    assert found.run.exit is Exit.NEEDS_A_PERSON
    assert [(one.status, one.absent, one.marked) for one in found.swept] == [("refused", 330, 0)] * 3
    assert "--max-gone 0.95" in found.run.message
    assert not marked(job, "profiles")
    assert not rows(job, "etl_absences")
    recorded = {row["resource"]: row for row in rows(job, "etl_sweeps")}
    assert recorded["profiles"]["status"] == "refused"
    assert "none of them was marked" in recorded["profiles"]["note"]


def test_one_list_that_answers_nothing_is_refused_and_the_others_are_not(job: Job, sandbox: Sandbox) -> None:
    sandbox.account.list_members["NEWS"].clear()
    change(sandbox, "leave_list", list="L01")
    found = of_one(job, "list_memberships")
    assert (found.status, found.absent, found.marked) == ("refused", 351, 1)
    assert "list_memberships of NEWS" in found.note
    assert of_one(job, "list_memberships", max_gone=1.0).marked == 350
    assert_tables_equal_the_account(job, sandbox, "list_memberships")


def test_what_is_shown_when_asked_for_by_id_is_not_marked(job: Job, sandbox: Sandbox) -> None:
    vanish(sandbox, "profile", "P009")
    sandbox.api.reader = Cut(sandbox.api.reader, {"P004", "P005"})  # type: ignore[assignment]  # in its place
    found = sweep(job, "profiles", "segment_memberships")
    assert [(one.absent, one.overlooked, one.marked) for one in found.swept] == [(3, 2, 1)] * 2
    assert marked(job, "profiles") == {"P009"}


def test_a_small_list_that_was_cut_is_asked_once_more_for_the_seconds_of_joining(job: Job, sandbox: Sandbox) -> None:
    cut = Cut(sandbox.api.reader, {"P001"}, unless="2026-01-10")
    sandbox.api.reader = cut  # type: ignore[assignment]  # in its place
    found = of_one(job, "list_memberships")
    assert (found.absent, found.overlooked, found.marked) == (2, 2, 0)


def test_who_moves_while_the_sweep_is_under_way_is_not_marked(job: Job, sandbox: Sandbox) -> None:
    """A member leaves and joins again: the place in the order moves to the end, past where the sweep reads."""
    sandbox.account.list_members["NEWS"]["P020"] = datetime.now(UTC).isoformat(timespec="seconds")
    sandbox.changed()
    found = of_one(job, "list_memberships")
    assert (found.absent, found.overlooked, found.marked) == (1, 1, 0)


def test_a_key_without_the_scope_marks_nothing_and_says_so(job: Job, sandbox: Sandbox) -> None:
    keys = {"pk_narrow": frozenset({"images:read"})}
    sandbox.api.settings = replace(sandbox.api.settings, keys=keys)
    settings = Settings(api_key="pk_narrow", base_url=sandbox.url)
    found = sweep(job, "profiles", "images", settings=settings)
    assert found.run.exit is Exit.NEEDS_A_PERSON
    assert [one.resource for one in found.swept] == ["images"]
    assert "profiles:read" in found.run.message
    assert not marked(job, "profiles")


def test_an_outage_while_it_is_asked_once_more_ends_in_an_error_and_the_next_sweep_asks_again(
    job: Job, sandbox: Sandbox
) -> None:
    vanish(sandbox, "profile", "P001")
    seen = len(PEOPLE) // 100 + 1
    sandbox.api.faults.ordered.append(Fault(kind="status", status=404, path="/api/profiles", after=seen))
    serial = Settings(api_key=KEY, base_url=sandbox.url, revision=job.revision, max_lanes=1)
    found = sweep(job, "profiles", "images", settings=serial)
    assert [one.resource for one in found.swept] == ["images"]
    assert found.run.exit is Exit.FAILED
    assert not marked(job, "profiles")
    sandbox.api.faults.ordered.clear()
    assert of_one(job, "profiles").marked == 1


def test_an_outage_in_the_middle_marks_nothing_and_the_next_sweep_goes_on(job: Job, sandbox: Sandbox) -> None:
    vanish(sandbox, "profile", "P001")
    sandbox.api.faults.ordered.append(Fault(kind="status", status=404, path="/api/profiles", after=3))
    serial = Settings(api_key=KEY, base_url=sandbox.url, revision=job.revision, max_lanes=1)
    found = sweep(job, "profiles", settings=serial)
    assert found.run.exit is Exit.FAILED
    assert not found.swept
    assert not marked(job, "profiles")
    sandbox.api.faults.ordered.clear()
    # What arrives between the two halves, in the part that has been swept, was loaded since the sweep began.
    person = deepcopy(sandbox.account.objects["profile"]["P000"])
    person.id, lately = "LATE", (datetime.now(UTC) - timedelta(seconds=30)).isoformat()
    person.attributes |= {"updated": lately}
    sandbox.account.objects["profile"]["LATE"] = person
    sandbox.changed()
    job.load("profiles")
    sandbox.api.requests.clear()
    assert of_one(job, "profiles", settings=serial).marked == 1
    assert marked(job, "profiles") == {"P001"}
    # Two of four pages had been read for good; who was missing is asked for once more, and then for what became of it.
    assert len(sandbox.api.requests) == 4
    assert_tables_equal_the_account(job, sandbox, "profiles")


def test_a_dry_run_tells_what_would_be_marked_and_writes_nothing(job: Job, sandbox: Sandbox) -> None:
    names = ("profiles", "list_memberships", "images")
    vanish(sandbox, "profile", "P001", "P002")
    before = job.database.read_bytes()
    found = dry_sweep(sweeper(job), sweepable(named(names)))
    assert [(one.resource, one.marked) for one in found.swept] == [
        ("profiles", 2),
        ("list_memberships", 4),
        ("images", 0),
    ]
    assert job.database.read_bytes() == before
    assert [one.marked for one in sweep(job, *names).swept] == [2, 4, 0]


def test_who_was_forgotten_is_not_brought_back_by_a_sweep(job: Job) -> None:
    pseudonyms = Pseudonyms(b"a key of our own, long enough")
    Eraser(Warehouse("duckdb"), pseudonyms, "purge").forget(["P005"], "a request")
    settings = Settings(api_key=KEY, base_url=job.sandbox.url, policy=replace(NO_POLICY, pseudonyms=pseudonyms))
    found = sweep(job, "profiles", "list_memberships", settings=settings)
    assert [one.missed for one in found.swept] == [0, 0]
    for table, key in (("profiles", "id"), ("list_memberships", "profile_id")):
        assert "P005" not in {row[key] for row in rows(job, table)}
