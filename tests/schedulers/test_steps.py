"""The steps that Airflow, Dagster and Prefect run, without any of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipelines.errors import ConfigurationError, Exit, NeedsAPerson
from pipelines.schedulers.steps import Ended, Job, settle
from pipelines.signals import stopping_in_order
from sandbox.server import Sandbox
from sandbox.settings import full_access
from sources.klaviyo.resources import select
from tests.conftest import KEY, ROOT
from tests.conftest import Job as Loading
from tests.sandbox.tiny import tiny_account

NARROW = "pk_narrow"


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Job]:
    """What is scheduled, as the environment of its tasks tells it."""
    keys = full_access() | {NARROW: frozenset({"metrics:read"})}
    with Sandbox(tiny_account(), limits="off", keys=keys) as sandbox:
        monkeypatch.setenv("SOURCES__KLAVIYO__API_KEY", KEY)
        monkeypatch.setenv("SOURCES__KLAVIYO__BASE_URL", sandbox.url)
        Loading(sandbox, tmp_path, monkeypatch).settle()
        yield Job(select="metrics,events")


def test_naming_the_steps_imports_no_scheduler_and_not_dlt_either() -> None:
    seen = subprocess.run(
        [sys.executable, "-c", "import json, sys, pipelines.schedulers.steps; print(json.dumps([*sys.modules]))"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert {"airflow", "dagster", "prefect", "dlt"}.isdisjoint(json.loads(seen.stdout))


def test_a_load_tells_the_rows_of_each_table_in_plain_data(job: Job) -> None:
    first = job.load()
    events = {"status": "complete", "loaded": 33, "vanished": 0, "rows": 33}
    assert (first["exit"], first["said"], first["tables"]["klaviyo.events"]) == (0, "", events)
    assert json.loads(json.dumps(first)) == first
    again = job.load(start="2026-06-01", end="2026-06-02")["tables"]
    assert again == {table: what | {"loaded": 0} for table, what in first["tables"].items()}
    assert {*first["tables"]} == {*job.tables()}


def test_the_tables_of_a_job_are_those_of_a_run(job: Job) -> None:
    assert {*Job().tables()} == {f"klaviyo.{one.name}" for one in select(None)}
    assert job.tables()["klaviyo.events"] == "one row per event"


def test_what_may_not_be_read_is_left_to_a_person_and_holds_up_nothing(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__KLAVIYO__API_KEY", NARROW)
    loaded = job.load()
    assert loaded["exit"] == Exit.NEEDS_A_PERSON
    assert loaded["tables"]["klaviyo.metrics"]["status"] == "complete"
    assert loaded["tables"]["klaviyo.events"]["status"] == "not_permitted"
    verified = job.verify()
    assert verified == Ended(exit=Exit.DONE, said="", tables={})
    with pytest.raises(NeedsAPerson, match=r"events: .*events:read"):
        settle(verified, loaded)
    settle(verified)


def test_of_several_accounts_each_job_has_one_and_a_slot_of_its_own(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("us", "eu"):
        monkeypatch.setenv(f"SOURCES__KLAVIYO__ACCOUNTS__{name.upper()}__API_KEY", KEY)
    with pytest.raises(ConfigurationError, match="name one of"):
        job.build()
    one = Job(account="us", select="metrics")
    assert {*one.tables()} == {"klaviyo_us.metrics"}
    assert (one.name, one.slot) == ("klaviyo_etl_us", "klaviyo_us")


def test_a_wrong_key_is_worth_no_retry(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__KLAVIYO__API_KEY", "pk_wrong")
    with pytest.raises(ConfigurationError) as refused:
        job.load()
    assert not refused.value.exit.passes
    assert "pk_wrong" not in str(refused.value)


def test_a_retry_helps_unless_a_person_is_needed() -> None:
    assert [code for code in Exit if not code.passes] == [Exit.MISUSED, Exit.NEEDS_A_PERSON]


def test_a_run_in_another_thread_leaves_signals_to_the_program() -> None:
    def run() -> str:
        with stopping_in_order():
            return "done"

    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(run).result() == "done"
