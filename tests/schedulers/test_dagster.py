"""Dagster itself runs the definitions that are ready to copy."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from pipelines.schedulers.steps import RETRIES
from sandbox.server import Sandbox
from tests.conftest import ROOT
from tests.schedulers.conftest import JUNE, Tool, new_and_late

pytestmark = pytest.mark.timeout(900)

Finished = subprocess.CompletedProcess[str]

TOLD = """
import json, sys
from dagster import AssetKey, DagsterInstance
with DagsterInstance.get() as instance:
    newest = {}
    for asset in instance.get_asset_keys():
        event = instance.get_latest_materialization_event(asset)
        newest[asset.to_user_string()] = {name: one.value for name, one in event.asset_materialization.metadata.items()}
    runs = [[run.job_name, run.status.value] for run in instance.get_runs()]
print(json.dumps([newest, runs]))
"""
SETTINGS = """
import json
from dagster import DagsterInstance, DagsterRunStatus, build_schedule_context
from klaviyo_etl import defs
repository = defs.get_repository_def()
steps = [one.node_def for one in repository.asset_graph.assets_defs]
steps += defs.resolve_job_def("klaviyo_etl_backfill").top_level_node_defs
schedule = defs.resolve_schedule_def("klaviyo_etl_schedule")
with DagsterInstance.get() as instance:
    def due():
        asked = schedule.evaluate_tick(build_schedule_context(instance))
        return asked.skip_message or len(asked.run_requests)
    before = due()
    run = instance.create_run_for_job(defs.resolve_job_def("klaviyo_etl"), status=DagsterRunStatus.STARTED)
    during = due()
    instance.delete_run(run.run_id)
print(json.dumps([sorted({(one.pool, one.retry_policy.max_retries) for one in steps if one.pool}), before, during]))
"""


@pytest.fixture(scope="module")
def dagster(tool_named: Callable[[str], Tool]) -> Tool:
    tool = tool_named("dagster")
    tool.environment |= {"DAGSTER_HOME": str(tool.home), "DAGSTER_DISABLE_TELEMETRY": "yes"}
    tool.environment["PYTHONPATH"] = f"{ROOT}:{tool.deploy(tool.home).parent}"
    shutil.copy(ROOT / "deploy" / "dagster" / "dagster.yaml", tool.home)
    return tool


def execute(dagster: Tool, job: str, *more: str, **environment: str) -> Finished:
    return dagster("dagster", "job", "execute", "-m", "klaviyo_etl", "-j", job, *more, **environment)


def told(dagster: Tool) -> tuple[dict[str, dict[str, Any]], list[list[str]]]:
    """What the newest materialization of each asset tells, and how runs ended, newest first."""
    done = dagster("python", "-c", TOLD)
    assert done.returncode == 0, done.stderr
    newest, runs = json.loads(done.stdout.splitlines()[-1])
    return newest, runs


@pytest.fixture(scope="module")
def first(dagster: Tool) -> Finished:
    done = execute(dagster, "klaviyo_etl")
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_a_first_run_fills_the_warehouse_and_tells_the_rows_of_each_table(dagster: Tool, first: Finished) -> None:
    newest, runs = told(dagster)
    assert runs == [["klaviyo_etl", "SUCCESS"]]
    rows = {asset.replace("/", "."): what["dagster/row_count"] for asset, what in newest.items() if "loaded" in what}
    assert rows["klaviyo.events"] == dagster.events == 33
    assert rows == {
        table: dagster.query(f"SELECT count(*) FROM {table} WHERE _deleted_at IS NULL")[0][0] for table in rows
    }
    assert " tests passed" in newest["klaviyo_marts"]["built"]
    assert dagster.query("SELECT count(*) FROM klaviyo_marts.fct_order")[0][0]
    assert dagster.query("SELECT count(*) FROM klaviyo.etl_verifications")[0][0]
    for table in ("etl_runs", "etl_verifications"):
        assert f"Asset check 'needs_nobody' on 'klaviyo/{table}' passed" in first.stderr


def test_later_runs_load_what_is_new_and_a_month_is_filled_in(dagster: Tool, first: Finished, shop: Sandbox) -> None:
    new_and_late(shop)
    done = execute(dagster, "klaviyo_etl")
    assert done.returncode == 0, done.stdout + done.stderr
    assert told(dagster)[0]["klaviyo/images"] == {"dagster/row_count": 2, "loaded": 1, "vanished": 0}
    month = json.dumps({"dagster/partition": "2026-06-01"})
    done = execute(dagster, "klaviyo_etl_backfill", "--tags", month)
    assert done.returncode == 0, done.stdout + done.stderr
    assert told(dagster)[0]["klaviyo/images"] == {"dagster/row_count": 3, "loaded": 1, "vanished": 0}
    assert dagster.asked() == (0, *JUNE)


def test_a_wrong_key_fails_at_once_and_says_so(dagster: Tool, first: Finished) -> None:
    done = execute(dagster, "klaviyo_etl", SOURCES__KLAVIYO__API_KEY="pk_wrong")
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "Klaviyo refuses the API key (401)" in said
    assert "pk_wrong" not in said
    assert "STEP_UP_FOR_RETRY" not in said
    assert told(dagster)[1][0] == ["klaviyo_etl", "FAILURE"]


def test_single_tables_can_be_materialized(dagster: Tool, first: Finished) -> None:
    done = dagster("dagster", "asset", "materialize", "-m", "klaviyo_etl", "--select", 'key:"klaviyo/metrics"')
    assert done.returncode == 0, done.stdout + done.stderr
    [(asked,)] = dagster.query("SELECT asked->'resources' FROM klaviyo.etl_runs ORDER BY started_at DESC LIMIT 1")
    assert json.loads(asked) == ["metrics"]


def test_runs_wait_for_one_another_and_none_is_made_up_for(dagster: Tool) -> None:
    done = dagster("python", "-c", SETTINGS)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[["klaviyo", RETRIES]], 1, "the run before is under way"]
