"""The command line as a user meets it: messages, exit codes, and nothing lost."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from pipelines.transform import NOTHING_NEW
from sandbox.account import Account
from sandbox.faults import Fault
from sandbox.server import Sandbox
from tests.conftest import KEY, ROOT, Cli, free_port
from tests.pipelines.few_models import MODELS, few_models
from tests.pipelines.warehouse import OF_EACH_KIND, assert_tables_equal_the_account

COMMANDS = ("demo", "plan", "run", "status", "sandbox", "sweep", "transform")


def only_message(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that a failed command leaves, which is no traceback and gives no key away."""
    assert "Traceback" not in done.stderr + done.stdout
    assert KEY not in done.stderr + done.stdout
    [message] = [line for line in done.stderr.splitlines() if " ERROR " in line]
    return message


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(cli: Cli, command: str) -> None:
    done = cli(command, "--help")
    assert done.returncode == 0
    assert f"Example: klaviyo-etl {command}" in " ".join(done.stdout.split())


def test_a_wrong_key_ends_in_one_message_and_exit_code_2(cli: Cli) -> None:
    done = cli("run", SOURCES__KLAVIYO__API_KEY="pk_wrong")
    assert done.returncode == 2
    assert "api_key" in only_message(done)
    assert "pk_wrong" not in done.stderr + done.stdout


@pytest.mark.parametrize("named", ["", "elsewhere.duckdb"])
def test_the_file_is_named_by_our_settings_or_not_at_all(cli: Cli, named: str) -> None:
    del cli.environment["DESTINATION__DUCKDB__CREDENTIALS"]
    if named:
        settings = (ROOT / ".dlt" / "config.toml").read_text().replace("klaviyo_etl.duckdb", named)
        (cli.home / ".dlt").mkdir()
        (cli.home / ".dlt" / "config.toml").write_text(settings)
    done = cli("status")
    assert done.returncode == 0, done.stderr
    assert str(cli.home / (named or "klaviyo_etl.duckdb")) in "".join(done.stdout.split())


def test_a_missing_key_names_the_setting(cli: Cli) -> None:
    done = cli("run", SOURCES__KLAVIYO__API_KEY="")
    assert done.returncode == 2
    assert "SOURCES__KLAVIYO__API_KEY" in only_message(done)


def test_an_unknown_revision_names_the_known_ones(cli: Cli) -> None:
    done = cli("run", SOURCES__KLAVIYO__REVISION="2020-01-01")
    assert done.returncode == 2
    assert "sources.klaviyo.revision" in only_message(done)
    assert "2026-07-15, 2026-10-15" in only_message(done)


def test_an_unreachable_host_ends_in_one_message_and_exit_code_1(cli: Cli) -> None:
    done = cli("run", SOURCES__KLAVIYO__BASE_URL=f"http://127.0.0.1:{free_port()}")
    assert done.returncode == 1
    assert "no usable answer" in only_message(done)


def test_an_unknown_resource_names_the_known_ones(cli: Cli) -> None:
    done = cli("run", "--select", "events,evnts")
    assert done.returncode == 2
    assert "evnts" in only_message(done)
    assert "campaign_messages" in only_message(done)


@pytest.mark.parametrize("arguments", [("--start", "yesterday"), ("--end", "2026-13-01")])
def test_a_malformed_date_names_the_option(cli: Cli, arguments: tuple[str, str]) -> None:
    done = cli("run", *arguments)
    assert done.returncode == 2
    assert arguments[0] in only_message(done)


def test_an_end_before_the_start_is_refused(cli: Cli) -> None:
    done = cli("run", "--start", "2026-02-01", "--end", "2026-01-01")
    assert done.returncode == 2
    assert "--end" in only_message(done)


def test_an_unknown_option_is_wrong_use(cli: Cli) -> None:
    assert cli("run", "--no-such-option").returncode == 2


def test_an_unknown_destination_names_the_known_ones(cli: Cli) -> None:
    done = cli("run", "--destination", "oracle")
    assert done.returncode == 2
    assert "duckdb" in only_message(done)


def test_a_file_named_like_the_dataset_is_refused_before_anything_is_asked(cli: Cli, sandbox: Sandbox) -> None:
    done = cli("run", DESTINATION__DUCKDB__CREDENTIALS=str(cli.home / "klaviyo.duckdb"))
    assert done.returncode == 2
    assert "klaviyo.duckdb" in only_message(done)


