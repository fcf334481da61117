from __future__ import annotations

import pytest

from pipelines.doctor import examine, origins, worst
from pipelines.errors import Exit
from sandbox.account import Account
from sandbox.server import Sandbox
from tests.conftest import KEY, Cli, Job


@pytest.fixture
def configured(job: Job, monkeypatch: pytest.MonkeyPatch) -> Job:
    """Settings as a user gives them, and the sandbox's pace."""
    job.settle()
    monkeypatch.setenv("SOURCES__KLAVIYO__API_KEY", KEY)
    monkeypatch.setenv("SOURCES__KLAVIYO__BASE_URL", job.sandbox.url)
    return job


def test_all_is_well_where_everything_is_in_place(configured: Job) -> None:
    found = {one.about: one for one in examine("duckdb")}
    assert {one.state for one in found.values()} == {"ok"}
    assert found["destination"].detail == str(configured.database)
    assert {"settings", "revision", "clock", "disk", "events:read", "profiles:read", "other scopes"} <= found.keys()
    assert worst([*found.values()]) is Exit.DONE


def test_a_narrow_key_is_told_what_it_costs(job: Job, account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(account, limits="off", keys={"pk_narrow": frozenset({"accounts:read", "lists:read"})}) as narrow:
        job.settle()
        monkeypatch.setenv("SOURCES__KLAVIYO__API_KEY", "pk_narrow")
        monkeypatch.setenv("SOURCES__KLAVIYO__BASE_URL", narrow.url)
        found = {one.about: one for one in examine("duckdb")}
    assert found["lists:read"].state == "ok"
    assert found["events:read"].state == "warning"
    assert "event_attributions" in found["events:read"].detail


def test_a_key_that_klaviyo_refuses_is_wrong(configured: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__KLAVIYO__API_KEY", "pk_wrong")
    *_, last = found = [*examine("duckdb")]
    assert (last.about, last.state) == ("Klaviyo", "wrong")
    assert "api_key" in last.detail
    assert worst(found) is Exit.FAILED
    assert not configured.sandbox.api.requests[-1]["path"].startswith("/api/events")


def test_settings_show_where_they_came_from_and_secrets_do_not_show(cli: Cli) -> None:
    done = cli("doctor", SOURCES__KLAVIYO__MAX_LANES="3")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "sources.klaviyo.max_lanes" in done.stdout
    assert "Environment Variables" in done.stdout
    assert KEY not in done.stdout
    assert "[sources.klaviyo]" in cli("doctor", SOURCES__KLAVIYO__API_KEY="").stdout


def test_a_wrong_setting_and_an_unreachable_warehouse_are_both_told(
    configured: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__KLAVIYO__MAX_LANES", "none")
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(configured.home / "no" / "such" / "folder.duckdb"))
    found = {one.about: one for one in examine("duckdb")}
    assert "max_lanes" in found["settings"].detail
    assert {one.state for one in found.values()} == {"wrong"}


def test_what_is_looked_up_is_told_once() -> None:
    names = [one.name for one in origins()]
    assert len(names) == len({*names})
