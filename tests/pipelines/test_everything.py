"""Every table there can be, and what hangs from what."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sandbox.server import Sandbox
from sources.klaviyo.contract import revisions
from sources.klaviyo.resources import at
from tests.conftest import Job, both_revisions
from tests.pipelines.rarities import rich_account
from tests.pipelines.truth import truth
from tests.pipelines.warehouse import assert_tables_equal_the_account, rows


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(rich_account(), limits="off") as running:
        yield running


@pytest.fixture
def job(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, revision: str) -> Job:
    return Job(sandbox, tmp_path, monkeypatch, revision=revision)


@both_revisions
def test_every_table_equals_the_account_value_by_value(job: Job, sandbox: Sandbox) -> None:
    names = [resource.name for resource in at(job.revision)]
    job.load(*names)
    assert_tables_equal_the_account(job, sandbox, *names)
    unlinked = {"metric_flow_triggers", "segment_flow_triggers", "segment_tags"}
    assert {name for name in names if not rows(job, name)} == unlinked


def test_a_suppression_that_is_lifted_is_marked(job: Job, sandbox: Sandbox) -> None:
    job.load("profiles", "profile_suppressions")
    told = sandbox.account.objects["profile"]["BERT"].attributes
    told["subscriptions"]["email"]["marketing"]["suppression"].pop(0)
    told["updated"] = (datetime.now(UTC) - timedelta(seconds=30)).isoformat()
    sandbox.changed()
    job.load("profiles", "profile_suppressions")
    found = {row["reason"]: row["_deleted_at"] for row in rows(job, "profile_suppressions")}
    assert found["HARD_BOUNCE"] is not None
    assert found["UNSUBSCRIBE"] is None
    assert_tables_equal_the_account(job, sandbox, "profiles", "profile_suppressions")


def test_a_suppression_that_leaves_the_mark_of_change_as_it_was_is_loaded(job: Job, sandbox: Sandbox) -> None:
    both = ("profiles", "profile_suppressions")
    job.load(*both)
    email = sandbox.account.objects["profile"]["ANNA"].attributes["subscriptions"]["email"]["marketing"]
    lately = (datetime.now(UTC) - timedelta(seconds=30)).isoformat()
    email |= {"suppression": [{"reason": "HARD_BOUNCE", "timestamp": lately}], "can_receive_email_marketing": False}
    sandbox.changed()
    run = job.load(*both)
    assert sum(tally.rows["profiles"] for tally in run.tallies) == 1
    assert_tables_equal_the_account(job, sandbox, *both)


def test_predictions_keep_what_they_were_with_what_changed_and_when_that_was_seen(job: Job, sandbox: Sandbox) -> None:
    job.load("profile_predictions")
    predicted = sandbox.account.objects["profile"]["ANNA"].attributes["predictive_analytics"]
    sandbox.account.objects["profile"]["ANNA"].attributes["predictive_analytics"] = predicted | {"total_clv": 99.5}
    sandbox.changed()
    job.load("profile_predictions")
    job.load("profile_predictions")
    found = sorted(rows(job, "versions"), key=lambda row: row["version"])
    assert Counter(row["id"] for row in found) == Counter(
        {**dict.fromkeys(sandbox.account.objects["profile"], 1), "ANNA": 2}
    )
    old, new = (row for row in found if row["id"] == "ANNA")
    assert json.loads(new["changed"]) == ["predictive_analytics__total_clv"]
    told = [json.loads(row["content"])["predictive_analytics__total_clv"] for row in (old, new)]
    assert told == [predicted["total_clv"], 99.5]
    assert (new["valid_from_by"], new["valid_to"], old["valid_to"]) == ("seen", None, new["valid_from"])


def test_the_truth_knows_every_table(sandbox: Sandbox) -> None:
    for revision in revisions():
        told = truth(sandbox.account, datetime.now(UTC), revision)
        assert {resource.name for resource in at(revision)} <= told.keys()


def live(job: Job, table: str) -> set[str]:
    return {row["id"] for row in rows(job, table) if row["_deleted_at"] is None}


def test_a_child_that_vanishes_is_marked_when_its_parent_is_visited(job: Job, sandbox: Sandbox) -> None:
    job.load("form_versions")
    (gone,) = live(job, "form_versions")
    del sandbox.account.objects["form-version"][gone]
    sandbox.changed()
    job.load("form_versions")
    assert live(job, "form_versions") == {gone}
    changed = (datetime.now(UTC) - timedelta(seconds=30)).isoformat()
    sandbox.account.objects["form"]["FORM"].attributes["updated_at"] = changed
    sandbox.changed()
    job.load("form_versions")
    assert live(job, "form_versions") == set()


def test_children_vanish_with_their_parent_whether_or_not_any_is_visited(job: Job, sandbox: Sandbox) -> None:
    job.load("flow_messages", "schema_versions")
    assert live(job, "flow_messages") == {"FMSG"}
    del sandbox.account.objects["flow-action"]["116466132"]
    del sandbox.account.objects["object-type"]["pet"]
    sandbox.changed()
    run = job.load("flow_messages", "schema_versions")
    assert run.vanished == {"flow_messages": 1, "schema_versions": 1}
    assert live(job, "flow_messages") == set()
    assert live(job, "schema_versions") == {"house-schema"}


def test_a_full_refresh_visits_all_parents(job: Job, sandbox: Sandbox) -> None:
    job.load("form_versions")
    (gone,) = live(job, "form_versions")
    del sandbox.account.objects["form-version"][gone]
    sandbox.changed()
    job.load("form_versions", full_refresh="form_versions")
    assert live(job, "form_versions") == set()


def test_what_is_optional_is_neither_read_nor_made_unless_it_is_named(job: Job) -> None:
    job.every_table = True
    job.load("tags")
    made = {name for (name,) in job.query("select table_name from information_schema.tables")}
    assert {"flow_messages", "coupon_codes", "events"} <= made
    assert not {"push_tokens", "object_types"} & made
