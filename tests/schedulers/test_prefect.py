"""Prefect itself runs the flow that is ready to copy: a server, a process that serves, and runs of its deployments."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests

from pipelines.schedulers.steps import HOURLY, RETRIES
from sandbox.server import Sandbox
from tests.conftest import ROOT, free_port
from tests.schedulers.conftest import JUNE, UNPACED, Tool, new_and_late

pytestmark = pytest.mark.timeout(900)

SECONDS_TO_START = 240

BY_HAND = "from pipelines.schedulers.prefect import klaviyo_etl; klaviyo_etl(select='metrics')"
SETTINGS = """
import json
from pipelines.schedulers import prefect
print(json.dumps([one.retries for one in (prefect.load, prefect.verify, prefect.build_marts)]))
"""


@pytest.fixture(scope="module")
def prefect(tool_named: Callable[[str], Tool]) -> Iterator[Tool]:
    """A server, and the file that is ready to copy, serving."""
    tool = tool_named("prefect")
    # Runs are processes of their own, which are told nothing but the environment.
    (tool.home / "sitecustomize.py").write_text(UNPACED)
    tool.environment |= {
        "PREFECT_HOME": str(tool.home),
        "PREFECT_API_URL": f"http://127.0.0.1:{free_port()}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PYTHONPATH": f"{tool.home}:{ROOT}",
    }
    port = tool.environment["PREFECT_API_URL"].removesuffix("/api").rpartition(":")[2]
    with ExitStack() as stack:
        serving = str(tool.deploy(tool.home / "flows"))
        for command, answer in (
            (("prefect", "server", "start", "--host", "127.0.0.1", "--port", port), "health"),
            (("python", serving), "deployments/name/klaviyo_etl/account-backfill"),
        ):
            log = stack.enter_context((tool.home / f"{command[0]}.log").open("w"))
            process = subprocess.Popen(
                tool.arguments(*command), cwd=tool.home, env=tool.env(), stdout=log, stderr=subprocess.STDOUT
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)
            wait_for(tool, answer, Path(log.name))
        yield tool


def wait_for(prefect: Tool, answer: str, log: Path) -> None:
    for _ in range(SECONDS_TO_START * 2):
        time.sleep(0.5)
        try:
            if requests.get(f"{prefect.environment['PREFECT_API_URL']}/{answer}", timeout=5).ok:
                return
        except requests.RequestException:
            continue
    pytest.fail(log.read_text())


def ask(prefect: Tool, what: str, **body: Any) -> Any:
    answer = requests.post(f"{prefect.environment['PREFECT_API_URL']}/{what}/filter", json=body, timeout=30)
    answer.raise_for_status()
    return answer.json()


def last_rows(prefect: Tool) -> dict[str, dict[str, Any]]:
    """What the newest table of rows tells."""
    *_, last = sorted(ask(prefect, "artifacts"), key=lambda one: str(one["created"]))
    return {row.pop("table"): row for row in json.loads(last["data"])}


def run(prefect: Tool, *arguments: str) -> None:
    done = prefect("prefect", "deployment", "run", *arguments, "--watch")
    assert done.returncode == 0, done.stdout + done.stderr + (prefect.home / "python.log").read_text()


@pytest.fixture(scope="module")
def first(prefect: Tool) -> None:
    run(prefect, "klaviyo_etl/account")


@pytest.mark.usefixtures("first")
def test_a_first_run_fills_the_warehouse_and_tells_the_rows_of_each_table(prefect: Tool) -> None:
    rows = {table: what["rows"] for table, what in last_rows(prefect).items()}
    assert rows["klaviyo.events"] == prefect.events == 33
    held = {table: prefect.query(f"SELECT count(*) FROM {table} WHERE _deleted_at IS NULL")[0][0] for table in rows}
    assert rows == held
    assert prefect.query("SELECT count(*) FROM klaviyo_marts.fct_order")[0][0]
    assert prefect.query("SELECT count(*) FROM klaviyo.etl_verifications")[0][0]
    states = {(one["name"].partition("-")[0], one["state_type"]) for one in ask(prefect, "task_runs")}
    assert states == {(step, "COMPLETED") for step in ("load", "verify", "build_marts")}


@pytest.mark.usefixtures("first")
def test_later_runs_load_what_is_new_and_a_month_is_filled_in(prefect: Tool, shop: Sandbox) -> None:
    new_and_late(shop)
    run(prefect, "klaviyo_etl/account")
    assert last_rows(prefect)["klaviyo.images"] == {"status": "complete", "loaded": 1, "vanished": 0, "rows": 2}
    run(prefect, "klaviyo_etl/account-backfill", "-p", "start=2026-06-01", "-p", "end=2026-07-01")
    assert last_rows(prefect)["klaviyo.images"] == {"status": "complete", "loaded": 1, "vanished": 0, "rows": 3}
    assert prefect.asked() == (0, *JUNE)


@pytest.mark.usefixtures("first")
def test_a_wrong_key_fails_at_once_and_says_so(prefect: Tool) -> None:
    done = prefect("python", "-c", BY_HAND, SOURCES__KLAVIYO__API_KEY="pk_wrong")
    assert done.returncode != 0
    assert "Klaviyo refuses the API key (401)" in done.stdout + done.stderr
    assert "pk_wrong" not in done.stdout + done.stderr
    [failed] = ask(prefect, "flow_runs", flow_runs={"state": {"type": {"any_": ["FAILED"]}}})
    assert "Klaviyo refuses the API key (401)" in failed["state"]["message"]
    [task] = ask(prefect, "task_runs", flow_runs={"id": {"any_": [failed["id"]]}})
    assert (task["name"].partition("-")[0], task["run_count"]) == ("load", 1)


def test_runs_wait_for_one_another_and_none_is_made_up_for(prefect: Tool) -> None:
    strategies = {
        one["name"]: (one["concurrency_options"]["collision_strategy"], one["global_concurrency_limit"]["limit"])
        for one in ask(prefect, "deployments")
    }
    assert strategies == {"account": ("CANCEL_NEW", 1), "account-backfill": ("ENQUEUE", 1)}
    crons = [plan["schedule"]["cron"] for one in ask(prefect, "deployments") for plan in one["schedules"]]
    assert crons == [HOURLY]
    [slot] = [one for one in ask(prefect, "v2/concurrency_limits") if one["name"] == "klaviyo"]
    assert slot["limit"] == 1
    done = prefect("python", "-c", SETTINGS)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [RETRIES] * 3
