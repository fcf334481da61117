"""What a run would take, told before it: held against what the run then takes."""

from __future__ import annotations

import json
import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import duckdb
import pytest

from pipelines.load import Request, named
from pipelines.lock import run_lock
from pipelines.plan import Outlook, Prospect, plan
from pipelines.rehearsal import at_full_rate
from pipelines.runs import Run
from pipelines.scout import COUNTS, PAGES
from pipelines.settings import Settings
from pipelines.survey import Survey
from pipelines.warehouse import Warehouse
from sandbox.account import Account, Events
from sandbox.faults import Fault
from sandbox.server import Sandbox
from sandbox.story import synthesize
from sources.klaviyo import contract
from sources.klaviyo.aggregates import event_counts
from sources.klaviyo.client import Client
from sources.klaviyo.errors import BadRequest
from sources.klaviyo.lanes import Range
from sources.klaviyo.limits import Limiter
from sources.klaviyo.resources import DEFAULT
from sources.klaviyo.tally import Tally
from sources.klaviyo.windows import BEGINNING, Window, moment
from tests.conftest import KEY, Cli, Job
from tests.pipelines.warehouse import change

REVISION = "2026-07-15"


@pytest.fixture(scope="module")
def larger() -> Iterator[Sandbox]:
    """An account whose events, profiles and templates do not fit into the pages that a plan asks for."""
    with Sandbox(synthesize(scale=0.3), limits="off", latency=0.02) as running:
        yield running


@pytest.fixture
def larger_job(larger: Sandbox, job: Job) -> Job:
    larger.api.requests.clear()
    job.sandbox = larger
    return job


def planned(job: Job, *select: str, key: str = KEY, start: str = "", end: str = "", full_refresh: str = "") -> Prospect:
    """A plan that does not wait for the rate limits that the sandbox does not have."""
    request = Request(
        resources=named(select, job.revision),
        start=moment(start) if start else None,
        end=moment(end) if end else None,
        full_refresh=frozenset({full_refresh} - {""}),
    )
    with job.monkeypatch.context() as environment:
        environment.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(job.database))
        environment.setenv("DESTINATION__POSTGRES__CREDENTIALS", job.postgres)
        environment.setattr(Limiter, "acquire", lambda *_: 0.0)
        return plan(
            Settings(api_key=key, base_url=job.sandbox.url, revision=job.revision),
            Warehouse("postgres" if job.postgres else "duckdb"),
            request,
        )


def outlook(prospect: Prospect, resource: str) -> Outlook:
    return next(one for one in prospect.outlooks if one.resource == resource)


def close(told: float, taken: float, slack: float) -> bool:
    return abs(told - taken) <= max(0.2 * taken, slack)


def assert_right(prospect: Prospect, run: Run) -> None:
    """Rows and requests within a fifth of the run's; rows that were counted, to the row."""
    assert [one.status for one in prospect.outlooks] == ["complete"] * len(prospect.outlooks)
    for tally in run.tallies:
        for name in tally.tables:
            told = outlook(prospect, name)
            taken = tally.rows[name] + (tally.unchanged if name == tally.resource else 0)
            if tally.unchanged and name != tally.resource:
                continue  # nothing says how many rows came with objects that were left out
            assert told.rows == taken or not told.exact, f"{name}: {told.rows} rows told as exact, {taken} taken"
            # Of what a sample of the parents holds, a few rows more or less; attributions are too rare even for that.
            assert close(told.rows, taken, 6 if "parents" in told.how else 3) or name == "event_attributions", (
                f"{name}: {told} for {taken} rows"
            )
        requests = outlook(prospect, tally.tables[0]).requests
        assert requests is not None
        # Each lane that joins may cost a request: when one is free to is not foreseeable.
        assert close(requests, tally.requests, max(tally.lanes, 4)), (
            f"{tally.resource}: {requests} requests told, {tally.requests} taken"
        )
    assert close(prospect.requests, sum(tally.requests for tally in run.tallies), 0)


