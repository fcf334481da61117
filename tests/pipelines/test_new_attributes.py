"""Attributes that Klaviyo adds, whatever they are called: none ends a run, and none is lost."""

from __future__ import annotations

import json

import pytest

from sandbox.account import Account
from tests.pipelines.simulated import Days, days
from tests.sandbox.tiny import tiny_account

__all__ = ["days"]

ODD = (
    "fooBar",
    "foo_bar",
    "FOO_BAR",
    "Name",
    "name__v_json",
    "_dlt_load_id",
    "_row_hash",
    "_deleted_at",
    "",
    "1st",
    "naïve",
)


@pytest.fixture
def account() -> Account:
    return tiny_account()


def test_attributes_of_any_name_are_loaded_and_stay_apart(days: Days) -> None:
    letters = days.job.sandbox.account.objects["list"]["NEWS"]
    days.run("2026-07-06T06:00:00", "lists")
    known = days.rows("lists")["NEWS"]
    letters.attributes.update({name: f"the value of {name}" for name in ODD})
    days.job.sandbox.changed()
    days.run("2026-07-07T06:00:00", "lists")
    found = days.rows("lists")
    added = {json.loads(value) for name, value in found["NEWS"].items() if name not in known}
    assert added == {f"the value of {name}" for name in ODD}
    assert all(found["NEWS"][name] == known[name] for name in ("id", "name", "_first_seen_at", "_deleted_at"))
    assert all(value is None for name, value in found["L01"].items() if name not in known)
