"""What Klaviyo sends otherwise than its document says: loaded all the same, and told once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipelines.status import status
from pipelines.warehouse import Warehouse
from sandbox.account import Account, Object
from sources.klaviyo import REVISION
from sources.klaviyo.declaration import policy
from tests.pipelines.simulated import Days, days
from tests.pipelines.warehouse import rows
from tests.sandbox.tiny import tiny_account

__all__ = ["days"]

MORNINGS = [f"2026-07-{day:02}T06:00:00" for day in range(1, 30)]
KEY = "a key of at least thirty-two characters"


@pytest.fixture
def account() -> Account:
    return tiny_account()


def of(days: Days, type_: str, id_: str) -> dict[str, Any]:
    return days.job.sandbox.account.objects[type_][id_].attributes


def told(days: Days) -> list[tuple[str, ...]]:
    """What the last run told for the first time."""
    return [tuple(change) for change in days.last.changes]


def run(days: Days, at: str, *select: str) -> list[tuple[str, ...]]:
    days.job.sandbox.changed()
    days.run(at, *select)
    return told(days)


def test_each_change_is_told_by_the_first_run_that_meets_it_and_kept(days: Days) -> None:
    first, second, third = MORNINGS[:3]
    assert run(days, first, "lists") == []
    of(days, "list", "NEWS").update(colour="green", opt_in_process="triple_opt_in", name=7, created="lately")
    assert run(days, second, "lists") == [
        ("lists", "colour", "new_attribute", "column colour"),
        ("lists", "created", "other_type", "text that is no timestamp"),
        ("lists", "name", "other_type", "a number, declared text"),
        ("lists", "opt_in_process", "new_value", "triple_opt_in"),
    ]
    loaded = days.rows("lists")["NEWS"]
    assert (loaded["colour"], loaded["name"], loaded["opt_in_process"]) == ('"green"', "7", "triple_opt_in")
    assert (loaded["created"], json.loads(loaded["created__v_json"])) == (None, "lately")
    of(days, "list", "NEWS")["colour"] = "blue"
    assert run(days, third, "lists") == []
    kept = status(Warehouse("duckdb"), REVISION, 0.9).changes
    assert [(row[1], row[2], row[3]) for row in kept] == [
        ("lists", "colour", "new_attribute"),
        ("lists", "created", "other_type"),
        ("lists", "name", "other_type"),
        ("lists", "opt_in_process", "new_value"),
    ]


def test_what_a_run_met_and_could_not_tell_the_next_one_tells(days: Days, monkeypatch: pytest.MonkeyPatch) -> None:
    run(days, MORNINGS[0], "lists")
    of(days, "list", "NEWS")["colour"] = "green"
    with monkeypatch.context() as broken:
        broken.setattr("pipelines.load.outcome", lambda _tallies: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(days, MORNINGS[1], "lists")
    assert days.rows("lists")["NEWS"]["colour"] == '"green"', "its rows are loaded"
    assert [change[1] for change in run(days, MORNINGS[2], "lists")] == ["colour"]


def test_an_attribute_that_is_sent_no_more_is_told_once_and_so_is_its_return(days: Days) -> None:
    account = days.job.sandbox.account
    for number in range(20):
        one = Object("list", f"M{number:02}", {**of(days, "list", "NEWS"), "name": f"More {number}"}, {"tags": []})
        account.objects["list"][one.id] = one
    assert run(days, MORNINGS[0], "lists") == []
    for one in account.objects["list"].values():
        del one.attributes["opt_in_process"]
    assert run(days, MORNINGS[1], "lists") == [("lists", "opt_in_process", "not_sent", "")]
    assert run(days, MORNINGS[2], "lists") == []
    of(days, "list", "NEWS")["opt_in_process"] = "single_opt_in"
    assert run(days, MORNINGS[3], "lists") == [("lists", "opt_in_process", "sent_again", "")]


def test_nothing_that_is_anybodys_is_told(days: Days) -> None:
    days.job.policy = policy("", {"reviews": {"review_type": "hash"}, "push_tokens": {}}, KEY)
    of(days, "review", "review:1").update(review_type="a type nobody knows", rating="anna@example.com")
    of(days, "push-token", "PUSH")["platform"] = "anna@example.com"
    changes = run(days, MORNINGS[0], "reviews", "push_tokens")
    assert ("push_tokens", "platform", "new_value", "one that is no name") in changes
    assert ("reviews", "rating", "other_type", "text that is no bigint") not in changes
    assert ("reviews", "rating", "other_type", "text, declared bigint") in changes
    assert all(change[1] != "review_type" for change in changes)
    kept = json.dumps(rows(days.job, "etl_schema_changes"), default=str)
    assert kept
    assert "anna" not in kept
