"""Reports and metric aggregates in the warehouse, through the command line and the main job."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pendulum
import pytest
from pendulum import DateTime

from pipelines.errors import ConfigurationError, Exit
from pipelines.load import Request, load, named
from pipelines.progress import LogWatch
from pipelines.reports import REPORT_NAMES
from pipelines.runs import Run
from pipelines.settings import Settings, read_settings
from pipelines.status import status
from pipelines.warehouse import Warehouse
from sandbox.account import Account, Event, Events
from sandbox.faults import Fault
from sandbox.server import Sandbox
from sandbox.story import synthesize
from sources.klaviyo.reporting import Asking
from sources.klaviyo.reports import NAMES
from sources.klaviyo.windows import moment
from tests.conftest import KEY, ROOT, Cli, both_revisions
from tests.pipelines.warehouse import rows

ZONE = ZoneInfo("America/New_York")
TODAY = datetime.now(ZONE).date()
SINCE = TODAY.replace(day=1)

# One question each, so that no test waits for a limit of two a minute.
RECENT = {
    "SOURCES__KLAVIYO__START_DATE": datetime(SINCE.year, SINCE.month, 1, 12, tzinfo=ZONE).astimezone(UTC).isoformat(),
    "SOURCES__KLAVIYO__REPORT_OPEN_DAYS": "1",
}
OPENINGS = {"metric": "Opened Email", "measurements": ["count", "unique"], "by": ["$message"]}
ORDERS = {"metric": "Placed Order (Shopify)", "measurements": ["count", "sum_value"], "by": ["$attributed_message"]}
DECLARED = {"SOURCES__KLAVIYO__METRIC_AGGREGATES": json.dumps([OPENINGS, ORDERS])}


@pytest.fixture
def account() -> Account:
    return synthesize(scale=0.1)


def events(account: Account, metric: str) -> Iterator[Event]:
    ids = {one.id for one in account.objects["metric"].values() if one.attributes["name"] == metric}
    for event in map(account.events.at, range(len(account.events))):
        if event.metric_id in ids and event.second < datetime.now(UTC).timestamp():
            yield event


def day_of(event: Event) -> Any:
    return datetime.fromtimestamp(event.second, ZONE).date()


@both_revisions
def test_reports_of_messages_equal_the_events_of_their_days(cli: Cli, sandbox: Sandbox) -> None:
    done = cli.load("--select", ",".join(NAMES), **RECENT)
    for name in NAMES:
        assert f"{name} " in done.stdout
    told = rows(cli, "flow_series")
    assert {row["day"] for row in told} <= {SINCE + timedelta(days=number) for number in range(TODAY.day)}
    delivered: Counter[Any] = Counter()
    for row in told:
        if row["send_channel"] == "email":
            delivered[row["day"], row["flow_message_id"]] += int(row["delivered"])
    expected: Counter[Any] = Counter()
    for event in events(sandbox.account, "Received Email"):
        properties = event.properties or {}
        if properties.get("$flow") and day_of(event) >= SINCE:
            expected[day_of(event), properties["$message"]] += 1
    assert +delivered == +expected
    loads = {row[0] for row in cli.query("select load_id from klaviyo._dlt_loads")}
    for name in NAMES:
        assert all(row["_dlt_load_id"] in loads and row["_deleted_at"] is None for row in rows(cli, name))


@dataclass
class Nightly:
    """Runs of one configuration, on whichever machine, without the resources, which other tests load."""

    sandbox: Sandbox
    home: Path
    monkeypatch: pytest.MonkeyPatch
    revision: str

    @property
    def database(self) -> Path:
        return self.home / "warehouse.duckdb"

    def load(self, *, machine: str = "one", full_refresh: str = "", days: Sequence[date] = (), **settings: Any) -> Run:
        """A run, of a range only where days are given: the first, and the first that is not in it."""
        self.monkeypatch.setenv("DLT_DATA_DIR", str(self.home / machine))
        self.monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(self.database))
        since = settings.pop("start_date", moment(RECENT["SOURCES__KLAVIYO__START_DATE"]))
        chosen = Settings(
            api_key=KEY,
            base_url=self.sandbox.url,
            revision=self.revision,
            start_date=since,
            asking=Asking(open_days=1),
            **settings,
        )
        start, end = map(midnight, days) if days else (None, None)
        again = frozenset({full_refresh} - {""})
        request = Request(resources=(), start=start, end=end, full_refresh=again)
        return load(chosen, Warehouse("duckdb"), request, LogWatch())

    def reports_asked(self) -> int:
        return sum(1 for request in self.sandbox.api.requests if request["method"] == "POST")


@pytest.fixture
def nightly(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, revision: str) -> Nightly:
    return Nightly(sandbox, tmp_path, monkeypatch, revision)


def test_reports_that_the_settings_name_come_with_every_run_and_no_others(nightly: Nightly) -> None:
    nightly.load()
    assert nightly.reports_asked() == 0
    run = nightly.load(reports=("form_series",))
    assert run.exit is Exit.DONE, run.message
    assert nightly.reports_asked() == 1
    run = nightly.load(reports=("form_series",))
    assert [tally.status for tally in run.tallies] == ["complete"]
    assert nightly.reports_asked() == 1, "open days were just read"


def test_another_machine_goes_on_within_the_same_allowance(nightly: Nightly) -> None:
    nightly.load(reports=("form_series",))
    run = nightly.load(reports=("form_series",), machine="two", full_refresh="form_series")
    assert run.exit is Exit.DONE, run.message
    (spent,) = status(Warehouse("duckdb"), nightly.revision, 0.9).spending
    assert (spent.report, spent.spent, spent.allowed, spent.resumes) == (
        "form_series",
        nightly.reports_asked(),
        202,
        None,
    )
    assert spent.spent == 2


def test_rows_that_klaviyo_no_longer_tells_are_marked_and_keep_their_figures(nightly: Nightly) -> None:
    since = pendulum.now("UTC").subtract(days=50)
    nightly.load(reports=("form_series",), start_date=since)
    told = {(row["form_version_id"], row["day"]): row for row in rows(nightly, "form_series")}
    lost = Counter(version for (version, _), row in told.items() if row["viewed_form"]).most_common(1)[0][0]
    days = sorted(day for (version, day), row in told.items() if version == lost and row["viewed_form"])
    first, *_, last, after = days[1:]
    account = nightly.sandbox.account
    others = [one for one in map(account.events.at, range(len(account.events))) if about(one) != lost]
    account.events = Events(others)
    nightly.sandbox.changed()
    run = nightly.load(reports=("form_series",), start_date=since, days=(first, after), machine="two")
    found = {(row["form_version_id"], row["day"]): row for row in rows(nightly, "form_series")}
    gone = {(lost, day) for day in days if first <= day <= last}
    assert {key for key, row in found.items() if row["_deleted_at"]} == gone
    assert run.vanished == {"form_series": len(gone)}
    changing = ("_deleted_at", "_dlt_load_id")
    for key in gone:
        assert {**found[key], **dict.fromkeys(changing)} == {**told[key], **dict.fromkeys(changing)}


def about(event: Event) -> object:
    """The form version that an event tells of."""
    return (event.properties or {}).get("form_version_id")


def midnight(day: date) -> DateTime:
    return pendulum.datetime(day.year, day.month, day.day, tz=ZONE)


def declared_in_the_example() -> str:
    """The project's own configuration, with the aggregates that it shows in comments."""
    text = (ROOT / ".dlt/config.toml").read_text()
    start = text.index("# [[sources.klaviyo.metric_aggregates]]")
    end = text.index("\n\n", start)
    example = "".join(line.removeprefix("# ").removeprefix("#") for line in text[start:end].splitlines(keepends=True))
    return example.replace('"Placed Order"', '"Placed Order (Shopify)"')


