"""Several accounts: named in the configuration, loaded by one command, never mixed."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pytest
from rich.console import Console

from pipelines.accounts import account_names, chosen, of_account
from pipelines.errors import ConfigurationError, Exit, LockedError
from pipelines.load import Request, load, named
from pipelines.lock import run_lock
from pipelines.notices import Notices
from pipelines.processes import Processes, command_of, queues_of, refuse_one_account_twice
from pipelines.progress import LogWatch
from pipelines.settings import Settings, dataset, read_settings
from pipelines.warehouse import Warehouse
from sandbox.account import Account, Event, Events
from sandbox.server import Sandbox
from sandbox.settings import ALL_SCOPES
from tests.conftest import Cli, Job
from tests.pipelines.test_cli import slow_down, wait_for
from tests.sandbox.tiny import PlainEvent, tiny_account
from tests.sources.scripted import Scripted

SELECTED = ("accounts", "events", "lists", "list_memberships", "profiles")


def shop(name: str, zone: str) -> Account:
    """A tiny account, whose id and whose rows' ids begin with its name."""
    account = tiny_account()
    objects = {
        type_: {f"{name}-{id_}": replace(one, id=f"{name}-{id_}") for id_, one in kind.items()}
        if type_ in ("account", "profile", "list")
        else kind
        for type_, kind in account.objects.items()
    }
    objects["account"][f"{name}-ACC"].attributes["timezone"] = zone
    events: list[Event] = [
        PlainEvent(f"{name}-{event.id}", event.second, event.metric_id, f"{name}-ANNA", properties=event.properties)
        for event in (account.events.at(index) for index in range(len(account.events)))
    ]
    members = {f"{name}-NEWS": {f"{name}-ANNA": "2026-01-10T08:00:00+00:00"}}
    return Account(objects=objects, events=Events(events), list_members=members, segment_members={})


@contextmanager
def serving(account: Account, key: str, *scopes: str) -> Iterator[Sandbox]:
    with Sandbox(account, limits="off", keys={key: frozenset(scopes) or ALL_SCOPES}) as running:
        yield running


NARROW = ("accounts:read", "events:read", "metrics:read", "profiles:read")
"""A key that may not read lists."""


@dataclass
class Two:
    """A command line with two accounts, each with a Klaviyo of its own."""

    cli: Cli
    north: Sandbox
    south: Sandbox

    def configure(self, **more: str) -> None:
        """Each `name="toml"` is an account with these settings."""
        urls = {"north": self.north.url, "south": self.south.url}
        sections = {name: f'base_url = "{url}"\napi_key = "pk_{name}"' for name, url in urls.items()} | more
        (self.cli.home / ".dlt").mkdir(exist_ok=True)
        (self.cli.home / ".dlt" / "config.toml").write_text(
            f"[sources.klaviyo]\nresources = {json.dumps(SELECTED)}\nrevision = '{self.cli.revision}'\n"
        )
        (self.cli.home / ".dlt" / "secrets.toml").write_text(
            "".join(f"[sources.klaviyo.accounts.{name}]\n{section}\n" for name, section in sections.items())
        )

    def ids(self, schema: str, table: str, file: str = "") -> set[str]:
        with duckdb.connect(file or str(self.cli.database), read_only=True) as database:
            return {row[0] for row in database.sql(f"select id from {schema}.{table}").fetchall()}


@pytest.fixture
def two(tmp_path: Path, revision: str) -> Iterator[Two]:
    environment = {"DESTINATION__DUCKDB__CREDENTIALS": str(tmp_path / "warehouse.duckdb")}
    with (
        serving(shop("n", "Europe/Copenhagen"), "pk_north") as north,
        serving(shop("s", "America/New_York"), "pk_south", *NARROW) as south,
    ):
        two = Two(Cli(tmp_path, environment, revision), north, south)
        two.configure()
        yield two


def assert_not_mixed(two: Two, north: str = "klaviyo_north", south: str = "klaviyo_south", file: str = "") -> None:
    for schema, sandbox in ((north, two.north), (south, two.south)):
        account = sandbox.account
        events = {account.events.at(index).id for index in range(len(account.events))}
        assert two.ids(schema, "events", file) == events
        assert two.ids(schema, "profiles", file) == set(account.objects["profile"])
        assert two.ids(schema, "accounts", file) == set(account.objects["account"])


