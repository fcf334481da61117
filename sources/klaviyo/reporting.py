"""Reports under way: what is due of each is asked, the most telling first, as far as time and the day's allowance go."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import dlt
import pendulum
import pyarrow as pa
from dlt.extract import DltResource
from pendulum import DateTime

from sources.klaviyo import contract
from sources.klaviyo.account import Account
from sources.klaviyo.aggregates import Aggregate
from sources.klaviyo.client import Client
from sources.klaviyo.contract import Endpoint
from sources.klaviyo.drift import Change
from sources.klaviyo.errors import (
    BadRequest,
    KlaviyoError,
    MalformedPage,
    NotPermitted,
    QuotaSpent,
    RevisionRetired,
    Stopped,
    Unauthorized,
)
from sources.klaviyo.handing import declared, empty
from sources.klaviyo.held import Held, Nothing
from sources.klaviyo.ledger import spelled, windows
from sources.klaviyo.package import Package
from sources.klaviyo.planner import Budget, Calendar, Here, Question, Refresh, State, midnight
from sources.klaviyo.reports import Answer, Report, ReportTable, Row
from sources.klaviyo.rows import Rows
from sources.klaviyo.tables import DELETED_AT
from sources.klaviyo.tally import Tally
from sources.klaviyo.windows import Window, intersection, moment, stamp, union

log = logging.getLogger(__name__)

A_DAY: Final = 86_400


@dataclass(frozen=True, kw_only=True)
class Asking:
    """How reports are asked, as far as that is for the user to say."""

    conversion_metrics: tuple[str, ...] = ()
    """Names; by default what the account calls revenue."""
    open_days: int = 30
    """How long figures of a day go on changing: the attribution window, and as long as messages are still opened."""
    refresh_hours: float = 20
    """Open days that were read so lately are not asked for again."""
    minutes: float = 10
    """What a run may spend on reports; the rest is left to the next one."""


@dataclass
class Reporting:
    """The reports of a run as dlt resources."""

    client: Client
    selected: Sequence[Report | Aggregate]
    asking: Asking = field(default_factory=Asking)
    start_date: DateTime | None = None
    start: DateTime | None = None
    end: DateTime | None = None
    full_refresh: frozenset[str] = frozenset()
    """Reports to ask for from the beginning, whatever has been read."""
    held: Held = field(default_factory=Nothing)
    now: DateTime = field(default_factory=lambda: pendulum.now("UTC"))
    package: Package = field(default_factory=Package)
    vanished: Counter[str] = field(default_factory=Counter, init=False)
    """Rows marked because Klaviyo no longer tells them, by table."""

    def __post_init__(self) -> None:
        self.contract = contract.load(self.client.revision)
        self.readings = [Reading(report, self) for report in self.selected]
        self.account = Account(
            self.client, self.contract, self.readings[0].tally if self.readings else Tally("account")
        )
        self.ends_at: float | None = None
        self.began = self.client.clock()

    def resources(self) -> list[DltResource]:
        """One dlt resource per report, of its name."""
        return [self.resource(reading) for reading in self.readings]

    def resource(self, reading: Reading) -> DltResource:
        def rows() -> Iterator[Any]:
            yield from reading.rows()

        return dlt.resource(rows, name=reading.name, parallelized=True)

    @property
    def tallies(self) -> list[Tally]:
        return [reading.tally for reading in self.readings]

    @property
    def finished(self) -> bool:
        return all(tally.ended for tally in self.tallies)

    def clock(self) -> DateTime:
        """What the time is since the run began."""
        return self.now + timedelta(seconds=self.client.clock() - self.began)

    def has_time_for(self, endpoint: Endpoint) -> bool:
        """Whether a request may be sent before the run has spent on reports what it may."""
        clock = self.client.clock()
        if self.ends_at is None:
            self.ends_at = clock + self.asking.minutes * 60
        return clock + self.client.limiter.wait(endpoint) < self.ends_at

    def close(self) -> None:
        """Nothing is held open."""


class Reading:
    """One report, over as many load packages as it takes."""

    def __init__(self, report: Report | Aggregate, reporting: Reporting) -> None:
        self.report = report
        self.reporting = reporting
        self.endpoint: Endpoint = report.endpoint(reporting.contract)
        self.table: ReportTable = report.table(reporting.contract)
        self.tally = Tally(report.name, (self.table.name,))
        self.remaining: list[Question] | None = None
        """What is still to be asked; None before it is known."""
        self.metrics: list[str] = []
        self.refused: list[str] = []
        """What Klaviyo says of conversion metrics that it does not reckon with."""

    @property
    def name(self) -> str:
        return self.report.name

    def rows(self, state: Callable[[], State] = dlt.current.resource_state) -> Iterator[Any]:
        """Yield answers until the package is full or nothing more is to be asked, and note what has then been read.

        A refusal or an outage ends the report, not the run; what it has not told stays due.
        """
        if self.tally.ended:
            return
        if not self.reporting.held.has(self.table):
            yield empty(self.table)
        budget = Budget(state, daily_share(self.endpoint, self.reporting.client.limiter.share), self.reporting.clock)
        try:
            yield from self.answers(state, budget)
        except KlaviyoError as error:
            self.give_up(error, budget)

    def answers(self, state: Callable[[], State], budget: Budget) -> Iterator[Any]:
        """Yield what each question brings. Raises a KlaviyoError: QuotaSpent where nothing more may be asked today."""
        if self.remaining is None:
            self.tally.status = "reading"
            self.remaining = self.due(state)
        while self.remaining:
            if not self.reporting.has_time_for(self.endpoint):
                return self.wait("the minutes that a run has for reports are over")
            try:
                told = self.ask(self.remaining[0], budget)
            except BadRequest as error:
                self.leave_out(self.remaining[0].metric, error)
                continue
            rows = self.arrow(told, self.gone(told, self.remaining[0]))
            yield declared(self.table, rows, self.table.columns)
            self.note(self.remaining.pop(0), state)
            if self.reporting.package.filled_by(Rows({self.table.name: rows}, {}, 0)):
                return None
        if self.refused:
            raise BadRequest("; ".join(self.refused))
        self.tally.status = "complete"
        return None

    def leave_out(self, metric: str, error: BadRequest) -> None:
        """Ask no more about a conversion metric that is refused; about others, Klaviyo may answer."""
        self.refused.append(f"conversion metric {metric}: {error}" if metric else str(error))
        self.remaining = [one for one in self.remaining or () if one.metric != metric]

    def due(self, state: Callable[[], State]) -> list[Question]:
        """What is to be asked in this run, the most telling first."""
        reporting = self.reporting
        calendar = self.calendar()
        metrics = self.metrics = self.report.metrics(reporting.account, reporting.asking.conversion_metrics)
        if reporting.start or reporting.end:
            asked = Window(self.local_day(reporting.start or calendar.since), self.local_end(reporting.end))
            return calendar.within(asked, metrics)
        noted = state()
        if self.table.name in reporting.full_refresh:
            noted.pop("read_of", None)
            noted.pop("refreshed", None)
        read = {metric: windows(noted.get("read_of", {}).get(metric, ())) for metric in metrics}
        refreshes = {metric: self.refresh(noted, metric) for metric in metrics}
        return calendar.questions(metrics, read, {metric: one for metric, one in refreshes.items() if one})

    def refresh(self, noted: State, metric: str) -> Refresh | None:
        """What has been read of open days, unless that began too long ago."""
        refreshed = noted.get("refreshed", {}).get(metric)
        lately = self.reporting.now - timedelta(hours=self.reporting.asking.refresh_hours)
        if refreshed is None or moment(refreshed["at"]) <= lately:
            return None
        return Refresh(moment(refreshed["end"]), windows(refreshed["windows"]))

    def calendar(self) -> Calendar:
        reporting, report = self.reporting, self.report
        since = self.local_day(reporting.start_date or reporting.account.beginning())
        if report.since:
            since = max(since, pendulum.datetime(report.since.year, report.since.month, report.since.day))
        today = self.local_day(self.reporting.now)
        return Calendar(report.period, min(since, today), today, reporting.asking.open_days, report.longest)

    def ask(self, question: Question, budget: Budget) -> list[Row]:
        """All pages of an answer; each is a request."""
        reporting = self.reporting
        here = Here(self.local(reporting.now), reporting.account.zone())
        rows: list[Row] = []
        rest, followed = "", {""}
        while True:
            if budget.left == 0:
                seconds = (budget.resumes - budget.clock()).total_seconds()
                raise QuotaSpent("the day's share of requests is spent", seconds)
            target, body = self.report.request(question, reporting.contract, here, rest)
            asked = Tally(self.name)

            def parse(answered: bytes) -> Answer:
                return self.report.answer(answered, question, here)

            try:
                answer = reporting.client.read(self.endpoint, target, parse, asked, body)
            finally:
                self.tally.add(asked)
                budget.spend(asked.requests)
            self.tally.count(pages=1, received=len(answer.rows))
            rows += answer.rows
            rest = answer.next or ""
            if not rest:
                return rows
            if rest in followed:
                raise MalformedPage(f"{self.name}: links.next leads back to a page already read")
            followed.add(rest)

    def arrow(self, rows: Sequence[Row], gone: Sequence[Row] = ()) -> pa.Table:
        """Rows as the table has them. A statistic that was not asked for is reported, and not loaded."""
        keys = {self.key(row) for row in rows}
        if len(keys) < len(rows):
            raise MalformedPage(f"{self.name}: Klaviyo told of one thing twice in one answer")
        known = {column.name for column in self.table.columns}
        self.tally.drift.changes |= {
            Change(self.table.name, name, "new_attribute", "not loaded: a statistic that was not asked for")
            for row in rows
            for name in row.keys() - known
        }
        self.tally.rows[self.table.name] += len(rows)
        return pa.Table.from_pylist([*rows, *gone], schema=self.table.schema)

    def gone(self, told: Sequence[Row], question: Question) -> list[Row]:
        """The rows that Klaviyo no longer tells, as they were told last, marked.

        Rows of nothing but zeros say no more than none: whether there are any depends on what else a question is about.
        """
        statistics = [column.name for column in self.table.columns if column.type == "double"]
        keys = {*map(self.key, told)}
        gone = [
            row | {DELETED_AT: self.reporting.now}
            for row in self.reporting.held.report_rows(self.table, question.window)
            if self.report.tells(row, question.metric)
            and self.key(row) not in keys
            and any(row.get(name) for name in statistics)
        ]
        self.reporting.vanished[self.table.name] += len(gone)
        return gone

    def key(self, row: Row) -> tuple[object, ...]:
        return tuple(row[name] for name in self.table.key)

    def note(self, question: Question, state: Callable[[], State]) -> None:
        """Keep which days have been read for good, and when open ones of a metric were read."""
        noted, metric = state(), question.metric
        self.tally.drift.note(noted, all_read=False)
        read_of = noted.setdefault("read_of", {})
        read_of[metric] = spelled(union([*windows(read_of.get(metric, ())), question.for_good]))
        noted["windows_read"] = {self.name: spelled(common([windows(read_of.get(one, ())) for one in self.metrics]))}
        if question.window.end <= question.settled or self.reporting.start or self.reporting.end:
            return
        refreshed = noted.setdefault("refreshed", {})
        if not self.refresh(noted, metric):
            refreshed[metric] = {"at": stamp(self.reporting.now), "end": stamp(self.calendar().end), "windows": []}
        lately = refreshed[metric]
        lately["windows"] = spelled(union([*windows(lately["windows"]), question.window]))

    def give_up(self, error: KlaviyoError, budget: Budget) -> None:
        if isinstance(error, QuotaSpent):
            if budget.left != 0:  # ours is not, but Klaviyo's is: other integrations have spent it
                budget.bar(error.seconds)
            return self.wait(str(error), budget.clock() + timedelta(seconds=error.seconds))
        if isinstance(error, Stopped):
            return self.wait(str(error))
        self.tally.status = "not_permitted" if isinstance(error, NotPermitted) else "failed"
        self.tally.error = str(error)
        if isinstance(error, Unauthorized | RevisionRetired):
            raise error
        log.warning("%s: %s", self.name, error)
        return None

    def wait(self, why: str, resumes: DateTime | None = None) -> None:
        """Leave the rest to another run."""
        self.tally.status = "unfinished"
        self.tally.left = len(self.remaining or ())
        when = f"from {stamp(resumes)} on" if resumes else "in the next run"
        self.tally.note = f"{why}; {self.tally.left} questions are left and go on {when}"
        log.info("%s: %s", self.name, self.tally.note)

    # --- time --------------------------------------------------------------------------------------------------------

    def local_day(self, instant: DateTime) -> DateTime:
        return midnight(self.local(instant))

    def local_end(self, end: DateTime | None) -> DateTime:
        """The first day after a range that ends at this instant."""
        return self.local_day((end or self.reporting.now + timedelta(days=1)) - timedelta(seconds=1)) + timedelta(
            days=1
        )

    def local(self, instant: DateTime) -> DateTime:
        """The account's own time, written as if it were UTC."""
        there = instant.astimezone(self.reporting.account.zone())
        return pendulum.datetime(there.year, there.month, there.day, there.hour, there.minute, there.second)


def common(read: Sequence[Sequence[Window]]) -> list[Window]:
    """The days that are in all."""
    first, *others = read
    found = list(first)
    for other in others:
        found = intersection(found, other)
    return found


def daily_share(endpoint: Endpoint, share: float) -> int | None:
    """Our share of what an endpoint may be asked a day; None where it has no such limit."""
    return next((max(int(limit.requests * share), 1) for limit in endpoint.limits if limit.seconds == A_DAY), None)
