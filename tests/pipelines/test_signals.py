from __future__ import annotations

import signal
import subprocess

from sandbox.server import Sandbox
from tests.conftest import Cli
from tests.pipelines.test_cli import slow_down, wait_for
from tests.pipelines.warehouse import OF_EACH_KIND, assert_tables_equal_the_account

ONE_LANE = {"SOURCES__KLAVIYO__MAX_LANES": "1"}


def interrupted(cli: Cli, sandbox: Sandbox) -> subprocess.Popen[str]:
    """A run that is told to stop after some requests."""
    slow_down(sandbox, 0.2)
    process = cli.start("run", "--no-transform", "--select", ",".join(OF_EACH_KIND), **ONE_LANE)
    wait_for(lambda: len(sandbox.api.requests) >= 12)
    process.send_signal(signal.SIGTERM)
    return process


def test_a_run_that_is_told_to_stop_keeps_what_it_has_read(cli: Cli, sandbox: Sandbox) -> None:
    process = interrupted(cli, sandbox)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 143, said
    assert "SIGTERM" in said
    [(code, why)] = cli.query("SELECT exit_code, message FROM klaviyo.etl_runs")
    assert code == 143
    assert "goes on" in why
    received = dict(cli.query("SELECT resource, received FROM klaviyo.etl_run_resources WHERE status = 'unfinished'"))
    assert received
    loaded = {name: cli.query(f"SELECT count(*) FROM klaviyo.{name}")[0][0] for name in ("events", "profiles")}
    assert {name: received.get(name, rows) for name, rows in loaded.items()} == loaded
    assert sum(loaded.values())
    slow_down(sandbox, 0)
    cli.load("--select", ",".join(OF_EACH_KIND), **ONE_LANE)
    assert_tables_equal_the_account(cli, sandbox, *OF_EACH_KIND)


def test_a_second_signal_ends_a_run_at_once(cli: Cli, sandbox: Sandbox) -> None:
    process = interrupted(cli, sandbox)
    assert process.stderr
    for line in process.stderr:
        if "SIGTERM" in line:
            break
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == -signal.SIGTERM
