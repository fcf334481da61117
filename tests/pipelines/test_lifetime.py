"""The end of a revision is foretold, and its having come is said with what to do."""

from __future__ import annotations

from datetime import date

import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.lifetime import notice
from sandbox.account import Account
from sandbox.server import Sandbox
from sandbox.settings import RETIRED
from sources.klaviyo import contract
from tests.conftest import Cli
from tests.pipelines.test_cli import only_message


@pytest.mark.parametrize(
    ("revision", "today", "said"),
    [
        ("2026-07-15", date(2028, 1, 14), ()),
        ("2026-07-15", date(2028, 1, 15), ("retires it on 2028-07-15", "sources.klaviyo.revision to 2026-10-15")),
        ("2026-07-15", date(2028, 7, 14), ("retires it on 2028-07-15",)),
        ("2026-07-15", date(2028, 7, 15), ("retired it on 2028-07-15", "sources.klaviyo.revision to 2026-10-15")),
        ("2026-10-15", date(2028, 4, 14), ()),
        ("2026-10-15", date(2028, 4, 15), ("retires it on 2028-10-15", "update klaviyo-etl")),
    ],
)
def test_the_last_six_months_of_a_revision_are_announced(revision: str, today: date, said: tuple[str, ...]) -> None:
    text = notice(revision, today)
    assert bool(text) == bool(said)
    assert all(part in str(text) for part in said)


@pytest.fixture
def revision() -> str:
    """One that another follows."""
    return "2026-07-15"


def test_run_and_status_warn_of_it(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.load("--select", "lists")
    for name, value in cli.env().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(cli.home)
    monkeypatch.setattr(contract, "YEARS_SERVED", 1000)
    for command in (["status"], ["run", "--select", "lists", "--no-transform"]):
        assert "retire" not in CliRunner().invoke(app, command).stderr
    monkeypatch.setattr(contract, "YEARS_SERVED", 0)
    for command in (["status"], ["run", "--select", "lists", "--no-transform"]):
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 0
        assert "Klaviyo retired it on 2026-07-15; set sources.klaviyo.revision to 2026-10-15" in done.stderr


def test_a_retired_revision_ends_the_run_with_what_to_do(cli: Cli, account: Account) -> None:
    with Sandbox(account, limits="off", revisions=("2026-10-15",), retired=(*RETIRED, "2026-07-15")) as later:
        done = cli("run", SOURCES__KLAVIYO__BASE_URL=later.url)
    assert done.returncode == 2
    message = only_message(done)
    assert "410" in message
    assert "sources.klaviyo.revision" in message
    assert "2026-10-15" in message
    assert cli.query("select exit_code from klaviyo.etl_runs") == [(2,)]