def test_a_first_and_a_further_run_take_what_was_planned_for_them(job: Job, sandbox: Sandbox) -> None:
    assert_right(planned(job), job.load())
    at = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    change(sandbox, "add_events", count=30, at=at)
    change(sandbox, "add", type="template", at=at)
    further = planned(job)
    assert outlook(further, "templates").rows == 1
    assert outlook(further, "events").rows >= 30
    assert_right(further, job.load())


def test_a_run_over_a_larger_account_takes_what_was_planned_for_it(larger_job: Job) -> None:
    first = planned(larger_job)
    assert not outlook(first, "events").exact
    assert_right(first, larger_job.load())
    assert_right(planned(larger_job), larger_job.load())


def test_events_of_a_year_are_counted_to_the_last_one(larger_job: Job) -> None:
    prospect = planned(larger_job, "events", "event_attributions", start="2025-12-01", end="2026-11-01")
    assert outlook(prospect, "events").exact
    assert not outlook(prospect, "event_attributions").exact
    assert outlook(prospect, "events").how == "Klaviyo's counts"
    assert outlook(prospect, "events").rows == happened(larger_job.sandbox, "2025-12-01", "2026-11-01")


def happened(sandbox: Sandbox, start: str, end: str) -> int:
    events = sandbox.account.events
    return events.index(int(moment(end).timestamp())) - events.index(int(moment(start).timestamp()))


def test_without_metrics_the_events_are_reckoned_from_pages(larger_job: Job) -> None:
    sandbox = larger_job.sandbox
    keys = {**sandbox.api.settings.keys, "pk_events": frozenset({"events:read"})}
    sandbox.api.settings = replace(sandbox.api.settings, keys=keys)
    told = outlook(planned(larger_job, "events", key="pk_events"), "events")
    assert "may not read metrics" in told.how
    assert [request["path"] for request in sandbox.api.requests].count("/api/events") == PAGES
    assert close(told.rows, happened(sandbox, "1970-01-01", datetime.now(UTC).isoformat()), 0)


def test_a_plan_asks_few_requests_and_says_how_many(larger_job: Job) -> None:
    prospect = planned(larger_job)
    asked = [(request["method"], request["path"]) for request in larger_job.sandbox.api.requests]
    assert len(asked) == prospect.asked
    assert asked.count(("POST", "/api/metric-aggregates")) <= COUNTS
    for path in ("/api/events", "/api/profiles", "/api/templates", "/api/lists"):
        assert 0 < asked.count(("GET", path)) <= PAGES
    assert len(asked) < 270


def test_a_plan_writes_nothing_and_takes_no_lock(job: Job, sandbox: Sandbox) -> None:
    planned(job)
    assert not job.database.exists()
    job.load("events")
    content, changed = job.database.read_bytes(), job.database.stat().st_mtime_ns
    # Nothing but reading goes beside another reader.
    with run_lock(Warehouse("duckdb")), duckdb.connect(str(job.database), read_only=True):
        files = sorted(job.home.rglob("*"))
        assert outlook(planned(job), "profiles").rows == len(sandbox.account.objects["profile"])
        assert sorted(job.home.rglob("*")) == files
    assert (job.database.read_bytes(), job.database.stat().st_mtime_ns) == (content, changed)


def test_what_has_been_read_is_not_planned_again_but_by_a_full_refresh(job: Job) -> None:
    job.load("templates")
    assert outlook(planned(job, "templates"), "templates").rows == 0
    again = outlook(planned(job, "templates", full_refresh="templates"), "templates")
    assert close(again.rows, 156, 3)


def test_postgresql_tells_what_has_been_read_too(job: Job, postgres: str) -> None:
    job.postgres = postgres
    assert outlook(planned(job, "images"), "images").rows > 0
    job.load("images", destination="postgres")
    assert outlook(planned(job, "images"), "images").rows == 0


