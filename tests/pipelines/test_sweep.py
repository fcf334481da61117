"""Sweeps find what is gone and what is missing, and never take what they have not seen for gone."""

from __future__ import annotations

import json
import os
import shutil
import signal
from contextlib import closing
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path
from typing import Any

import duckdb
import psycopg2
import pytest
from pendulum import DateTime

from pipelines.absence import deleted_profiles
from pipelines.comparisons import Comparison
from pipelines.dry_sweep import dry_sweep
from pipelines.errors import ConfigurationError, Exit
from pipelines.forgetting import Eraser
from pipelines.load import Request, named
from pipelines.member_counts import MemberCounts
from pipelines.plan import plan
from pipelines.progress import LogWatch
from pipelines.schedule import Turn
from pipelines.settings import Settings
from pipelines.status import status
from pipelines.sweep import Outcome, Sweeper, Swept, sweepable
from pipelines.verify import Verifier
from pipelines.warehouse import Tables, Warehouse
from sandbox.account import Account, Events, Object
from sandbox.faults import Fault
from sandbox.server import Sandbox
from sources.klaviyo import REVISION
from sources.klaviyo.policy import NO_POLICY
from sources.klaviyo.pseudonyms import Pseudonyms
from sources.klaviyo.windows import moment
from tests.conftest import KEY, Cli, Job, both_revisions
from tests.pipelines.test_cli import wait_for
from tests.pipelines.truth import assert_equal
from tests.pipelines.warehouse import assert_tables_equal_the_account, change, postgres_rows, rows
from tests.sandbox.tiny import DAY, EARLY, MONDAY, PlainEvent, tiny_account

PEOPLE = [f"P{number:03}" for number in range(350)]
SMALL = ("campaigns", "flows", "templates", "template_universal_content", "images")
MEMBERSHIPS = ("list_memberships", "segment_memberships")
LOADED = ("profiles", "profile_suppressions", *MEMBERSHIPS, *SMALL, "lists", "metrics", "events")
BORN = datetime(2026, 1, 1, tzinfo=UTC)


