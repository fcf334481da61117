"""Members of lists and segments are held against Klaviyo's own counts."""

from __future__ import annotations

import duckdb
import pytest

from pipelines.comparisons import Comparison
from pipelines.errors import Exit
from pipelines.member_counts import MemberCounts
from pipelines.progress import LogWatch
from pipelines.settings import Settings
from pipelines.verify import Verifier
from pipelines.warehouse import Warehouse
from sandbox.server import Sandbox
from tests.conftest import KEY, Job
from tests.pipelines.sweeps.people import (
    MEMBERSHIPS,
    sweeper,
)
from tests.pipelines.warehouse import assert_tables_equal_the_account, rows


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