def test_only_what_is_selected_is_looked_at(job: Job, sandbox: Sandbox) -> None:
    prospect = planned(job, "lists", "event_attributions")
    assert [one.resource for one in prospect.outlooks] == ["lists", "event_attributions"]
    assert {request["path"] for request in sandbox.api.requests} == {"/api/lists", "/api/events"}
    assert outlook(prospect, "event_attributions").requests == 2
    assert outlook(prospect, "event_attributions").exact


def test_the_time_asked_for_is_the_time_that_is_planned(job: Job, sandbox: Sandbox) -> None:
    told = outlook(planned(job, "events", start="2026-02-01", end="2026-03-01"), "events")
    assert told.rows == happened(sandbox, "2026-02-01", "2026-03-01")
    assert told.exact
    assert planned(job, "events", start="2999-01-01").requests == 0


def test_an_empty_account_takes_its_pages_and_no_rows(job: Job, sandbox: Sandbox) -> None:
    sandbox.account.objects = {kind: {} for kind in sandbox.account.objects}
    sandbox.account.events = Events([])
    sandbox.changed()
    prospect = planned(job)
    assert {(one.rows, one.exact) for one in prospect.outlooks} == {(0, True)}
    assert_right(prospect, job.load())


# --- the command ---------------------------------------------------------------------------------------------------


def test_the_command_prints_a_line_for_each_resource_and_loads_nothing(cli: Cli) -> None:
    done = cli("plan")
    assert done.returncode == 0, done.stderr
    assert all(f"\n{name} " in done.stdout for name in DEFAULT)
    assert "told by" in done.stdout.splitlines()[-1]
    assert not cli.database.exists()


def test_what_the_key_may_not_read_is_said_and_ends_in_exit_code_3(cli: Cli, account: Account) -> None:
    with Sandbox(account, limits="off", keys={"pk_narrow": frozenset({"lists:read", "tags:read"})}) as narrow:
        done = cli(
            "plan",
            "--select",
            "lists,profiles,events",
            SOURCES__KLAVIYO__API_KEY="pk_narrow",
            SOURCES__KLAVIYO__BASE_URL=narrow.url,
        )
    assert done.returncode == 3, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines() if "not permitted" in line] == ["profiles", "events"]
    assert "profiles:read" in done.stdout


def test_json_has_one_object_for_each_resource(cli: Cli) -> None:
    done = cli("plan", "--select", "lists,tags", "--log-format", "json")
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    by_resource = {line["resource"]: line for line in lines if line["event"] == "planned"}
    assert by_resource.keys() == {"lists", "tags"}
    assert (by_resource["lists"]["rows"], by_resource["lists"]["requests"], by_resource["lists"]["exact"]) == (
        15,
        2,
        True,
    )
    assert [line["requests"] for line in lines if line["event"] == "plan"] == [3]


def test_a_wrong_key_is_wrong_configuration(cli: Cli) -> None:
    done = cli("plan", SOURCES__KLAVIYO__API_KEY="pk_wrong")
    assert done.returncode == 2
    assert "api_key" in done.stderr
    assert "Traceback" not in done.stderr


# --- what figures are made of --------------------------------------------------------------------------------------


def surveyed(times: Sequence[float], now: datetime, size: int = 100) -> tuple[Survey, int]:
    """A survey of rows at these times, with as many pages as a plan asks for."""
    survey = Survey(Range("", Window(BEGINNING, moment(now.isoformat()))))
    gap, start, asked = survey.pieces[0], 0.0, 0
    while True:
        page = times[bisect_left(times, start) :][:size]
        inside = [one for one in page if one < gap.end]
        survey.see(gap, start, inside, last=len(page) < size or len(inside) < size or inside[-1] == times[-1])
        asked += 1
        if asked == PAGES or not (gaps := [*survey.gaps()]):
            return survey, asked
        wanted = max(gaps, key=lambda one: one.most)
        gap, start = wanted.piece, wanted.piece.start if wanted.most <= size else float(int(wanted.probe))