def test_accounts_are_loaded_by_one_run_without_mixing_and_one_that_fails_stops_no_other(two: Two) -> None:
    two.configure(west=f'base_url = "{two.north.url}"\napi_key = "pk_revoked"')
    with Scripted() as watcher:
        done = two.cli(
            "run", "--no-transform", "--no-sweep", "--log-format", "json",
            NOTIFICATIONS__PING_URL=f"{watcher.url}/ping", NOTIFICATIONS__WEBHOOK_URL=f"{watcher.url}/chat",
            SOURCES__KLAVIYO__SHARED_DATASET="klaviyo",
        )  # fmt: skip
        told = [(one.method, one.path) for one in watcher.asked]
        texts = [json.loads(one.body)["text"] for one in watcher.asked if one.body]
    assert done.returncode == 2, done.stderr
    assert_not_mixed(two)
    assert "views of north, south; west is left out: it has loaded nothing yet" in " ".join(done.stdout.split())
    assert two.ids("klaviyo", "events") == two.ids("klaviyo_north", "events") | two.ids("klaviyo_south", "events")
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert {line["account"]: line["exit_code"] for line in lines if line.get("event") == "account_ended"} == {
        "north": 0,
        "south": 3,
        "west": 2,
    }
    assert [line["account"] for line in lines if "401" in line["message"]] == ["west"]
    # The whole run has one pulse; each account says itself what was wrong.
    assert [told[0], told[-1]] == [("GET", "/ping/start"), ("GET", "/ping/fail")]
    assert [path for _, path in told[1:-1]] == ["/chat", "/chat"]
    assert "run of south into duckdb: exit code 3" in texts[0]
    assert "run of west into duckdb: exit code 2: Klaviyo refuses the API key" in texts[1]
    for key in ("pk_north", "pk_south", "pk_revoked"):
        assert key not in done.stderr + done.stdout

    assert [request["key"] for request in two.south.api.requests if request["key"] != "pk_south"] == []


def test_accounts_with_databases_of_their_own_are_loaded_at_once(two: Two) -> None:
    files = {name: str(two.cli.home / f"{name}.duckdb") for name in ("north", "south")}
    two.configure(
        **{
            name: f'base_url = "{url}"\napi_key = "pk_{name}"\ndestination.duckdb.credentials = "{files[name]}"'
            for name, url in (("north", two.north.url), ("south", two.south.url))
        }
    )
    done = two.cli("run", "--no-transform", "--no-sweep", "--select", "profiles")
    assert done.returncode == 0, done.stderr
    assert two.ids("klaviyo_north", "profiles", files["north"]) == set(two.north.account.objects["profile"])
    assert two.ids("klaviyo_south", "profiles", files["south"]) == set(two.south.account.objects["profile"])
    assert not two.cli.database.exists()
    assert done.stdout.index("north") != done.stdout.index("south")


def test_two_names_of_one_account_are_refused_before_anything_is_loaded(two: Two) -> None:
    section = f'base_url = "{two.north.url}"\napi_key = "pk_other"'
    two.north.api.settings = replace(two.north.api.settings, keys={"pk_north": ALL_SCOPES, "pk_other": ALL_SCOPES})
    two.configure(south=section)
    done = two.cli("run")
    assert done.returncode == 2
    assert "north and south have keys of one and the same Klaviyo account" in done.stderr
    assert not two.cli.database.exists()


