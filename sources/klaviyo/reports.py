"""The table of reports: what Klaviyo reckons for campaigns, flows, forms and segments, one entry each.

A row says what it is about and for which day or month of the account's own calendar, never when it was asked for: asking
again replaces it. Series are told by day. Values are told by calendar month, because rates and numbers of people do not
add up over days: these are the figures that Klaviyo itself shows for a month.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any, Final, Generic, TypeVar

import msgspec
import pyarrow as pa
from pendulum import DateTime

from sources.klaviyo.account import Account
from sources.klaviyo.contract import Contract, Endpoint, ReportFacts
from sources.klaviyo.documents import Links, decoded
from sources.klaviyo.errors import MalformedPage
from sources.klaviyo.planner import Here, Period, Question
from sources.klaviyo.tables import DELETED_AT, Column, arrow_schema, column_hints

LONGEST_SERIES: Final = timedelta(days=60)
"""Of a daily series."""
A_MONTH: Final = timedelta(days=31)
SECOND: Final = timedelta(seconds=1)

CAMPAIGN: Final = ("campaign_id", "campaign_message_id", "variation", "send_channel")
FLOW: Final = ("flow_id", "flow_message_id", "variation", "send_channel")
FORM: Final = ("form_id", "form_version_id")
SEGMENT: Final = ("segment_id",)
SEGMENTS_SINCE: Final = date(2023, 6, 1)


@dataclass(frozen=True, kw_only=True)
class Report:
    """One raw table, and the report that fills it."""

    name: str
    by: tuple[str, ...]
    """What rows are told apart by, beside conversion metric and time."""
    with_conversions: bool = False
    """Whether each question is about one conversion metric."""
    since: date | None = None
    """Klaviyo has nothing of earlier days."""

    @property
    def period(self) -> Period:
        return "day" if self.name.endswith("_series") else "month"

    @property
    def grain(self) -> str:
        words = [name.removesuffix("_id").replace("_", " ") for name in self.told_by]
        return f"one row per {', '.join(words)} and {self.period}{' of sending' if self.with_conversions else ''}"

    @property
    def told_by(self) -> tuple[str, ...]:
        return (*self.by, "conversion_metric_id") if self.with_conversions else self.by

    @property
    def longest(self) -> timedelta:
        """What one question may span: values are of one month each."""
        return LONGEST_SERIES if self.period == "day" else A_MONTH

    @property
    def path(self) -> str:
        return f"/api/{self.name.replace('_', '-')}-reports"

    def endpoint(self, contract: Contract) -> Endpoint:
        return contract.endpoints[f"POST {self.path}"]

    def facts(self, contract: Contract) -> ReportFacts:
        facts = self.endpoint(contract).report
        assert facts
        return facts

    def table(self, contract: Contract) -> ReportTable:
        facts = self.facts(contract)
        return ReportTable(
            name=self.name,
            key=(*self.told_by, self.period),
            period=self.period,
            columns=(
                *(Column(name, "text") for name in self.told_by),
                Column(self.period, "date"),
                *(Column(name, "double") for name in facts.statistics),
                Column(DELETED_AT, "timestamp"),
            ),
        )

    def tells(self, row: Row, metric: str) -> bool:
        """Whether a row of its table is of an answer about this metric."""
        return not self.with_conversions or row["conversion_metric_id"] == metric

    def metrics(self, account: Account, names: Sequence[str]) -> list[str]:
        """The conversion metrics to ask about, one at a time; one empty id for a report without."""
        return account.metrics_named(names) if self.with_conversions else [""]

    def request(self, question: Question, contract: Contract, here: Here, rest: str = "") -> tuple[str, bytes]:
        """Where to ask, and the body; `rest` is where the last answer said that it goes on."""
        endpoint, facts = self.endpoint(contract), self.facts(contract)
        attributes: dict[str, object] = {
            "statistics": facts.statistics,
            # Offsets are ignored: Klaviyo takes these for the account's own time.
            "timeframe": {
                "start": local(question.window.start),
                "end": local(min(question.window.end - SECOND, here.now)),
            },
        }
        if facts.group_by:
            attributes["group_by"] = self.by
        if facts.intervals:
            attributes["interval"] = "daily"
        if self.with_conversions:
            attributes["conversion_metric_id"] = question.metric
        data = {"type": contract.objects[endpoint.object].type, "attributes": attributes}
        return rest or self.path, msgspec.json.encode({"data": data})

    def answer(self, body: bytes, question: Question, _here: Here) -> Answer:
        """Raises MalformedPage for what is not the whole answer."""
        try:
            document = decoded(DOCUMENT, body)
            rows = [*self.rows(document.data.attributes, question)]
        except (msgspec.MsgspecError, ValueError, TypeError) as error:
            raise MalformedPage(f"not an answer of {self.path}: {type(error).__name__}") from None
        return Answer(rows, document.next)

    def rows(self, told: Attributes, question: Question) -> Iterator[Row]:
        metric = {"conversion_metric_id": question.metric} if question.metric else {}
        for result in told.results:
            # Klaviyo leaves out, or gives null for, what a message does not have; a key must not be null.
            about = {name: str(result.groupings.get(name) or "") for name in self.by} | metric
            if self.period == "month":
                yield about | {self.period: question.window.start.date()} | one_number_each(result.statistics)
                continue
            days = [day_of(text) for text in told.date_times or ()]
            series = lists_of(result.statistics, len(days))
            for place, day in enumerate(days):
                if question.window.start.date() <= day < question.window.end.date():
                    yield about | {self.period: day} | {name: values[place] for name, values in series.items()}


@dataclass(frozen=True, kw_only=True)
class ReportTable:
    """One raw table; keys first."""

    name: str
    key: tuple[str, ...]
    period: str
    """The column of the day or month that a row is about."""
    columns: tuple[Column, ...]

    @cached_property
    def schema(self) -> pa.Schema:
        return arrow_schema(self.columns)

    def hints(self, columns: tuple[Column, ...]) -> dict[str, dict[str, Any]]:
        return column_hints(columns, self.key)


Row = dict[str, Any]
Statistics = dict[str, float | list[float | None] | None]


class Result(msgspec.Struct):
    groupings: dict[str, str | int | None]
    statistics: Statistics


class Attributes(msgspec.Struct):
    results: list[Result]
    date_times: list[str] | None = None


Told = TypeVar("Told")


class Data(msgspec.Struct, Generic[Told]):
    attributes: Told


class Document(msgspec.Struct, Generic[Told]):
    """What questions are answered with."""

    data: Data[Told]
    links: Links | None = None

    @property
    def next(self) -> str | None:
        return self.links.next if self.links else None


DOCUMENT: Final = msgspec.json.Decoder(Document[Attributes])


@dataclass(frozen=True)
class Answer:
    rows: list[Row]
    next: str | None
    """Where the rest of the answer is."""


def one_number_each(statistics: Statistics) -> Statistics:
    if any(isinstance(value, list) for value in statistics.values()):
        raise TypeError("a list among values")
    return statistics


def lists_of(statistics: Statistics, length: int) -> dict[str, list[float | None]]:
    lists = {name: values for name, values in statistics.items() if isinstance(values, list) and len(values) == length}
    if len(lists) < len(statistics):
        raise TypeError("a series is not as long as its days")
    return lists


def day_of(text: str) -> date:
    """The account's local day, whatever the offset that is printed with it."""
    return date.fromisoformat(text[:10])


def local(moment: DateTime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S+00:00")


REPORTS: Final = (
    Report(name="campaign_values", by=CAMPAIGN, with_conversions=True),
    Report(name="flow_values", by=FLOW, with_conversions=True),
    Report(name="flow_series", by=FLOW, with_conversions=True),
    Report(name="form_values", by=FORM),
    Report(name="form_series", by=FORM),
    Report(name="segment_values", by=SEGMENT, since=SEGMENTS_SINCE),
    Report(name="segment_series", by=SEGMENT, since=SEGMENTS_SINCE),
)

NAMES: Final = tuple(report.name for report in REPORTS)
