"""Airflow itself runs the DAGs that are ready to copy."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from pipelines.schedulers.steps import RETRIES
from sandbox.server import Sandbox
from tests.conftest import ROOT
from tests.schedulers.conftest import JUNE, Tool, new_and_late

pytestmark = pytest.mark.timeout(900)

Finished = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def airflow(tool_named: Callable[[str], Tool]) -> Tool:
    tool = tool_named("airflow")
    tool.environment |= {
        "AIRFLOW_HOME": str(tool.home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(tool.home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    tool.deploy(tool.home / "dags")
    for command in (("db", "migrate"), ("pools", "set", "klaviyo", "1", "one at a time")):
        done = tool("airflow", *command)
        assert done.returncode == 0, done.stderr
    return tool


@pytest.fixture(scope="module")
def first(airflow: Tool) -> Finished:
    done = airflow("airflow", "dags", "test", "klaviyo_etl")
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def told(airflow: Tool, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(airflow.home / "airflow.db")) as database:
        return database.execute(statement).fetchall()


def last_rows(airflow: Tool) -> dict[str, dict[str, Any]]:
    """What the newest event of each table's asset tells."""
    events = told(airflow, "SELECT a.name, e.extra FROM asset_event e JOIN asset a ON a.id = e.asset_id ORDER BY e.id")
    return {name: json.loads(extra) for name, extra in events}


def test_a_first_run_fills_the_warehouse_and_tells_the_rows_of_each_table(airflow: Tool, first: Finished) -> None:
    rows = {table: what["rows"] for table, what in last_rows(airflow).items()}
    assert rows["klaviyo.events"] == airflow.events == 33
    held = {table: airflow.query(f"SELECT count(*) FROM {table} WHERE _deleted_at IS NULL")[0][0] for table in rows}
    assert rows == held
    assert airflow.query("SELECT count(*) FROM klaviyo_marts.fct_order")[0][0]
    assert airflow.query("SELECT count(*) FROM klaviyo.etl_verifications")[0][0]
    states = told(airflow, "SELECT task_id, state, pool FROM task_instance")
    steps = ("load", "verify", "build_marts", "needs_nobody")
    assert {*states} == {(step, "success", "klaviyo") for step in steps}


def test_later_runs_load_what_is_new_and_a_month_is_filled_in(airflow: Tool, first: Finished, shop: Sandbox) -> None:
    new_and_late(shop)
    done = airflow("airflow", "dags", "test", "klaviyo_etl")
    assert done.returncode == 0, done.stdout + done.stderr
    assert last_rows(airflow)["klaviyo.images"] == {"status": "complete", "loaded": 1, "vanished": 0, "rows": 2}
    # Airflow names a month by its end when it is asked for by hand.
    done = airflow("airflow", "dags", "test", "klaviyo_etl_backfill", "2026-07-01")
    assert done.returncode == 0, done.stdout + done.stderr
    assert last_rows(airflow)["klaviyo.images"] == {"status": "complete", "loaded": 1, "vanished": 0, "rows": 3}
    assert airflow.asked() == (0, *JUNE)


def test_a_wrong_key_fails_at_once_and_says_so(airflow: Tool, first: Finished) -> None:
    done = airflow("airflow", "dags", "test", "klaviyo_etl", SOURCES__KLAVIYO__API_KEY="pk_wrong")
    assert done.returncode != 0
    assert "Klaviyo refuses the API key (401)" in done.stdout + done.stderr
    assert "pk_wrong" not in done.stdout + done.stderr
    states = told(airflow, "SELECT task_id, state, try_number FROM task_instance WHERE state = 'failed'")
    assert states == [("load", "failed", 1)]


SETTINGS = """
import json
from klaviyo_etl import klaviyo_etl, klaviyo_etl_backfill
print("settings:", json.dumps([
    [dag.catchup, dag.max_active_runs, sorted({(task.pool, task.retries) for task in dag.tasks})]
    for dag in (klaviyo_etl, klaviyo_etl_backfill)
]))
"""


def test_runs_wait_for_one_another_and_none_is_made_up_for(airflow: Tool) -> None:
    done = airflow("python", "-c", SETTINGS, PYTHONPATH=f"{ROOT}:{airflow.home / 'dags'}")
    assert done.returncode == 0, done.stderr
    settings = json.loads(done.stdout.partition("settings:")[2])
    assert settings == [[False, 1, [["klaviyo", RETRIES]]]] * 2