def test_a_key_that_two_klaviyos_know_is_of_two_accounts(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    two.south.api.settings = replace(two.south.api.settings, keys={"pk_north": ALL_SCOPES})
    for name, sandbox in (("NORTH", two.north), ("SOUTH", two.south)):
        monkeypatch.setenv(f"SOURCES__KLAVIYO__ACCOUNTS__{name}__API_KEY", "pk_north")
        monkeypatch.setenv(f"SOURCES__KLAVIYO__ACCOUNTS__{name}__BASE_URL", sandbox.url)
    refuse_one_account_twice(["north", "south"])
    monkeypatch.setenv("SOURCES__KLAVIYO__ACCOUNTS__SOUTH__BASE_URL", two.north.url)
    with pytest.raises(ConfigurationError, match="one and the same"):
        refuse_one_account_twice(["north", "south"])


def test_a_signal_reaches_the_account_at_work_and_the_others_do_not_begin(two: Two) -> None:
    slow_down(two.north, 0.5)
    running = two.cli.start("run", "--no-transform", "--select", "accounts,events,profiles")
    wait_for(lambda: any(request["path"] == "/api/events" for request in two.north.api.requests))
    two.south.api.requests.clear()
    running.send_signal(signal.SIGTERM)
    _, errors = running.communicate(timeout=120)
    assert running.returncode == 143, errors
    assert not two.south.api.requests


@pytest.fixture
def account() -> Account:
    return shop("n", "UTC")


def test_a_dataset_of_another_account_is_refused(job: Job) -> None:
    job.load("lists")
    assert refused(job) == ["/api/accounts"]
    with duckdb.connect(str(job.database)) as database:
        # As it was loaded before owners were noted.
        database.sql("delete from klaviyo._dlt_pipeline_state")
        database.sql("insert into klaviyo.accounts (id, _dlt_load_id) values ('n-ACC', '1')")
    assert refused(job) == ["/api/accounts"]


def refused(job: Job) -> list[str]:
    """What is asked before that."""
    with serving(shop("o", "UTC"), "pk_other") as other:
        request = Request(resources=named(["lists"], job.revision))
        settings = Settings(api_key="pk_other", base_url=other.url, revision=job.revision)
        with pytest.raises(ConfigurationError, match="holds the account n-ACC, and the key is one of o-ACC"):
            load(settings, Warehouse("duckdb"), request, LogWatch())
        return [asked["path"] for asked in other.api.requests]


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def sections(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(tmp_path / "warehouse.duckdb"))
    monkeypatch.setenv("SOURCES__KLAVIYO__START_DATE", "2024-01-01")
    for name, value in {
        "NORTH__API_KEY": "pk_north",
        "SOUTH__API_KEY": "pk_south",
        "SOUTH__START_DATE": "2025-01-01",
    }.items():
        monkeypatch.setenv(f"SOURCES__KLAVIYO__ACCOUNTS__{name}", value)
    return monkeypatch


def test_an_account_has_its_own_settings_and_those_that_all_share(sections: pytest.MonkeyPatch) -> None:
    assert account_names() == chosen("") == ["north", "south"]
    with of_account("north"):
        assert (read_settings().api_key, str(read_settings().start_date)[:10]) == ("pk_north", "2024-01-01")
        assert Warehouse("duckdb").dataset == dataset() == "klaviyo_north"
    with of_account("south"):
        assert (read_settings().api_key, str(read_settings().start_date)[:10]) == ("pk_south", "2025-01-01")
        sections.setenv("SOURCES__KLAVIYO__DATASET", "shops")
        assert dataset() == "shops_south"
        sections.setenv("SOURCES__KLAVIYO__ACCOUNTS__SOUTH__DATASET", "klaviyo")
        assert dataset() == "klaviyo"
    assert dataset() == "shops"


def test_an_account_never_takes_a_key_that_is_not_its_own(sections: pytest.MonkeyPatch) -> None:
    sections.setenv("SOURCES__KLAVIYO__API_KEY", "pk_nameless")
    sections.delenv("SOURCES__KLAVIYO__ACCOUNTS__NORTH__API_KEY")
    with of_account("north"), pytest.raises(ConfigurationError, match="SOURCES__KLAVIYO__ACCOUNTS__NORTH__API_KEY"):
        read_settings()
    with pytest.raises(ConfigurationError, match="is of no account"):
        queues_of(["south"], "duckdb")


def test_an_account_that_is_not_configured_is_refused_with_the_names_of_those_that_are(
    sections: pytest.MonkeyPatch,
) -> None:
    assert chosen("south") == ["south"]
    with pytest.raises(ConfigurationError, match="no account named east; there are: north, south"):
        chosen("north,east")


def test_a_name_that_schemas_cannot_have_is_refused(sections: pytest.MonkeyPatch) -> None:
    sections.setenv("SOURCES__KLAVIYO__ACCOUNTS__1ST__API_KEY", "pk_first")
    with pytest.raises(ConfigurationError, match="1st"):
        account_names()


@pytest.mark.parametrize(
    ("settings", "schema"),
    [
        ({"NORTH__DATASET": "shop", "SOUTH__DATASET": "shop"}, "shop"),
        ({"NORTH__DATASET": "shop", "SOUTH__DATASET": "shop_stg"}, "shop_stg"),
    ],
)
def test_accounts_that_would_write_the_same_schema_are_refused(
    sections: pytest.MonkeyPatch, settings: dict[str, str], schema: str
) -> None:
    for name, value in settings.items():
        sections.setenv(f"SOURCES__KLAVIYO__ACCOUNTS__{name}", value)
    with pytest.raises(ConfigurationError, match=f"north and south would both write to the schema {schema} "):
        queues_of(["north"], "duckdb")


def test_a_run_of_another_account_into_the_same_file_is_refused_as_another_run(sections: pytest.MonkeyPatch) -> None:
    with run_lock(Warehouse("duckdb", "klaviyo_north")), pytest.raises(LockedError):
        run_lock(Warehouse("duckdb", "klaviyo_south")).__enter__()


def test_an_accounts_process_is_told_the_same_and_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.orig_argv", ["python3", "-m", "pipelines", "forget", "--account", "a,b", "--", "-x"])
    assert command_of("b")[1:] == ["-m", "pipelines", "forget", "--account", "a,b", "--account", "b", "--", "-x"]


def test_an_account_whose_process_dies_has_failed_and_is_told_of() -> None:
    with Scripted() as watcher:
        processes = Processes(["north"], Console(), Notices(webhook_url=watcher.url))
        assert processes.meaning("north", -9) is Exit.FAILED
        assert processes.meaning("north", 3) is Exit.NEEDS_A_PERSON
    [message] = watcher.asked
    assert b"north: exit code -9" in message.body


def test_accounts_of_one_file_take_turns_and_others_do_not(sections: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert queues_of(["north", "south"], "duckdb") == [["north", "south"]]
    variable = "SOURCES__KLAVIYO__ACCOUNTS__SOUTH__DESTINATION__DUCKDB__CREDENTIALS"
    sections.setenv(variable, str(tmp_path / "south.duckdb"))
    assert queues_of(["north", "south"], "duckdb") == [["north"], ["south"]]
    assert queues_of(["south"], "duckdb") == [["south"]]


def test_accounts_of_one_lake_take_turns_at_its_catalog(sections: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sections.chdir(tmp_path)
    assert queues_of(["north", "south"], "ducklake") == [["north", "south"]]
