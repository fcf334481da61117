"""A Klaviyo that the document alone describes is loaded whole: each object once, each value found, and only what changed is changed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import duckdb
import pytest

from pipelines.member_counts import MemberCounts
from sandbox.server import Sandbox
from sources.klaviyo import contract
from sources.klaviyo.resources import RESOURCES
from sources.klaviyo.tables import full_table
from tests.conftest import Job
from tests.pipelines.sweeps.people import sweeper
from tests.stranger.account import Account
from tests.stranger.document import Document
from tests.stranger.oracle import Expected, Key, Oracle, Row, compare
from tests.stranger.server import Stranger

REVISION = "2026-07-15"
OPENAPI = Path(__file__).parents[3] / "shared" / "klaviyo" / f"openapi-{REVISION}.json"
SEED = 7
FIRST, CHANGED, SECOND = "2026-10-05T00:00:00Z", datetime(2026, 10, 6, tzinfo=UTC), "2026-10-14T00:00:00Z"
NAMES = [resource.name for resource in RESOURCES]
KEYS = {one.name: full_table(one, contract.load(REVISION)).key for one in RESOURCES}


@pytest.fixture
def stranger() -> Iterator[Stranger]:
    if not OPENAPI.exists():
        pytest.skip(f"Klaviyo's OpenAPI document is not at {OPENAPI}")
    with Stranger(Account(Document(OPENAPI), SEED), mishaps=1) as running:
        yield running


def rows_of(job: Job) -> dict[str, list[Row]]:
    """All rows of all raw tables."""
    found: dict[str, list[Row]] = {}
    with duckdb.connect(str(job.database), read_only=True) as database:
        for name in NAMES:
            told = database.execute(f'select * from klaviyo."{name}"')
            names = [column[0] for column in told.description or ()]
            found[name] = [dict(zip(names, row, strict=True)) for row in told.fetchall()]
    return found


def expected(account: Account) -> dict[str, dict[Key, Expected]]:
    oracle = Oracle(account)
    return {one.name: {row.key: row for row in oracle.expected(one)} for one in RESOURCES}


def differing(wanted: dict[str, dict[Key, Expected]], found: dict[str, list[Row]]) -> list[str]:
    return [
        problem
        for one in RESOURCES
        for problem in compare(one, KEYS[one.name], [*wanted[one.name].values()], found[one.name])
    ]


def test_an_account_of_anything_that_the_document_allows_is_loaded_whole_and_followed(
    stranger: Stranger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job(cast("Sandbox", stranger), tmp_path, monkeypatch)
    job.load(*NAMES, now=FIRST)
    before = expected(stranger.account)
    first = rows_of(job)
    assert not differing(before, first)

    stranger.account.change(CHANGED)
    job.load(*NAMES, now=SECOND)
    after = expected(stranger.account)
    second = rows_of(job)
    assert not differing(after, second)
    moved = {name: {key_of(name, row): row["_changed_at"] for row in rows} for name, rows in first.items()}
    for name, rows in second.items():
        for row in rows:
            key = key_of(name, row)
            if key in before[name] and key in after[name]:
                old, new = before[name][key], after[name][key]
                is_moved = row["_changed_at"] != moved[name][key]
                assert is_moved or (old.attributes, old.ids) == (new.attributes, new.ids), (name, key)
                assert not is_moved or old != new, (name, key)

    counted = MemberCounts(sweeper(job, repair=False)).verify(100)
    assert not counted.having("differs")
    assert counted.having("equal")
    assert counted.having("not_counted"), "Klaviyo may tell no count"
    assert not [detail for _, detail in stranger.refused if "cursor" not in detail and "does not exist" not in detail]
    assert sum(stranger.left.values()) <= 1, "most mishaps happened"


def key_of(name: str, row: Any) -> Key:
    return tuple(row[column] for column in KEYS[name])
