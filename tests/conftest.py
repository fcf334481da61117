"""Fixtures that most tests need: a sandbox, a warehouse, the command line, a real PostgreSQL."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import duckdb
import pendulum
import psycopg2
import pytest
from filelock import FileLock

from pipelines.errors import Exit
from pipelines.load import Request, load, named
from pipelines.progress import LogWatch
from pipelines.runs import Run
from pipelines.settings import Settings
from pipelines.transform import PROJECT
from pipelines.warehouse import Warehouse
from sandbox.account import Account
from sandbox.server import Sandbox
from sandbox.story import synthesize
from sources.klaviyo import REVISION, contract
from sources.klaviyo.limits import Window
from sources.klaviyo.policy import NO_POLICY, Policy
from sources.klaviyo.rereads import TIERS, Tier
from sources.klaviyo.tables import Table, every_table
from sources.klaviyo.windows import moment
from tests.forked import parent
from tests.unpaced import unpaced

KEY = "pk_sandbox"
SCALE = 0.02
FILE = "warehouse.duckdb"


@pytest.fixture
def account() -> Account:
    return synthesize(scale=SCALE)


@pytest.fixture
def sandbox(account: Account) -> Iterator[Sandbox]:
    with Sandbox(account, limits="off") as running:
        yield running


@dataclass
class Cli:
    """Runs `klaviyo-etl` as a user would: a process of its own, in a folder of its own, told by its environment.

    What is called is forked; what is started begins as any program does.
    """

    home: Path
    environment: dict[str, str] = field(default_factory=dict)
    revision: str = REVISION
    project: Path = PROJECT
    """The models that are built by what is called."""

    @property
    def database(self) -> Path:
        return self.home / FILE

    def arguments(self, *arguments: str) -> list[str]:
        # The demo brings a sandbox of its own, with limits.
        return [sys.executable, "-m", "pipelines" if "demo" in arguments else "tests.unpaced", *arguments]

    def env(self, environment: Mapping[str, str] | None = None) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "SYSTEMROOT")}
        own = {"HOME": str(self.home), "DLT_DATA_DIR": str(self.home / "dlt"), "PYTHONPATH": str(ROOT)}
        return kept | own | self.environment | dict(environment or {})

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.arguments(*arguments),
            cwd=self.home,
            env=self.env(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return parent().run(arguments, self.home, self.env(environment), self.project)

    def load(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """A run without marts that must succeed."""
        done = self("run", "--no-transform", *arguments, **environment)
        assert done.returncode == 0, done.stderr + done.stdout
        return done

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.database), read_only=True) as database:
            return database.sql(statement).fetchall()


ROOT = Path(__file__).parents[1]


@dataclass
class Job:
    """The main job in this process: a load from the sandbox into a DuckDB file of its own."""

    sandbox: Sandbox
    home: Path
    monkeypatch: pytest.MonkeyPatch
    postgres: str = ""
    revision: str = REVISION
    policy: Policy = NO_POLICY
    tiers: tuple[Tier, ...] = TIERS
    every_table: bool = False
    """Whether all tables are made, as a run does, or those of what is selected alone: empty ones take longer than most loads."""

    @property
    def database(self) -> Path:
        return self.home / FILE

    def settle(self, machine: str = "one") -> None:
        """Be on the named machine, at the sandbox's pace."""
        self.monkeypatch.setattr(Window, "free_at", unpaced)
        # A sandbox that fails on purpose is well again at once.
        self.monkeypatch.setattr("sources.klaviyo.client.FIRST_PAUSE", 0.01)
        self.monkeypatch.setenv("DLT_DATA_DIR", str(self.home / machine))
        self.monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(self.database))
        self.monkeypatch.setenv("DESTINATION__POSTGRES__CREDENTIALS", self.postgres)

    def load(
        self,
        *select: str,
        start: str = "",
        end: str = "",
        full_refresh: str = "",
        start_date: str = "",
        machine: str = "one",
        destination: str = "duckdb",
        now: str = "",
    ) -> Run:
        """A run on the named machine, which must not fail."""
        self.settle(machine)
        request = Request(
            resources=named(select, self.revision),
            start=moment(start) if start else None,
            end=moment(end) if end else None,
            full_refresh=frozenset({*full_refresh.split(",")} - {""}),
            now=moment(now) if now else pendulum.now("UTC"),
        )
        settings = Settings(
            api_key=KEY,
            base_url=self.sandbox.url,
            revision=self.revision,
            start_date=moment(start_date) if start_date else None,
            policy=self.policy,
            tiers=self.tiers,
        )
        # An open file is opened again at once.
        opened = duckdb.connect(str(self.database)) if destination == "duckdb" else nullcontext()
        with opened, pytest.MonkeyPatch.context() as patch:
            if select and not self.every_table:
                patch.setattr("pipelines.load.every_table", lambda revision: tables(revision, select))
            run = load(settings, Warehouse(destination), request, LogWatch())
        assert run.exit is Exit.DONE, run.message
        return run

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.database), read_only=True) as database:
            return database.sql(statement).fetchall()


