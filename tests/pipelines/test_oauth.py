"""An app from login to logout, and the file that its tokens are kept in."""

from __future__ import annotations

import stat
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from pipelines.errors import ConfigurationError, RunError
from pipelines.login import Login, needed_scopes
from pipelines.settings import read_settings
from pipelines.tokens import TokenFile
from sandbox.account import Account
from sandbox.server import Sandbox
from sources.klaviyo import REVISION
from sources.klaviyo.oauth import App, Grant
from tests.conftest import Cli
from tests.pipelines.test_cli import slow_down, wait_for
from tests.sandbox.tiny import tiny_account

GRANT = Grant(client_id="sandbox", access_token="at_1", refresh_token="rt_1", expires_at=1.0)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def account() -> Account:
    return tiny_account()


# --- the file ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> TokenFile:
    kept = TokenFile(tmp_path / "tokens" / "north.json")
    with kept.replacing() as replace_:
        replace_(GRANT)
    return kept


def test_only_the_owner_can_read_tokens(file: TokenFile) -> None:
    assert file.read() == GRANT
    assert (mode(file.path), mode(file.path.parent)) == (0o600, 0o700)
    file.path.chmod(0o640)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        file.read()


def test_what_fails_before_the_new_tokens_are_written_leaves_the_old_ones(file: TokenFile) -> None:
    with pytest.raises(RuntimeError), file.replacing():
        raise RuntimeError
    assert file.read() == GRANT
    assert {path.name for path in file.path.parent.iterdir()} <= {"north.json", "north.lock"}


def test_tokens_are_not_asked_for_where_there_is_no_room_to_keep_them(
    file: TokenFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.tokens.os.fsync", full)
    with pytest.raises(OSError, match="No space"), file.replacing():
        pytest.fail("it would have been asked")
    assert file.read() == GRANT


def full(_descriptor: int) -> None:
    raise OSError(28, "No space left on device")


def test_a_file_that_is_none_of_ours_is_refused(file: TokenFile) -> None:
    file.path.write_text("{}")
    with pytest.raises(ConfigurationError, match="auth login"):
        file.read()


# --- logging in -------------------------------------------------------------------------------------------------------


def attempt(sandbox: Sandbox, *addresses: str, seconds: float = 20) -> Grant:
    """Somebody opens Klaviyo's page, after these have been opened."""
    app = App(client_id="sandbox", client_secret="sandbox_secret", base_url=sandbox.url)
    login = Login(app, ["lists:read"], 0, seconds)

    def browse(address: str) -> None:
        before = [f"{login.redirect}{query}" for query in addresses]
        threading.Thread(target=lambda: [requests.get(one, timeout=10) for one in (*before, address)]).start()

    return login.perform(browse if seconds else lambda _: None)


def test_whoever_comes_from_another_attempt_does_not_log_in(sandbox: Sandbox) -> None:
    grant = attempt(
        sandbox, "?code=stolen", "?code=stolen&state=other", "?error=access_denied&state=other", "/elsewhere"
    )
    assert grant.scope == "lists:read"
    assert sandbox.api.oauth.access[grant.access_token]


def test_a_merchant_who_says_no_is_told(sandbox: Sandbox) -> None:
    sandbox.api.settings = replace(sandbox.api.settings, consents=False)
    with pytest.raises(RunError, match="did not let the app in"):
        attempt(sandbox)


def test_nobody_is_waited_for_for_ever(sandbox: Sandbox) -> None:
    with pytest.raises(RunError, match="nobody let the app in"):
        attempt(sandbox, seconds=0)


def test_an_app_asks_for_what_its_resources_need() -> None:
    assert needed_scopes(REVISION, ["events"]) == {"accounts:read", "events:read"}
    assert {"profiles:read", "lists:read", "campaigns:read"} < needed_scopes(REVISION, [])
    assert not [scope for scope in needed_scopes(REVISION, []) if scope.endswith(":write")]


def test_a_key_and_an_app_for_one_account_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"API_KEY": "pk", "CLIENT_ID": "app", "CLIENT_SECRET": "secret"}.items():
        monkeypatch.setenv(f"SOURCES__KLAVIYO__{name}", value)
    with pytest.raises(ConfigurationError, match="leave out one"):
        read_settings()


# --- the whole way ----------------------------------------------------------------------------------------------------


@pytest.fixture
def app(cli: Cli) -> Cli:
    """The command line as an app, in place of a key."""
    del cli.environment["SOURCES__KLAVIYO__API_KEY"]
    cli.environment |= {"SOURCES__KLAVIYO__CLIENT_ID": "sandbox", "SOURCES__KLAVIYO__CLIENT_SECRET": "sandbox_secret"}
    return cli


def open_page(process: subprocess.Popen[str]) -> None:
    assert process.stdout
    address = next(line for line in process.stdout if line.startswith("http")).strip()
    assert requests.get(address, timeout=10).text.startswith("Done")


def test_an_app_is_let_in_reads_on_when_its_token_ends_and_is_shut_out_when_it_is_revoked(
    app: Cli, sandbox: Sandbox
) -> None:
    with app.start("auth", "login", "--no-browser", "--port", "0") as process:
        open_page(process)
        told, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "accounts:read" in told

    def refreshed() -> int:
        return sum(one["query"] == "refresh_token" for one in sandbox.api.requests)

    slow_down(sandbox, 0.1)
    select = "events,profiles,lists,campaigns,templates,metrics"
    with app.start("run", "--no-transform", "--no-sweep", "--select", select) as running:
        wait_for(lambda: len(sandbox.api.requests) >= 6)
        sandbox.api.oauth.access.clear()
        said, errors = running.communicate(timeout=120)
    assert running.returncode == 0, errors
    assert refreshed() == 1
    slow_down(sandbox, 0)
    [(profiles,)] = app.query("select count(*) from klaviyo.profiles")
    assert profiles == len(sandbox.account.objects["profile"])

    told_all = [told, said, errors]
    for command, code in ((("doctor",), 0), (("auth", "logout"), 0), (("run",), 2)):
        done = app(*command)
        assert done.returncode == code, done.stderr
        told_all += [done.stdout, done.stderr]
    assert "auth login" in told_all[-1]
    assert not sandbox.api.oauth.access
    assert not [secret for secret in ("at_", "rt_", "sandbox_secret") if secret in "".join(told_all)]