def test_declared_aggregates_equal_the_events(cli: Cli, sandbox: Sandbox) -> None:
    (cli.home / ".dlt").mkdir()
    (cli.home / ".dlt/config.toml").write_text(declared_in_the_example())
    cli.load("--select", "metric_aggregates", **RECENT)
    found: Counter[Any] = Counter()
    for row in rows(cli, "metric_aggregates"):
        dimensions = json.loads(row["dimensions"])
        if "$message" in dimensions:
            found[row["day"], dimensions["$message"]] += int(row["count"])
    expected: Counter[Any] = Counter()
    for event in events(sandbox.account, "Opened Email"):
        if day_of(event) >= SINCE:
            expected[day_of(event), (event.properties or {}).get("$message") or ""] += 1
    assert found == expected
    assert expected
    worth = cli.query("select sum(sum_value) from klaviyo.metric_aggregates where sum_value is not null")[0][0]
    shopify = {
        one.id
        for one in sandbox.account.objects["metric"].values()
        if one.attributes["name"] == "Placed Order" and one.attributes["integration"]["name"] == "Shopify"
    }
    orders = [
        one for one in events(sandbox.account, "Placed Order") if one.metric_id in shopify and day_of(one) >= SINCE
    ]
    assert worth == pytest.approx(sum((one.properties or {})["$value"] for one in orders))


