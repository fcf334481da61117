"""When each resource is swept, and what is told of it."""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from typing import Any

import pytest
from pendulum import DateTime

from pipelines.errors import ConfigurationError
from pipelines.load import Request, named
from pipelines.plan import plan
from pipelines.schedule import Turn
from pipelines.settings import Settings
from pipelines.status import status
from pipelines.sweep import sweepable
from pipelines.warehouse import Warehouse
from sandbox.server import Sandbox
from sources.klaviyo.windows import moment
from tests.conftest import KEY, Job
from tests.pipelines.sweeps.people import (
    MEMBERSHIPS,
    PEOPLE,
    SMALL,
    sweep,
    sweeper,
    vanish,
)
from tests.pipelines.warehouse import rows


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
    assert {*before} == {"profiles", *MEMBERSHIPS, *SMALL}
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
