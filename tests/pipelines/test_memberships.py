"""Who was in which list and segment, from when to when, and how precisely that is known."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest

from sandbox.account import Account, Object
from sandbox.server import Sandbox
from sources.klaviyo.windows import moment
from tests.conftest import ROOT, Job
from tests.pipelines.warehouse import change, rows
from tests.sandbox.tiny import EARLY, LATE, NOW, tiny_account

READ = ("lists", "segments", "metrics", "list_memberships", "segment_memberships", "events")
HISTORY = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "history.md").read_text(), re.DOTALL)
"""The queries that the documentation shows."""
A_RUN = timedelta(minutes=15)
"""What a run may take, and what a change may need to become visible."""


@pytest.fixture
def account() -> Account:
    tiny = tiny_account()
    visit = tiny.objects["metric"]["VISIT"]
    for id_, name in (("SUB", "Subscribed to List"), ("UNSUB", "Unsubscribed from List")):
        tiny.objects["metric"][id_] = Object("metric", id_, {**visit.attributes, "name": name}, {})
    return tiny


def day(number: float) -> str:
    return (NOW + timedelta(days=number)).isoformat()


def told(job: Job, kind: str, profile: str) -> list[tuple[Any, ...]]:
    """The memberships of a profile: from, who says so, to, who says so."""
    found = [row for row in rows(job, f"{kind}_membership_intervals") if row["profile_id"] == profile]
    assert sum(row["valid_to"] is None for row in found) <= 1
    names = ("valid_from", "valid_from_by", "valid_to", "valid_to_by")
    return [tuple(row[name] for name in names) for row in sorted(found, key=began)]


def began(row: dict[str, Any]) -> datetime:
    return row["valid_from"] or datetime.min.replace(tzinfo=UTC)


def seen_missing(job: Job, kind: str, profile: str, *, after: float, at: float) -> bool:
    """Whether somebody is said to have left between two runs, and no more than that."""
    [row] = [
        row
        for row in rows(job, f"{kind}_membership_intervals")
        if row["profile_id"] == profile and row["valid_to_by"] == "seen"
    ]
    last_shown: datetime = row["valid_to_after"]
    missed: datetime = row["valid_to"]
    return abs(last_shown - moment(day(after))) < A_RUN and abs(missed - moment(day(at))) < A_RUN


def test_memberships_are_told_from_when_to_when(job: Job, sandbox: Sandbox) -> None:
    def join(profile: str, at: float, *, by_event: bool = True) -> None:
        change(sandbox, "join_list", list="NEWS", profiles=[profile], at=day(at), told=by_event)

    def leave(profile: str, at: float, *, by_event: bool = False) -> None:
        change(sandbox, "leave_list", list="NEWS", profiles=[profile], at=day(at), told=by_event)

    joined = "joined_group_at"
    job.load(*READ, now=day(0))
    assert told(job, "list", "ANNA") == [(moment(EARLY), joined, None, None)]
    assert told(job, "list", "BERT") == [(moment(LATE), joined, None, None)]
    assert told(job, "segment", "ANNA") == [(moment(LATE), joined, None, None)]

    join("CLEO", 0.5)
    leave("BERT", 0.6, by_event=True)
    change(sandbox, "rename", type="list", id="NEWS", name="The News", at=day(0.7))
    change(sandbox, "recompute_segment", segment="VIPS", join=["BERT"], at=day(0.5))
    job.load(*READ, now=day(1))
    assert told(job, "list", "CLEO") == [(moment(day(0.5)), joined, None, None)]
    assert told(job, "list", "BERT") == [(moment(LATE), joined, moment(day(0.6)), "event")]
    assert told(job, "segment", "BERT") == [(moment(day(0.5)), joined, None, None)]

    leave("CLEO", 1.3)
    join("CLEO", 1.6, by_event=False)
    join("BERT", 1.2)
    leave("BERT", 1.4, by_event=True)
    leave("ANNA", 1.5)
    change(sandbox, "recompute_segment", segment="VIPS", leave=["ANNA"], at=day(1.5))
    job.load(*READ, now=day(2), full_refresh="list_memberships")
    assert told(job, "list", "CLEO") == [
        (moment(day(0.5)), joined, moment(day(1.6)), "rejoined"),
        (moment(day(1.6)), joined, None, None),
    ]
    assert told(job, "list", "BERT") == [
        (moment(LATE), joined, moment(day(0.6)), "event"),
        (moment(day(1.2)), "event", moment(day(1.4)), "event"),
    ]
    assert seen_missing(job, "list", "ANNA", after=0, at=2)

    # The event of a leaving arrives after it was seen. Segments have none.
    late = {"List": "Newsletter"}
    change(sandbox, "add_events", metric="Unsubscribed from List", profile="ANNA", at=day(1.5), properties=late)
    join("BERT", 2.2)
    leave("BERT", 2.4)
    job.load(*READ, now=day(3), full_refresh="segment_memberships")
    assert told(job, "list", "ANNA") == [(moment(EARLY), joined, moment(day(1.5)), "event")]
    assert seen_missing(job, "segment", "ANNA", after=0, at=3)
    assert seen_missing(job, "list", "BERT", after=2.2, at=3)

    shown = [job.query(query) for query in HISTORY]
    assert [row[2:4] for row in shown[0]] == [("The News", '["name"]')]
    assert [row[0] for row in shown[1]] == ["VIPs"]
    assert ("NEWS", 2, 1) in shown[2]

    change(sandbox, "delete", type="list", id="NEWS")
    with duckdb.connect(str(job.database)) as database:
        merge = (
            "insert into klaviyo.profile_merges (profile_id, survivor_id, known_at, _dlt_load_id) values (?, ?, ?, ?)"
        )
        database.execute(merge, ["ANNA", "BERT", moment(day(3.5)), "1"])
    job.load(*READ, now=day(4))
    assert seen_missing(job, "list", "CLEO", after=2, at=4)
    assert told(job, "segment", "ANNA")[0][3] == "merged"
    assert told(job, "segment", "BERT") == [(moment(day(0.5)), joined, None, None)]


def test_events_that_came_to_the_survivor_of_a_merge_do_not_end_its_memberships(job: Job, sandbox: Sandbox) -> None:
    job.load(*READ, now=day(0))
    change(sandbox, "leave_list", list="NEWS", profiles=["BERT"], at=day(0.5), told=True)
    job.load(*READ, now=day(1))
    change(sandbox, "merge_profiles", source="BERT", destination="ANNA", at=day(1.5))
    job.load(*READ, now=day(2), full_refresh="events")
    assert {row["profile_id"] for row in rows(job, "events") if row["metric_id"] == "UNSUB"} == {"ANNA"}
    assert told(job, "list", "ANNA") == [(moment(EARLY), "joined_group_at", None, None)]
    assert told(job, "list", "BERT") == [(moment(LATE), "joined_group_at", moment(day(0.5)), "event")]
