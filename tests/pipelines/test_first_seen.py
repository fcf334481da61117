"""When a row was first seen, and when it changed: kept by every load that finds it there already."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from sandbox.account import Account
from sources.klaviyo.merging import kept
from tests.pipelines.simulated import Days, days, instant
from tests.sandbox.tiny import tiny_account

__all__ = ["days"]

MONDAY, TUESDAY, WEDNESDAY, THURSDAY = (f"2026-07-{day:02}T06:00:00" for day in (6, 7, 8, 9))
ALL = ("events", "event_attributions", "lists", "list_tags")


@pytest.fixture
def account() -> Account:
    return tiny_account()


def dates(row: dict[str, Any]) -> list[datetime | None]:
    return [row[f"_{what}_at"] for what in ("first_seen", "changed", "deleted")]


def at(*texts: str) -> list[datetime | None]:
    return [instant(text) if text else None for text in texts]


def test_rows_keep_when_they_were_first_seen_and_say_when_they_changed_and_went(days: Days) -> None:
    account = days.job.sandbox.account
    letters = account.objects["list"]["NEWS"]
    order = days.event("order", "2026-07-06T05:00:00", "SPRING")
    moved = days.event("moved", "2026-07-06T05:00:00", "SPRING")
    days.run(MONDAY, *ALL)

    days.attribute(order, "AUTUMN")
    later = days.event("later", "2026-07-06T20:00:00")
    letters.attributes["name"] = "Letters"
    del account.objects["list"]["L00"]
    days.run(TUESDAY, *ALL)

    days.attribute(order)
    moved.attributions[0].relationships["campaign"] = "AUTUMN"
    later.profile_id = "BERT"
    letters.relationships["tags"] = ["T2"]
    days.job.sandbox.changed()
    days.run(WEDNESDAY, *ALL)
    later.profile_id = "CLEO"
    days.job.sandbox.changed()
    days.run(THURSDAY, *ALL, full_refresh="events")

    events, attributions, lists = (days.rows(table) for table in ("events", "event_attributions", "lists"))
    assert dates(events["e00000"]) == at(MONDAY, MONDAY, "")
    assert dates(events["later"]) == at(TUESDAY, THURSDAY, "")
    assert [events["later"][name] for name in ("profile_id", "_former_profile_id")] == ["CLEO", "ANNA"]
    assert events["order"]["_former_profile_id"] is None
    # Its attribution left it.
    assert dates(events["order"]) == at(MONDAY, WEDNESDAY, "")
    assert dates(attributions["order-SPRING"]) == at(MONDAY, MONDAY, TUESDAY)
    assert dates(attributions["order-AUTUMN"]) == at(TUESDAY, TUESDAY, WEDNESDAY)
    assert attributions["order-SPRING"]["campaign_id"] == "SPRING"
    # One that points elsewhere under its own id.
    assert dates(attributions["moved-SPRING"]) == at(MONDAY, WEDNESDAY, "")
    assert attributions["moved-SPRING"]["campaign_id"] == "AUTUMN"
    # What is read whole every time.
    assert dates(lists["L01"]) == at(MONDAY, MONDAY, "")
    assert dates(lists["NEWS"]) == at(MONDAY, WEDNESDAY, "")
    assert dates(lists["L00"]) == at(MONDAY, MONDAY, TUESDAY)
    tags = days.job.query("select tag_id, _first_seen_at, _deleted_at from klaviyo.list_tags where list_id = 'NEWS'")
    assert sorted(tags) == [("T1", *at(MONDAY, WEDNESDAY)), ("T2", *at(WEDNESDAY, ""))]


def test_a_merge_that_dlt_spells_otherwise_is_refused_rather_than_run() -> None:
    columns = ['"id"', '"_row_hash"', '"_first_seen_at"', '"_changed_at"']
    with pytest.raises(RuntimeError, match="_first_seen_at"):
        kept(["MERGE INTO x d USING y s ON d.id = s.id WHEN MATCHED THEN UPDATE SET *"], columns)
