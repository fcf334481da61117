"""Every table there can be, and what hangs from what."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sandbox.server import Sandbox
from sources.klaviyo.resources import NAMES, RESOURCES
from tests.conftest import Job
from tests.pipelines.rarities import rich_account
from tests.pipelines.truth import truth
from tests.pipelines.warehouse import assert_tables_equal_the_account, rows


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(rich_account(), limits="off") as running:
        yield running


@pytest.fixture
def job(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    return Job(sandbox, tmp_path, monkeypatch)


def test_every_table_equals_the_account_value_by_value(job: Job, sandbox: Sandbox) -> None:
    job.load(*NAMES)
    assert_tables_equal_the_account(job, sandbox, *NAMES)
    unlinked = {"metric_flow_triggers", "segment_flow_triggers", "segment_tags"}
    assert {resource.name for resource in RESOURCES if not rows(job, resource.name)} == unlinked


def test_the_truth_knows_every_table(sandbox: Sandbox) -> None:
    assert truth(sandbox.account, datetime.now(UTC)).keys() == {*NAMES}
