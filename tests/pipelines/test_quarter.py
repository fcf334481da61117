"""A simulated quarter of daily runs ends with the account in the warehouse, its history as it truly was, at a stated cost."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from sandbox.account import Account
from sources.klaviyo import REVISION
from tests.conftest import Job
from tests.pipelines.chronicle import Chronicle, Span
from tests.pipelines.quarter import READ, Quarter, follow, household
from tests.pipelines.truth import Row, Rows, assert_equal, unlike
from tests.pipelines.warehouse import rows

A_RUN = timedelta(minutes=10)
"""What a run may take; and what a change may need to become visible."""


MOST: Final = 7.2
"""Times the requests of an ideal reader: what a small account takes, of which most requests find nothing new."""


@pytest.fixture
def account() -> Account:
    return household()


@pytest.mark.timeout(900)
def test_a_quarter_ends_with_the_account_and_its_true_history(job: Job, request: pytest.FixtureRequest) -> None:
    if job.revision != REVISION:
        pytest.skip(f"the chronicle knows only how {REVISION} tells definitions")
    quarter = Quarter(job)
    follow(quarter, every=1 if request.config.getoption("--every-day") else 5)
    assert_equal(quarter.account, quarter.clock.now(), lambda table: rows(job, table), READ, job.revision)
    for kind in ("list", "segment"):
        found = rows(job, f"{kind}_membership_intervals")
        assert not [*wrong_memberships(quarter.chronicle, kind, found, quarter.looks)]
    assert not [*wrong_versions(quarter.chronicle, rows(job, "versions"), quarter.looks)]
    assert not [*wrong_absences(quarter, rows(job, "etl_absences"))]
    survivors = {row["profile_id"]: row["survivor_id"] for row in rows(job, "profile_merges")}
    assert survivors == quarter.survivors
    print(quarter.figures())  # noqa: T201 - shown by -s
    ours, ideal = quarter.requests
    assert ours.total() <= MOST * ideal.total()


# --- who was where -------------------------------------------------------------------------------------------------


def wrong_memberships(chronicle: Chronicle, kind: str, found: Rows, looks: Sequence[datetime]) -> Iterator[str]:
    """Every way in which intervals are not the true stays, as precisely as they say to know them."""
    told = defaultdict(list)
    for row in found:
        told[kind, row[f"{kind}_id"], row["profile_id"]].append(row)
    true = {key: spans for key, spans in chronicle.stays.items() if key[0] == kind}
    for key in told.keys() | true.keys():
        stays, intervals = true.get(key, []), told.get(key, [])
        for one in intervals:
            stay = next((stay for stay in stays if is_of(one, stay)), None)
            if stay is None:
                yield f"{key}: nobody stayed like {spelled(one)}, but {stays}"
            elif not ends_with(one, stay):
                yield f"{key}: {spelled(one)} does not end with {stay}"
        for stay in stays:
            told_of = [one for one in intervals if is_of(one, stay)]
            if len(told_of) > 1:
                yield f"{key}: {stay} is told {len(told_of)} times"
            if not told_of and was_seen(stay, looks):
                yield f"{key}: {stay} was there for all to see, but is not told: {[*map(spelled, intervals)]}"


def is_of(row: Row, stay: Span) -> bool:
    if row["valid_from"]:
        return bool(row["valid_from"] == stay.since)
    return stay.until is not None and row["valid_to"] == whole(stay.until)


def was_seen(stay: Span, looks: Sequence[datetime]) -> bool:
    """Whether a run that reads who has joined since the last one could see it."""
    return abs(stay.shown_since - stay.since) < A_RUN and any(map(stay.at, looks))


def ends_with(row: Row, span: Span) -> bool:
    if span.until is None or row["valid_to"] is None:
        return span.until is row["valid_to"]
    if row.get("valid_to_by") == "event":
        return bool(row["valid_to"] == span.until)
    after: datetime | None = row["valid_to_after"]
    return (after is None or after < span.until) and bool(span.until <= row["valid_to"])


def spelled(row: Row) -> str:
    times = {name: value.astimezone(UTC).isoformat() for name, value in row.items() if isinstance(value, datetime)}
    return str(
        {name: times.get(name, value) for name, value in row.items() if name.startswith(("valid", "seen", "ended"))}
    )


def whole(at: datetime) -> datetime:
    return at.replace(microsecond=0)


# --- what was said -------------------------------------------------------------------------------------------------


def wrong_versions(chronicle: Chronicle, found: Rows, looks: Sequence[datetime]) -> Iterator[str]:
    """Every way in which versions are not what definitions truly said, as precisely as they say to know it."""
    told = defaultdict(list)
    for row in found:
        told[row["resource"], row["id"]].append(row)
    for key in told.keys() | chronicle.versions.keys():
        true = chronicle.versions.get(key, [])
        for row in told.get(key, []):
            spans = [span for span in true if says(row, span) and begins_with(row, span, first=span is true[0])]
            if not any(ends_with(row, span) for span in spans):
                yield f"{key}: {spelled(row)} is none of {[(span.since, span.until) for span in true]}"
        for span in true:
            if any(map(span.at, looks)) and not any(says(row, span) for row in told.get(key, [])):
                yield f"{key}: what was said from {span.since} to {span.until} is not told"


def says(row: Row, span: Span) -> bool:
    content: dict[str, Any] = json.loads(row["content"])
    columns = {name: json.dumps(value) if isinstance(value, dict | list) else value for name, value in content.items()}
    return not any(unlike(span.what, columns))


def begins_with(row: Row, span: Span, *, first: bool) -> bool:
    if first and row["valid_from_after"] is None:
        return True  # what was there at the first look has been so for nobody knows how long
    if row["valid_from_by"] == "updated":
        return bool(row["valid_from"] == span.since)
    return bool(
        (row["valid_from_after"] is None or row["valid_from_after"] < span.since) and span.since <= row["valid_from"]
    )


# --- who is gone ---------------------------------------------------------------------------------------------------


def wrong_absences(quarter: Quarter, found: Rows) -> Iterator[str]:
    """Every profile that is gone and not said to be, or to have gone at a time or for a cause that is not the true one."""
    true = {id_: (at, "deleted") for id_, at in quarter.deleted.items()}
    true |= {id_: (at, "merged") for id_, (_, at) in quarter.merged.items()}
    told = {row["id"]: row for row in found if row["table_name"] == "profiles"}
    yield from (f"{id_}: {at}, not told" for id_, at in true.items() if id_ not in told)
    for id_, row in told.items():
        at, cause = true.get(id_, (None, None))
        if at is None or row["cause"] != cause or not row["last_seen_at"] < at <= row["known_at"]:
            yield f"{id_}: {cause} at {at}, told as {row}"