def test_a_day_that_is_spent_ends_the_run_well_and_says_when_it_goes_on(cli: Cli, sandbox: Sandbox) -> None:
    spent = Fault("status", path="/api/form-series-reports", status=429, retry_after=30_000, times=1)
    sandbox.api.faults.ordered.append(spent)
    done = cli.load("--select", "form_series", **RECENT)
    assert "form_series: " in done.stdout
    assert "1 questions are left and go on from" in done.stdout
    told = cli("status", **RECENT).stdout
    assert "questions are left" in told
    assert cli.query("select count(*) from klaviyo.form_series")[0][0] == 0


def test_plan_tells_what_is_due_and_what_is_spent(cli: Cli, sandbox: Sandbox) -> None:
    settings = RECENT | DECLARED | {"SOURCES__KLAVIYO__REPORTS": "flow_series"}
    told = cli("plan", "--select", "flow_series,metric_aggregates", **settings)
    assert told.returncode == 0, told.stderr
    assert "questions due" in told.stdout
    line = next(line for line in told.stdout.splitlines() if line.startswith("flow_series"))
    assert line.split()[1:4] == ["0", "202", "1"]
    assert "rows are" not in told.stdout, "there are no resources to tell of"
    assert "0 requests and 3 questions" in told.stdout
    assert not [request for request in sandbox.api.requests if request["method"] == "POST"]


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"SOURCES__KLAVIYO__REPORTS": "flow_serious"}, "no report named flow_serious"),
        ({"SOURCES__KLAVIYO__METRIC_AGGREGATES": '[{"metric": "A", "by": ["Colour"]}]'}, "no dimension Colour"),
        ({"SOURCES__KLAVIYO__METRIC_AGGREGATES": '[{"metric": "A"}, {"metric": "A"}]'}, "declared twice"),
        ({"SOURCES__KLAVIYO__METRIC_AGGREGATES": '[{"measurements": ["count"]}]'}, "metric"),
        ({"SOURCES__KLAVIYO__CONVERSION_METRICS": "[1]"}, "sources.klaviyo.conversion_metrics"),
        ({"SOURCES__KLAVIYO__REPORT_MINUTES": "soon"}, "sources.klaviyo.report_minutes"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, str], complaint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"SOURCES__KLAVIYO__API_KEY": "pk", **settings}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=complaint):
        read_settings()


def test_an_unknown_name_is_answered_with_reports_among_those_that_there_are() -> None:
    with pytest.raises(ConfigurationError, match=", ".join(REPORT_NAMES)):
        named(["flow_series", "nope"])


def test_an_unknown_conversion_metric_fails_its_report_and_nothing_else(cli: Cli) -> None:
    done = cli(
        "run",
        "--no-transform",
        "--select",
        "flow_series,form_series",
        **RECENT,
        SOURCES__KLAVIYO__CONVERSION_METRICS="Placed Ordre",
    )
    assert done.returncode == 1
    assert "no metric named Placed Ordre" in done.stdout
    assert rows(cli, "form_series")