def grown(seed: int, now: datetime) -> list[float]:
    """When the profiles of an account were created: some by an import on its first days, the others as it grew."""
    dice = Random(seed)
    rows, imported, growth = dice.choice([900, 5_000, 100_000]), dice.choice([0.0, 0.2, 0.5]), dice.choice([0.01, 3.0])
    span, hours = 3 * 365 * 86_400, dice.choice([1, 8, 48])
    began = now.timestamp() - span
    first = [began + hours * 3600 * dice.random() for _ in range(int(rows * imported))]
    later = [began + span * math.log(1 + dice.random() * math.expm1(growth)) / growth for _ in range(rows - len(first))]
    return sorted([*first, *later])


def test_accounts_that_grew_are_reckoned_well_within_a_fifth() -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    accounts = [grown(seed, now) for seed in range(30)]
    told = [surveyed(times, now)[0].rows / len(times) for times in accounts]
    assert all(abs(ratio - 1) < 0.1 for ratio in told), sorted(told)


def test_a_crowd_behind_a_lonely_row_is_found() -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    dice, began = Random(3), now.timestamp() - 2 * 365 * 86_400
    crowd = [began + 3_600 + 600 * dice.random() for _ in range(800)]
    later = [began + 2 * 365 * 86_400 * dice.random() for _ in range(2_200)]
    survey, _ = surveyed(sorted([began, *crowd, *later]), now)
    assert survey.rows == pytest.approx(3_001, rel=0.2)


def test_a_few_rows_changed_in_one_second_are_not_taken_for_a_crowd() -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    began = now.timestamp() - 2 * 365 * 86_400
    for seed in range(10):
        dice = Random(seed)
        alone = [began + 2 * 365 * 86_400 * dice.random() for _ in range(300)]
        together = [instant + 1 for instant in dice.sample(alone, 12) for _ in range(5)]
        survey, _ = surveyed(sorted([*alone, *together]), now, size=10)
        assert survey.rows == pytest.approx(360, rel=0.25)


def test_rows_that_fit_into_the_pages_are_counted() -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    survey, asked = surveyed([now.timestamp() - 86_400 * day for day in range(250, 0, -1)], now)
    assert (survey.rows, survey.complete) == (250, True)
    assert asked <= 4


def test_minutes_are_those_that_our_share_of_the_limit_takes() -> None:
    events = contract.load(REVISION).collection("/api/events")
    # 3,500 a minute, of which we take nine tenths.
    assert at_full_rate(Limiter(0.9), events, 3_150) == pytest.approx(10, abs=1)
    assert at_full_rate(Limiter(0.9), events, 3_151) == 60
    assert at_full_rate(Limiter(0.9), events, 10_000) == 180


def test_klaviyos_counts_are_the_events_of_each_day(sandbox: Sandbox) -> None:
    client, tally = Client(KEY, sandbox.url, REVISION, Limiter(1.0), sleep=lambda _: None), Tally("events")
    sandbox.api.faults.ordered.append(Fault(kind="status", status=503, path="/api/metric-aggregates", times=1))
    events = [sandbox.account.events.at(place) for place in range(len(sandbox.account.events))]
    metric = next(one.metric_id for one in events if datetime.fromtimestamp(one.second, UTC).year == 2026)
    assert metric
    window = Window(moment("2026-01-01"), moment("2026-07-01T12:00:00"))
    found = event_counts(client, contract.load(REVISION), metric, window, tally)
    truth = [
        datetime.fromtimestamp(one.second, UTC).date()
        for one in events
        if one.metric_id == metric and window.start.timestamp() <= one.second < window.end.timestamp()
    ]
    assert {day.date(): count for day, count in found.items()} == {day: truth.count(day) for day in truth}
    assert (tally.requests, tally.retries) == (2, 1)


def test_a_refused_count_names_the_method_and_the_endpoint(sandbox: Sandbox) -> None:
    client = Client(KEY, sandbox.url, REVISION)
    window = Window(moment("2026-01-01"), moment("2026-02-01"))
    with pytest.raises(BadRequest, match="POST /api/metric-aggregates: refused"):
        event_counts(client, contract.load(REVISION), "nothing", window, Tally("events"))