def tables(revision: str, names: tuple[str, ...]) -> dict[str, Table]:
    return {name: table for name, table in every_table(revision).items() if name in names}


both_revisions = pytest.mark.parametrize("revision", contract.revisions())
"""For a test that asks for the revision, or for a job."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--revision", choices=contract.revisions(), default=REVISION, help="run every test at this one")
    parser.addoption("--record", action="store_true", help="note what the suite proves of destinations")
    parser.addoption("--every-day", action="store_true", help="follow the simulated quarter with a run each day")


@pytest.fixture
def revision(request: pytest.FixtureRequest) -> str:
    return str(request.config.getoption("--revision"))


@pytest.fixture
def job(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, revision: str) -> Job:
    return Job(sandbox, tmp_path, monkeypatch, revision=revision)


Once = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory, testrun_uid: str) -> Once:
    """Fills a folder by whichever worker comes first: the others get a copy of it."""

    def fill_once(name: str, fill: Callable[[Path], object]) -> Path:
        own = tmp_path_factory.mktemp(name)
        kept = tmp_path_factory.getbasetemp().parent / f"{name}.{testrun_uid}"
        with FileLock(f"{kept}.lock"):
            if not kept.exists():
                fill(own)
                shutil.copytree(own, kept)
            else:
                shutil.copytree(kept, own, dirs_exist_ok=True)
        return own

    return fill_once


def load_once(once: Once, name: str, account: Callable[[], Account], *select: str, **of_job: Any) -> Path:
    """A DuckDB file after a load from an account, made once for all workers."""

    def load(home: Path) -> None:
        with Sandbox(account(), limits="off") as running, pytest.MonkeyPatch.context() as monkeypatch:
            Job(running, home, monkeypatch, **of_job).load(*select)

    return once(name, load) / FILE


@pytest.fixture(scope="session")
def first_load(once: Once) -> Callable[[str], Path]:
    """A DuckDB file after a first run of everything, at a revision, over the account that the fixture `account` tells."""

    @cache
    def load_at(revision: str) -> Path:
        return load_once(once, f"first_load_{revision}", partial(synthesize, scale=SCALE), revision=revision)

    return load_at


@pytest.fixture
def loaded(job: Job, first_load: Callable[[str], Path]) -> Job:
    """A job after its first run. What has been read is in the warehouse: its file is all that a further run needs."""
    shutil.copyfile(first_load(job.revision), job.database)
    return job


@pytest.fixture
def cli(sandbox: Sandbox, tmp_path: Path, revision: str) -> Cli:
    """The command line, pointed at the sandbox and at a DuckDB file of its own."""
    return Cli(
        tmp_path,
        {
            "SOURCES__KLAVIYO__API_KEY": KEY,
            "SOURCES__KLAVIYO__BASE_URL": sandbox.url,
            "SOURCES__KLAVIYO__REVISION": revision,
            "DESTINATION__DUCKDB__CREDENTIALS": str(tmp_path / "warehouse.duckdb"),
        },
        revision,
    )


# --- PostgreSQL ----------------------------------------------------------------------------------------------------


def postgres_binaries() -> Path | None:
    """Where Debian keeps the server's programs, or wherever the path has them."""
    on_path = shutil.which("initdb")
    folders = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    return Path(on_path).parent if on_path else next(iter(folders), None)


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A fresh PostgreSQL on a free loopback port, for as long as the tests run."""
    binaries = postgres_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
    # Not in pytest's own folder, which a run of tests beside this one would clear away.
    folder = Path(tempfile.mkdtemp(prefix="klaviyo-etl-postgres-"))
    # The server refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    if os.geteuid() == 0:
        shutil.chown(folder, user)
    port = free_port()
    data = folder / "data"
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"

    def server(*command: str) -> None:
        done = subprocess.run(command, user=user, cwd=folder, check=False, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr + done.stdout

    server(str(binaries / "initdb"), "-D", str(data), "-U", "klaviyo", "--auth=trust", "--encoding=UTF8", "--locale=C")
    server(str(binaries / "pg_ctl"), "-D", str(data), "-o", options, "-l", str(folder / "log"), "-w", "start")
    try:
        yield f"postgresql://klaviyo:secret@127.0.0.1:{port}/postgres"
    finally:
        server(str(binaries / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop")
        shutil.rmtree(folder)


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[str]:
    """An empty database of the running server."""
    name = f"t{free_port()}"
    server = psycopg2.connect(postgres_url)
    server.autocommit = True
    with closing(server), server.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
        yield postgres_url.removesuffix("postgres") + name
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