def test_a_duckdb_file_that_another_program_has_open_is_named(cli: Cli) -> None:
    holder = subprocess.Popen(
        [cli.arguments()[0], "-c", HOLD_OPEN, str(cli.database)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    try:
        done = cli("run")
    finally:
        holder.kill()
        holder.wait()
    assert done.returncode == 1
    assert "another program has the file open" in only_message(done)


HOLD_OPEN = "import duckdb, sys, time; c = duckdb.connect(sys.argv[1]); print('open', flush=True); time.sleep(60)"


def test_a_full_disk_is_named_and_nothing_is_lost(cli: Cli, sandbox: Sandbox) -> None:
    with small_disk(cli.home / "small") as disk:
        elsewhere = {"DESTINATION__DUCKDB__CREDENTIALS": str(disk / "warehouse.duckdb")}
        done = cli("run", "--no-transform", "--select", "events", **elsewhere)
        assert done.returncode == 1
        assert "no space left" in only_message(done)
        done = cli("run", "--no-transform", DLT_DATA_DIR=str(disk / "dlt"))
        assert done.returncode == 1
        assert "no space left" in only_message(done)
    cli.load("--select", "events")
    assert_tables_equal_the_account(cli, sandbox, "events")


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of its own with hardly any room."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small file system can only be mounted as root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_what_the_key_may_not_read_is_reported_and_the_rest_loads(cli: Cli, account: Account) -> None:
    keys = {"pk_narrow": frozenset({"events:read", "metrics:read", "lists:read", "tags:read"})}
    with Sandbox(account, limits="off", keys=keys) as narrow:
        done = cli(
            "run", "--no-transform", SOURCES__KLAVIYO__API_KEY="pk_narrow", SOURCES__KLAVIYO__BASE_URL=narrow.url
        )
    assert done.returncode == 3
    assert "profiles:read" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert cli.query("select count(*) > 0 from klaviyo.events") == [(True,)]
    assert cli.query("select count(*) from klaviyo.profiles") == [(0,)]
    statuses = dict(cli.query("select resource, status from klaviyo.etl_run_resources"))
    assert statuses["profiles"] == "not_permitted"
    assert statuses["events"] == "complete"


def test_one_collection_that_fails_does_not_stop_the_others(cli: Cli, sandbox: Sandbox) -> None:
    sandbox.api.faults.ordered.append(Fault(kind="status", status=400, path="/api/lists"))
    done = cli("run", "--no-transform", "--select", "lists,segments")
    assert done.returncode == 1
    assert "lists" in done.stdout
    assert cli.query("select count(*) > 0 from klaviyo.segments") == [(True,)]
    sandbox.api.faults.ordered.clear()
    cli.load("--select", "lists,segments")
    assert_tables_equal_the_account(cli, sandbox, "lists", "segments")


def test_a_second_run_at_the_same_time_is_refused_with_exit_code_75(cli: Cli, sandbox: Sandbox) -> None:
    slow_down(sandbox, 0.3)
    first = cli.start("run", "--no-transform", "--select", "profiles,events,lists,list_memberships")
    try:
        wait_for(lambda: len(sandbox.api.requests) > 3)
        second = cli("run", "--no-transform")
        assert second.returncode == 75
        assert "another run" in only_message(second)
    finally:
        first.wait(120)
    assert first.returncode == 0


@pytest.mark.parametrize("requests_before_the_kill", [12, None])
def test_a_killed_run_loses_nothing(cli: Cli, sandbox: Sandbox, requests_before_the_kill: int | None) -> None:
    slow_down(sandbox, 0.05)
    process = cli.start("run", "--no-transform", "--select", ",".join(OF_EACH_KIND))
    if requests_before_the_kill is None:
        # In the middle of the load: the file is there and grows.
        wait_for(lambda: cli.database.exists() and cli.database.stat().st_size > 1_000_000)
    else:
        wait_for(lambda: len(sandbox.api.requests) >= requests_before_the_kill)
    process.send_signal(signal.SIGKILL)
    process.wait()
    slow_down(sandbox, 0)
    cli.load("--select", ",".join(OF_EACH_KIND))
    assert_tables_equal_the_account(cli, sandbox, *OF_EACH_KIND)


def slow_down(sandbox: Sandbox, latency: float) -> None:
    sandbox.api.settings = replace(sandbox.api.settings, latency=latency)


def wait_for(truth: object, seconds: float = 60) -> None:
    assert callable(truth)
    deadline = time.monotonic() + seconds
    while not truth():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def test_log_lines_are_json_when_asked_for(cli: Cli) -> None:
    done = cli("run", "--no-transform", "--log-format", "json", SOURCES__KLAVIYO__API_KEY="pk_wrong")
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert events[-1]["level"] == "error"
    assert events[-1]["exit_code"] == 2


def test_status_shows_rows_windows_and_runs_beside_others_who_look(cli: Cli) -> None:
    assert "nothing has been loaded yet" in cli("status").stdout
    assert not cli.database.exists()
    cli.load("--select", "events")
    with duckdb.connect(str(cli.database), read_only=True):
        shown = cli("status").stdout
    assert "event_attributions" in shown
    assert "the beginning" in shown
    assert "last runs" in shown


def test_a_sandbox_on_any_free_port_says_on_which(cli: Cli) -> None:
    running = cli.start("sandbox", "--port", "0", "--scale", "0.002", PYTHONUNBUFFERED="1")
    try:
        assert running.stdout is not None
        port = int(running.stdout.readline().partition("127.0.0.1:")[2].partition(",")[0])
        for _ in range(600):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.1)
        else:
            pytest.fail(f"nothing answers at port {port}")
        second = cli("sandbox", "--port", str(port))
        assert second.returncode == 2
        assert f"127.0.0.1:{port} cannot be had" in second.stderr
    finally:
        running.kill()
        running.communicate()


def test_demo_shows_the_file_the_rows_and_the_top_campaigns(tmp_path: Path) -> None:
    demo = Cli(tmp_path).start("demo", "--scale", "0.05", "--path", "shop.duckdb")
    told, errors = demo.communicate(timeout=240)
    assert demo.returncode == 0, errors
    assert "top campaigns by revenue" in told
    assert "shop.duckdb" in told
    with duckdb.connect(str(tmp_path / "shop.duckdb"), read_only=True) as database:
        assert database.sql("select count(*) from klaviyo_marts.mart_campaign_performance").fetchall()[0][0] > 0


def test_a_first_run_even_of_one_resource_ends_with_the_marts(cli: Cli) -> None:
    done = cli("run", "--select", "events")
    assert done.returncode == 0, done.stderr + done.stdout
    assert "models built" in done.stdout
    assert cli.query("select count(*) from klaviyo.profiles") == [(0,)]
    assert cli.query("from duckdb_schemas() where schema_name = 'klaviyo_fivetran'") == []


def test_what_has_not_changed_is_not_built_again_and_transform_builds_models_alone(cli: Cli) -> None:
    cli.project = few_models(cli.home / "project")
    done = cli("run", "--select", "events")
    assert done.returncode == 0, done.stderr + done.stdout
    assert f"{len(MODELS)} models built" in done.stdout
    nothing_new = cli("run", "--select", "events")
    assert nothing_new.returncode == 0, nothing_new.stderr + nothing_new.stdout
    assert NOTHING_NEW in nothing_new.stdout
    again = cli("transform", "--select", "of_lists")
    assert again.returncode == 0, again.stderr
    assert "1 models built" in again.stdout


def test_two_datasets_share_a_database_and_nothing_else(cli: Cli) -> None:
    cli.load("--select", "lists")
    cli.load("--select", "tags", SOURCES__KLAVIYO__DATASET="second_shop")
    held = "SELECT count(*) > 0 FROM {}.{}"
    found = {
        (schema, table): cli.query(held.format(schema, table))[0][0]
        for schema in ("klaviyo", "second_shop")
        for table in ("lists", "tags")
    }
    assert [place for place, full in found.items() if full] == [("klaviyo", "lists"), ("second_shop", "tags")]


def test_a_dataset_that_is_no_plain_name_is_refused(cli: Cli) -> None:
    done = cli("run", SOURCES__KLAVIYO__DATASET="Shop; DROP")
    assert done.returncode == 2
    assert "sources.klaviyo.dataset" in only_message(done)