def people() -> Account:
    """Some people in place of those of the tiny account, all in one list and one segment, three in another list."""
    tiny = tiny_account()
    model = tiny.objects["profile"].pop("ANNA")
    tiny.objects["profile"].clear()
    for number, name in enumerate(PEOPLE):
        person = deepcopy(model)
        person.id = name
        born = (BORN + timedelta(hours=number)).isoformat()
        person.attributes |= {"email": f"{name.lower()}@example.com", "created": born, "updated": born}
        tiny.objects["profile"][name] = person
    tiny.list_members = {"NEWS": dict.fromkeys(PEOPLE, EARLY), "L01": dict.fromkeys(PEOPLE[:3], EARLY)}
    tiny.segment_members = {"VIPS": dict.fromkeys(PEOPLE, EARLY)}
    person = tiny.objects["profile"]["P002"]
    person.attributes["subscriptions"]["email"]["marketing"]["suppression"] = [
        {"reason": "HARD_BOUNCE", "timestamp": EARLY}
    ]
    tiny.objects["profile"]["P040"].attributes["phone_number"] = "+4512345678"
    told = Object("metric", "MERGED", {**tiny.objects["metric"]["VISIT"].attributes, "name": "Merged Profile"})
    tiny.objects["metric"][told.id] = told
    tiny.events = Events(
        [
            PlainEvent("first", MONDAY, profile_id="P010"),
            PlainEvent("last", MONDAY + DAY, profile_id="P010"),
            PlainEvent("other", MONDAY + DAY, profile_id="P099"),
            PlainEvent("redacted", MONDAY, profile_id="P020"),
            PlainEvent("told", MONDAY, "MERGED", "P061", properties={"from": {"id": "P060"}}),
        ]
    )
    return tiny


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A warehouse with all of it."""
    with Sandbox(people(), limits="off") as sandbox, pytest.MonkeyPatch.context() as monkeypatch:
        home = tmp_path_factory.mktemp("loaded")
        job = Job(sandbox, home, monkeypatch, revision=str(request.config.getoption("--revision")))
        job.load(*LOADED)
        return job.database


@pytest.fixture
def account() -> Account:
    return people()


@pytest.fixture
def job(loaded: Path, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, revision: str) -> Job:
    """One for which the warehouse holds all of the account."""
    started = Job(sandbox, tmp_path, monkeypatch, revision=revision)
    started.settle()
    shutil.copy(loaded, started.database)
    return started


def sweeper(job: Job, **options: Any) -> Sweeper:
    settings = Settings(api_key=KEY, base_url=job.sandbox.url, revision=job.revision)
    given: dict[str, Any] = {"settings": settings, "warehouse": Warehouse("duckdb"), "watch": LogWatch()}
    return Sweeper(**given | options)


def sweep(job: Job, *names: str, **options: Any) -> Outcome:
    return sweeper(job, **options).sweep(sweepable(named(names, job.revision)))


def of_one(job: Job, name: str, **options: Any) -> Swept:
    [found] = sweep(job, name, **options).swept
    return found


def marked(job: Job, table: str, key: str = "id") -> set[str]:
    return {row[key] for row in rows(job, table) if row["_deleted_at"] is not None}


def vanish(sandbox: Sandbox, kind: str, *ids: str) -> None:
    for one in ids:
        change(sandbox, "delete", type=kind, id=one)


def test_a_sweep_of_what_has_not_changed_marks_and_loads_nothing(job: Job) -> None:
    found = sweep(job, *LOADED)
    assert {one.resource for one in found.swept} == {*LOADED} - {
        "lists",
        "profile_suppressions",
        "metrics",
        "events",
    } - whole(job)
    assert all((one.held, one.absent, one.missed) == (one.seen, 0, 0) for one in found.swept)
    assert found.run.exit is Exit.DONE
    assert not rows(job, "etl_absences")


def whole(job: Job) -> set[str]:
    """What is read whole at a later revision."""
    return {"campaigns"} - {one.name for one in sweepable(named(["campaigns"], job.revision))}


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
        "campaigns": ("campaign", "LASTYEAR"),
        "flows": ("flow", "RETIRED"),
        "templates": ("template", "TPL"),
        "template_universal_content": ("template-universal-content", "UC"),
        "images": ("image", "366547581"),
    }
    for kind, id_ in gone.values():
        del sandbox.account.objects[kind][id_]
    sandbox.changed()
    names = [name for name in gone if name not in whole(job)]
    assert [one.marked for one in sweep(job, *names).swept] == [1] * len(names)
    assert [marked(job, name) for name in names] == [{gone[name][1]} for name in names]


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
    expected = {"profiles": (3, 0), "list_memberships": (1, 0), "campaigns": (1, 0)}
    if job.revision != REVISION:  # campaigns are read whole by every run there, and need no sweep
        del expected["campaigns"]
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
        database.execute("delete from klaviyo.campaigns where id = 'LASTYEAR'")
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


# --- guards ----------------------------------------------------------------------------------------------------------


class Cut:
    """Reads as the sandbox does, but leaves some objects out of what it lists, though not when asked for by id."""

    def __init__(self, reader: Any, hidden: set[str], unless: str = "any(") -> None:
        self.reader = reader
        self.hidden = hidden
        self.unless = unless

    def __getattr__(self, name: str) -> Any:
        return getattr(self.reader, name)

    def document(self, match: Any, base: str, address: str, query: str, now: Any) -> Any:
        made = self.reader.document(match, base, address, query, now)
        document = made if isinstance(made, dict) else json.loads(made)
        if isinstance(document["data"], list) and (not self.unless or self.unless not in query.replace("%28", "(")):
            document["data"] = [one for one in document["data"] if one["id"] not in self.hidden]
        return document


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


# --- what became of profiles that are gone ---------------------------------------------------------------------------


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
    with sweeper(job).warehouse.onlooker().sql_client() as client:
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


# --- counts of members -----------------------------------------------------------------------------------------------


def test_members_that_klaviyo_counts_and_the_warehouse_lacks_are_put_in_by_verify(job: Job, sandbox: Sandbox) -> None:
    with duckdb.connect(str(job.database)) as database:
        database.execute("delete from klaviyo.list_memberships where profile_id = 'P000' and list_id = 'L01'")
    del sandbox.account.segment_members["VIPS"]["P003"]
    sandbox.changed()
    compared = MemberCounts(sweeper(job, repair=False), 2).verify(100)
    assert {(one.parent, one.counted, one.held) for one in compared.having("differs")} == {
        ("L01", 3, 2),
        ("VIPS", 349, 350),
    }
    assert compared.exit is Exit.NEEDS_A_PERSON
    assert MemberCounts(sweeper(job), 2).verify(100).having("equal")  # others, whose turn it is
    found = MemberCounts(sweeper(job), 26).verify(100)
    assert {(one.parent, one.held_before, one.held) for one in found.having("repaired")} == {("L01", 2, 3)}
    assert found.exit is Exit.DONE
    assert_tables_equal_the_account(job, sandbox, *MEMBERSHIPS)
    recorded = [row for row in rows(job, "etl_verifications") if row["status"] == "repaired"]
    assert {(row["resource"], row["parent_id"], row["counted"]) for row in recorded} == {
        ("list_memberships", "L01", 3),
        ("segment_memberships", "VIPS", 349),
    }


def test_members_are_counted_within_the_requests_that_events_leave(
    job: Job, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    settings = Settings(api_key=KEY, base_url=sandbox.url, revision=job.revision)

    def counted(most: int) -> list[Comparison]:
        members = MemberCounts(sweeper(job), 2)
        verifier = Verifier(
            settings=settings, warehouse=Warehouse("duckdb"), watch=LogWatch(), most_requests=most, members=members
        )
        _, compared = verifier.verify_all()
        assert compared
        assert compared.tally.requests == len(compared.made)
        return compared.made

    assert len(counted(1_000)) == 3, "two lists and a segment"
    assert "and 3 for members" in caplog.text
    of_events = len(sandbox.account.objects["metric"])
    assert len(counted(of_events + 1)) == 1
    assert "and 1 for members" in caplog.text


def test_members_that_differ_are_left_where_no_request_is_left_to_count_them_again(job: Job) -> None:
    with duckdb.connect(str(job.database)) as database:
        database.execute(
            "delete from klaviyo.list_memberships where profile_id = 'P000' and list_id in ('L01', 'NEWS')"
        )
    counts = MemberCounts(sweeper(job), 26)
    compared = counts.verify(len(counts.chosen) + 1)
    assert compared.tally.requests == len(counts.chosen) + 1
    assert [one.parent for one in compared.having("repaired")] == ["L01"]
    [left] = compared.having("differs")
    assert left.parent == "NEWS"
    assert "not looked into" in left.explanation


# --- when ------------------------------------------------------------------------------------------------------------


def test_small_collections_are_due_daily_and_people_and_memberships_weekly(job: Job) -> None:
    resources = named(("profiles", "list_memberships", "images"))
    now = sweeper(job).now

    def due(days: float) -> list[str]:
        return [one.name for one in sweeper(job, now=now.add(seconds=int(days * 86_400))).due(resources)]

    assert due(0.5) == []
    assert due(1) == ["images"]
    assert due(7) == ["profiles", "list_memberships", "images"]
    sweep(job, "profiles", now=now.add(days=7))
    assert due(8) == ["list_memberships", "images"]


def test_what_was_never_loaded_is_not_swept(job: Job) -> None:
    job.database.unlink()
    assert not sweeper(job, now=sweeper(job).now.add(days=30)).due(named(None))
    with pytest.raises(ConfigurationError, match="run first"):
        sweep(job, "profiles")


def test_what_is_read_whole_or_counted_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match="lists"):
        sweepable(named(["lists", "profiles"]), complain=True)


def test_status_tells_how_each_sweep_came_out_and_when_the_next_is_due(job: Job, sandbox: Sandbox) -> None:
    def told() -> dict[str, Turn]:
        return {turn.resource: turn for turn in status(Warehouse("duckdb"), job.revision, 0.9).sweeps}

    listed = {
        name: (count, vanished) for name, count, vanished in status(Warehouse("duckdb"), job.revision, 0.9).tables
    }
    assert listed["list_membership_intervals"] == (len(rows(job, "list_membership_intervals")), None)
    assert {"segment_membership_intervals", "versions"} <= listed.keys()
    before = told()
    assert {*before} == {"profiles", *MEMBERSHIPS, *SMALL} - whole(job)
    assert before["profiles"].last is None
    vanish(sandbox, "profile", "P001")
    now = sweeper(job).now.replace(microsecond=0)
    sweep(job, "profiles", now=now)
    turn = told()["profiles"]
    assert turn.last
    assert (turn.last.status, turn.last.marked, turn.last.missed) == ("complete", 1, 0)
    assert turn.due_at == now.add(days=7, hours=-4)
    vanish(sandbox, "profile", *PEOPLE[2:80])
    sweep(job, "profiles")
    refused = told()["profiles"].last
    assert refused
    assert refused.status == "refused"
    assert "none of them was marked" in (refused.note or "")


def test_a_plan_tells_which_sweeps_are_due_and_what_they_take(job: Job, sandbox: Sandbox) -> None:
    resources = named(("profiles", "list_memberships", "images"), job.revision)
    settings = Settings(api_key=KEY, base_url=sandbox.url, revision=job.revision)
    later = sweeper(job).now.add(days=7)

    def due(now: DateTime, **bounds: Any) -> dict[str, int]:
        found = plan(settings, Warehouse("duckdb"), Request(resources=resources, reports=(), now=now, **bounds))
        return {turn.resource: turn.requests for turn in found.sweeps}

    assert due(later.subtract(days=7)) == {}
    assert due(later, start=moment("2026-01-01")) == {}, "a range is read without sweeps"
    told = due(later)
    lists = len(sandbox.account.objects["list"])
    assert told == {"profiles": 4, "list_memberships": 4 + (lists - 1) + ceil(lists / 10), "images": 1}
    # Lanes that join ask for a page of their own.
    found = sweep(job, *told, now=later, settings=replace(settings, max_lanes=1))
    assert {tally.resource.removeprefix("etl_sweep_"): tally.requests for tally in found.run.tallies} == told


@both_revisions
def test_postgresql_is_swept_alike_at_each_revision(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres: str, revision: str
) -> None:
    monkeypatch.setattr("pipelines.load.every_table", lambda _revision: {})  # empty ones take most of the time
    job = Job(sandbox, tmp_path, monkeypatch, postgres, revision)
    job.load("profiles", "lists", "list_memberships", "images", destination="postgres")
    vanish(sandbox, "profile", "P001")
    vanish(sandbox, "image", "366547581")
    sandbox.account.list_members["L01"].pop("P002")
    with closing(psycopg2.connect(postgres)) as server, server, server.cursor() as cursor:
        cursor.execute("delete from klaviyo.profiles where id = 'P003'")
        cursor.execute("delete from klaviyo.list_memberships where profile_id = 'P004'")
    sandbox.changed()
    found = sweep(job, "profiles", "list_memberships", "images", warehouse=Warehouse("postgres"))
    assert {one.resource: (one.marked, one.missed) for one in found.swept} == {
        "profiles": (1, 1),
        "list_memberships": (3, 1),
        "images": (1, 0),
    }
    gone = [row for row in postgres_rows(postgres, "list_memberships") if row["_deleted_at"]]
    assert sorted((row["list_id"], row["profile_id"]) for row in gone) == [
        ("L01", "P001"),
        ("L01", "P002"),
        ("NEWS", "P001"),
    ]
    assert_equal(
        sandbox.account,
        datetime.now(UTC),
        lambda table: postgres_rows(postgres, table),
        ["profiles", "list_memberships", "images"],
        revision,
    )


def packages_loaded(folder: Path) -> int:
    """However many folders come and go meanwhile."""
    return sum(len(packages) for place, packages, _ in os.walk(folder) if place.endswith("/load/loaded"))


def test_a_sweep_that_is_killed_marks_nothing_and_the_next_run_goes_on_with_it(
    cli: Cli, sandbox: Sandbox, loaded: Path
) -> None:
    shutil.copy(loaded, cli.database)
    vanish(sandbox, "profile", "P001", "P349")
    serial = {"SOURCES__KLAVIYO__MAX_LANES": "1", "SOURCES__KLAVIYO__PACKAGE_ROWS": "100"}
    hangs = Fault(kind="slow", path="/api/profiles", after=2, seconds=20)
    sandbox.api.faults.ordered.append(hangs)
    process = cli.start("sweep", "--select", "profiles", **serial)
    wait_for(lambda: hangs.struck)
    # Two pages are committed, each with a package of its own.
    wait_for(lambda: packages_loaded(cli.home / "dlt") == 2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    sandbox.api.faults.ordered.clear()
    assert cli.query("select count(*) from klaviyo.etl_sweep_profiles") == [(200,)]
    assert cli.query("select * from klaviyo.profiles where _deleted_at is not null") == []
    sandbox.api.requests.clear()
    told = cli.load("--select", "profiles", **serial)
    assert "sweep of" in told.stdout
    assert cli.query("select id from klaviyo.profiles where _deleted_at is not null order by id") == [
        ("P001",),
        ("P349",),
    ]
    assert cli.query("select seen, absent, marked from klaviyo.etl_sweeps") == [(348, 2, 2)]
    swept = [one["query"] for one in sandbox.api.requests if "fields%5Bprofile%5D=created" in one["query"]]
    assert "greater-than%28created%2C2026-01-05" in swept[0], "it goes on with the second page"


def test_the_command_marks_and_a_dry_one_does_not(cli: Cli, sandbox: Sandbox, loaded: Path) -> None:
    shutil.copy(loaded, cli.database)
    vanish(sandbox, "profile", *PEOPLE[:50])
    refused = cli("sweep", "--select", "profiles")
    assert refused.returncode == 3
    assert "klaviyo-etl sweep --select profiles --max-gone 0.15" in refused.stdout
    dry = cli("sweep", "--select", "profiles", "--max-gone", "0.15", "--dry-run")
    assert dry.returncode == 0
    assert not cli.query("select * from klaviyo.profiles where _deleted_at is not null")
    assert cli("sweep", "--select", "profiles", "--max-gone", "0.15").returncode == 0
    assert len(cli.query("select * from klaviyo.profiles where _deleted_at is not null")) == 50


def test_a_run_sweeps_what_is_due_unless_told_not_to(cli: Cli, sandbox: Sandbox, loaded: Path) -> None:
    shutil.copy(loaded, cli.database)
    vanish(sandbox, "image", "366547581")
    often = {"SOURCES__KLAVIYO__SWEEP_DAYS__IMAGES": "0.1", "SOURCES__KLAVIYO__SWEEP_DAYS__FLOWS": "0"}
    told = cli.load("--select", "images,flows", "--no-sweep", **often)
    assert "sweep of" not in told.stdout
    told = cli.load("--select", "images,flows", **often)
    assert "swept with" in told.stdout
    assert cli.query("select resource, marked from klaviyo.etl_sweeps") == [("images", 1)]
    wrong = cli("run", SOURCES__KLAVIYO__SWEEP_DAYS__IMAGES="often")
    assert wrong.returncode == 2
    assert "sweep_days.images" in wrong.stderr
