"""A shop of which every message, opening and order is written by hand, and the days on which its reports are asked for."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pendulum

from sandbox.account import Account, Attribution, Event, Events, Object
from sandbox.server import Sandbox
from sources.klaviyo.aggregates import Aggregate
from sources.klaviyo.client import Client
from sources.klaviyo.contract import Endpoint
from sources.klaviyo.held import Nothing
from sources.klaviyo.limits import Limiter
from sources.klaviyo.reporting import Asking, Reporting
from sources.klaviyo.reports import REPORTS, Report, ReportTable
from sources.klaviyo.tally import Tally
from sources.klaviyo.windows import Window
from tests.sandbox.tiny import PlainEvent, tiny_account
from tests.sources.clock import Clock

ZONE = ZoneInfo("America/New_York")
DAY = 86_400
FIRST = int(datetime(2025, 3, 1, 3, tzinfo=UTC).timestamp())
"""Late on 28 February in New York."""
LONGEST = 14
"""Days from a message to the last that it leads to."""

Row = dict[str, Any]
Expected = dict[tuple[str, str, date], dict[str, float]]
"""By message, conversion metric and local day of sending."""

METRICS = {"Placed Order": "ORDER", "Active on Site": "VISIT"}


@dataclass
class Shop:
    """A message of a flow every day, and of a campaign every fifth; opened, and bought from, days later."""

    days: int
    events: list[Event] = field(default_factory=list)
    told: Expected = field(default_factory=lambda: defaultdict(lambda: defaultdict(float)))

    def __post_init__(self) -> None:
        for number in range(self.days):
            self.send(
                "FMSG", number, {"$message": "FMSG", "$flow": "WELCOME"}, {"flow": "WELCOME", "flow-message": "FMSG"}
            )
            if number % 5 == 0:
                self.send("MAIL", number, {"$message": "MAIL"}, {"campaign": "SPRING", "campaign-message": "MAIL"})

    def send(self, message: str, number: int, about: dict[str, Any], leads_to: dict[str, str]) -> None:
        sent, person = FIRST + number * DAY, f"P{number}"
        day = datetime.fromtimestamp(sent, ZONE).date()
        opened = sent + number % 9 * DAY + 60
        self.happen("SENT", person, sent, about)
        self.happen("OPEN", person, opened, about)
        for place, metric in enumerate(METRICS.values()):
            told = self.told[message, metric, day]
            told["recipients"] += 1
            told["opens"] += 1
            self.happen(metric, person, opened + (3 + place) * DAY, {"$value": number + 1.25}, leads_to)
            told["conversions"] += 1
            told["conversion_value"] += number + 1.25

    def happen(
        self, metric: str, person: str, second: int, about: dict[str, Any], leads_to: dict[str, str] | None = None
    ) -> None:
        attributions = (Attribution(f"a{len(self.events)}", leads_to),) if leads_to else ()
        self.events.append(PlainEvent(f"e{len(self.events):06}", second, metric, person, attributions, about))

    def account(self) -> Account:
        account = tiny_account()
        account.events = Events(self.events)
        for id_, name in (("SENT", "Received Email"), ("OPEN", "Opened Email")):
            attributes = {"name": name, "created": "2025-02-28T12:00:00+00:00", "integration": None}
            account.objects["metric"][id_] = Object("metric", id_, attributes)
        for metric in METRICS.values():
            account.objects["metric"][metric].attributes["created"] = "2025-03-05T12:00:00+00:00"
        account.objects["account"]["ACC"].attributes["timezone"] = ZONE.key
        return account


def by_period(told: Expected, report: Report, message: str) -> dict[tuple[str, date], dict[str, float]]:
    """What the report should tell of a message, by conversion metric and period."""
    found: dict[tuple[str, date], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for (of, metric, day), statistics in told.items():
        if of == message:
            for name, value in statistics.items():
                found[metric, day.replace(day=1) if report.period == "month" else day][name] += value
    return found


class Recorded(Client):
    """Keeps what it asks reports."""

    questions: list[tuple[date, str, dict[str, Any]]]

    def ask(self, url: str, endpoint: Endpoint, tally: Tally, asked: bytes | None, authorization: str) -> bytes:
        if asked is not None:
            today = datetime.fromtimestamp(self.clock(), ZONE).date()
            self.questions.append((today, endpoint.path, json.loads(asked)["data"]["attributes"]))
        return super().ask(url, endpoint, tally, asked, authorization)


@dataclass
class Told(Nothing):
    """What reports have told."""

    tables: dict[str, dict[tuple[Any, ...], Row]]

    def report_rows(self, table: ReportTable, days: Window) -> list[Row]:
        rows = self.tables[table.name].values()
        within = [row for row in rows if days.start.date() <= row[table.period] < days.end.date()]
        return [row for row in within if row["_deleted_at"] is None]


@dataclass
class Warehouse:
    """Tables as a destination would hold them, and the state committed with them."""

    sandbox: Sandbox
    clock: Clock = field(default_factory=Clock)
    tables: dict[str, dict[tuple[Any, ...], Row]] = field(default_factory=lambda: defaultdict(dict))
    state: dict[str, dict[str, Any]] = field(default_factory=lambda: defaultdict(dict))
    questions: list[tuple[date, str, dict[str, Any]]] = field(default_factory=list)
    """What has been asked of reports: the account's day, the path, the attributes."""

    def __post_init__(self) -> None:
        self.sandbox.api.windows.clock = self.clock

    def move_to(self, second: float) -> None:
        self.clock.now = max(second, self.clock.now)

    def run(
        self, *names: str, aggregates: Sequence[Aggregate] = (), revision: str = "2026-07-15", **arguments: Any
    ) -> Reporting:
        """One run, as a process of its own."""
        self.tell_time()
        limiter = Limiter(1.0, clock=self.clock, sleep=self.sleep)
        client = Recorded("pk_sandbox", self.sandbox.url, revision, limiter, sleep=self.sleep, clock=self.clock)
        client.questions = self.questions
        arguments.setdefault("start_date", pendulum.from_timestamp(FIRST))
        arguments["asking"] = replace(
            Asking(conversion_metrics=tuple(METRICS), open_days=LONGEST, minutes=10_000), **arguments.pop("asking", {})
        )
        selected: list[Report | Aggregate] = [*(report for report in REPORTS if report.name in names), *aggregates]
        now = pendulum.from_timestamp(self.clock())
        reporting = Reporting(client, selected, held=Told(self.tables), now=now, **arguments)
        while not reporting.finished:
            reporting.package.begin()
            for reading in reporting.readings:
                for item in reading.rows(partial(self.state.__getitem__, reading.name)):
                    self.upsert(reading.table.name, reading.table.key, item.data.to_pylist())
        return reporting

    def upsert(self, table: str, key: Sequence[str], rows: Sequence[Row]) -> None:
        for row in rows:
            self.tables[table][tuple(row[name] for name in key)] = row

    def rows(self, table: str) -> list[Row]:
        return [*self.tables[table].values()]

    def sleep(self, seconds: float) -> None:
        self.clock.sleep(seconds)
        self.tell_time()

    def tell_time(self) -> None:
        self.sandbox.api.settings = replace(self.sandbox.api.settings, now=datetime.fromtimestamp(self.clock(), UTC))

    def days_asked(self, name: str) -> Iterator[tuple[date, str, date]]:
        """For every question: when it was asked, of which conversion metric, and each day that it was about."""
        for today, path, attributes in self.questions:
            if path == f"/api/{name.replace('_', '-')}-reports":
                start, end = (date.fromisoformat(attributes["timeframe"][bound][:10]) for bound in ("start", "end"))
                for number in range((end - start).days + 1):
                    yield today, attributes.get("conversion_metric_id", ""), start + timedelta(days=number)

    def asked(self, name: str) -> list[dict[str, Any]]:
        path = f"/api/{name.replace('_', '-')}-reports"
        return [request for request in self.sandbox.api.requests if request["path"] == path]


@contextmanager
def opened(shop: Shop, **settings: Any) -> Iterator[Warehouse]:
    with Sandbox(shop.account(), **{"limits": "strict", **settings}) as sandbox:
        yield Warehouse(sandbox)


def local_day(number: int) -> date:
    """The day in New York on which the messages of that number were sent."""
    return datetime.fromtimestamp(FIRST + number * DAY, ZONE).date()


def a_day_after(number: int) -> float:
    """Noon in New York, on the day after that number of days."""
    return (datetime.fromtimestamp(FIRST, ZONE) + timedelta(days=number)).replace(hour=12).timestamp()
