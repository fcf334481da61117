"""What things said before is kept: versions of flows, segments, campaigns, …, from when to when and what changed."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest

import pipelines.load
from pipelines.errors import RunError
from sandbox.account import Account
from sandbox.server import Sandbox
from sources.klaviyo.declaration import policy
from sources.klaviyo.windows import moment
from tests.conftest import Job
from tests.pipelines.warehouse import change, rows
from tests.sandbox.tiny import LATE, NOW, tiny_account


@pytest.fixture
def account() -> Account:
    return tiny_account()


DEFINITIONS = ("lists", "segments", "flows", "flow_actions", "flow_definitions", "templates", "campaigns", "forms")


def versions(job: Job, resource: str, id_: str) -> list[dict[str, Any]]:
    found = [row for row in rows(job, "versions") if (row["resource"], row["id"]) == (resource, id_)]
    return sorted(found, key=lambda row: row["version"])


def test_definitions_keep_their_versions_with_what_changed_and_since_when(job: Job, sandbox: Sandbox) -> None:
    job.load(*DEFINITIONS, now=day(0))
    everything = rows(job, "versions")
    assert {row["resource"] for row in everything} == {*DEFINITIONS}
    assert all(row["version"] == 1 and row["valid_to"] is None for row in everything)
    assert versions(job, "lists", "NEWS")[0]["valid_from"] == datetime.fromisoformat(LATE)

    # Each of these is told by the mark of change, but for the form's and the action's.
    marked = moment(day(0.5))
    segment = {"definition": {"condition_groups": [{"conditions": [{"type": "a"}, {"type": "b"}]}, {"conditions": []}]}}
    edits: list[tuple[str, str, str, dict[str, Any], set[str]]] = [
        ("lists", "list", "NEWS", {"name": "The News"}, {"name"}),
        ("segments", "segment", "VIPS", segment, {"definition__condition_groups"}),
        ("flows", "flow", "WELCOME", {"status": "draft"}, {"status"}),
        ("templates", "template", "TPL", {"html": "<p>new</p>", "text": "new"}, {"html", "text"}),
        ("campaigns", "campaign", "SPRING", {"name": "Spring again"}, {"name"}),
    ]
    for _, kind, id_, attributes, _ in edits:
        change(sandbox, "edit", type=kind, id=id_, attributes=attributes, at=marked.isoformat())
    silent = [("forms", "form", "FORM", {"status": "draft"}, {"status"})]
    for _, kind, id_, attributes, _ in silent:
        change(sandbox, "edit", type=kind, id=id_, attributes=attributes, silent=True)
    job.load(*DEFINITIONS, now=day(1))
    assert len(rows(job, "versions")) == len(everything) + len(edits) + len(silent)
    for resource, _, id_, _, changed in edits:
        old, new = versions(job, resource, id_)
        assert {*json.loads(new["changed"])} == changed
        assert old["valid_to"] == new["valid_from"] == marked
        assert (new["valid_from_by"], old["ended_by"], new["valid_to"]) == ("updated", "changed", None)
        assert {name: json.loads(new["content"])[name] for name in changed} != {
            name: json.loads(old["content"])[name] for name in changed
        }
    for resource, _, id_, _, changed in silent:
        old, new = versions(job, resource, id_)
        assert {*json.loads(new["changed"])} == changed
        assert new["valid_from_by"] == "seen"
        assert is_near(new["valid_from_after"], day(0))
        assert is_near(new["valid_from"], day(1))
        assert old["valid_to"] == new["valid_from"]

    # Nothing of this is a change, and neither is running again.
    groups = sandbox.account.objects["segment"]["VIPS"].attributes["definition"]["condition_groups"]
    shuffled = {"condition_groups": [{"conditions": [*reversed(one["conditions"])]} for one in reversed(groups)]}
    change(sandbox, "edit", type="segment", id="VIPS", attributes={"definition": shuffled, "is_processing": True})
    change(sandbox, "edit", type="template", id="TPL", attributes={})
    change(sandbox, "delete", type="list", id="L00")
    taken = sandbox.account.objects["list"].pop("NEWS")
    before = rows(job, "versions")
    job.load(*DEFINITIONS, now=day(2))
    assert len(rows(job, "versions")) == len(before)
    for id_ in ("NEWS", "L00"):
        last = versions(job, "lists", id_)[-1]
        assert last["ended_by"] == "vanished"
        assert is_near(last["valid_to_after"], day(1))
        assert is_near(last["valid_to"], day(2))

    # What comes back has a version more, though it says what it said.
    sandbox.account.objects["list"]["NEWS"] = taken
    sandbox.changed()
    job.load(*DEFINITIONS, now=day(3))
    *_, old, new = versions(job, "lists", "NEWS")
    assert new["valid_to"] is None
    assert json.loads(new["changed"]) == []
    assert is_near(new["valid_from_after"], day(2))
    assert is_near(new["valid_from"], day(3))
    assert one_open_version_each(job)


def one_open_version_each(job: Job) -> bool:
    opened = Counter((row["resource"], row["id"]) for row in rows(job, "versions") if row["valid_to"] is None)
    return set(opened.values()) == {1}


def day(number: float) -> str:
    return (NOW + timedelta(days=number)).isoformat()


def is_near(instant: datetime, text: str) -> bool:
    """To within the length of a run."""
    return abs(instant - moment(text)) < timedelta(minutes=10)


def test_rows_from_before_there_were_versions_and_those_of_a_run_that_failed_get_theirs(
    job: Job, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise RunError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(pipelines.load, "record", fail)
        with pytest.raises(RunError):
            job.load("lists", "templates", now=day(0))
    assert len(rows(job, "templates")) == 1
    job.load("lists", "templates", now=day(1))
    assert Counter(row["resource"] for row in rows(job, "versions")) == {"lists": 25, "templates": 1}

    change(sandbox, "edit", type="template", id="TPL", attributes={"html": "<p>new</p>"}, at=day(1.5))
    with monkeypatch.context() as patched:
        patched.setattr(pipelines.load, "record", fail)
        with pytest.raises(RunError):
            job.load("lists", "templates", now=day(2))
    change(sandbox, "delete", type="list", id="NEWS")
    job.load("lists", "templates", now=day(3))
    assert len(versions(job, "templates", "TPL")) == 2
    assert versions(job, "lists", "NEWS")[0]["ended_by"] == "vanished"


def test_under_another_field_policy_a_table_has_no_versions_of_before(job: Job, sandbox: Sandbox) -> None:
    read = ("lists", "templates")
    job.load(*read, now=day(0))
    change(sandbox, "edit", type="template", id="TPL", attributes={"html": "<p>Anna</p>"}, at=day(0.5))
    job.load(*read, now=day(1))
    lists = [row for row in rows(job, "versions") if row["resource"] == "lists"]
    assert len(versions(job, "templates", "TPL")) == 2
    job.policy = policy("", {"templates": {"html": "drop"}}, "a secret of more than thirty characters")
    job.load(*read, now=day(2), full_refresh="templates")
    [only] = versions(job, "templates", "TPL")
    assert (only["version"], json.loads(only["content"])["html"]) == (1, None)
    assert [row for row in rows(job, "versions") if row["resource"] == "lists"] == lists
