from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from pipelines.errors import ConfigurationError, Exit, LockedError, RunError
from pipelines.notices import Notices, read_notices
from tests.conftest import Cli
from tests.sources.scripted import Reply, Scripted


@pytest.fixture
def watcher() -> Iterator[Scripted]:
    with Scripted() as running:
        yield running


@pytest.fixture
def notices(watcher: Scripted) -> Notices:
    return Notices(f"{watcher.url}/ping", f"{watcher.url}/chat")


def heard(watcher: Scripted) -> list[tuple[str, str]]:
    return [(one.method, one.path) for one in watcher.asked]


def test_a_run_that_succeeds_is_told_of_when_it_starts_and_ends(watcher: Scripted, notices: Notices) -> None:
    with notices.about("run"):
        assert heard(watcher) == [("GET", "/ping/start")]
    assert heard(watcher)[1:] == [("GET", "/ping")]


def test_a_run_that_fails_says_why(watcher: Scripted, notices: Notices) -> None:
    with pytest.raises(RunError), notices.about("run into duckdb"):
        raise RunError("the disk is full")
    assert heard(watcher)[1:] == [("GET", "/ping/fail"), ("POST", "/chat")]
    assert json.loads(watcher.asked[-1].body) == {"text": "klaviyo-etl run into duckdb: exit code 1: the disk is full"}


def test_a_run_that_needs_a_person_says_where_to_look(watcher: Scripted, notices: Notices) -> None:
    with notices.about("run") as ending:
        ending.code = Exit.NEEDS_A_PERSON
    assert heard(watcher)[1:] == [("GET", "/ping/fail"), ("POST", "/chat")]
    assert b"klaviyo-etl status" in watcher.asked[-1].body


def test_an_error_that_nobody_expected_is_told_without_its_words(watcher: Scripted, notices: Notices) -> None:
    with pytest.raises(ZeroDivisionError), notices.about("run"):
        raise ZeroDivisionError("anna@example.com")
    assert json.loads(watcher.asked[-1].body)["text"].endswith("ZeroDivisionError")


def test_a_run_that_finds_another_one_at_work_tells_of_no_failure(watcher: Scripted, notices: Notices) -> None:
    with pytest.raises(LockedError), notices.about("run"):
        raise LockedError("another run")
    assert heard(watcher) == [("GET", "/ping/start")]


def test_a_notice_that_is_not_delivered_changes_nothing_and_shows_no_address(caplog: pytest.LogCaptureFixture) -> None:
    with Scripted(Reply(500)) as deaf, caplog.at_level(logging.WARNING), Notices(f"{deaf.url}/secret").about("run"):
        pass
    with caplog.at_level(logging.WARNING), Notices("http://127.0.0.1:9/secret").about("run"):
        pass
    assert "notifications.ping_url: not delivered: HTTPError (500)" in caplog.text
    assert "ConnectionError" in caplog.text
    assert "secret" not in caplog.text


def test_an_address_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFICATIONS__PING_URL", "hc-ping.com/1234")
    with pytest.raises(ConfigurationError, match=r"notifications\.ping_url"):
        read_notices()


def test_the_command_line_tells_of_wrong_settings_too(cli: Cli, watcher: Scripted) -> None:
    settings = {"NOTIFICATIONS__PING_URL": f"{watcher.url}/ping", "NOTIFICATIONS__WEBHOOK_URL": f"{watcher.url}/chat"}
    assert cli("run", SOURCES__KLAVIYO__START_DATE="yesterday", **settings).returncode == 2
    assert heard(watcher) == [("GET", "/ping/start"), ("GET", "/ping/fail"), ("POST", "/chat")]
    assert b"start_date" in watcher.asked[-1].body
