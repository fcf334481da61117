"""Klaviyo's own counts of a metric's events, by the time at which they happened: `POST /api/metric-aggregates`.

A declared aggregate is a part of the table `metric_aggregates`: a metric, how it is measured, in which steps of time and
by which dimensions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Final, Literal
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import msgspec
import pendulum
from pendulum import DateTime

from sources.klaviyo.account import Account
from sources.klaviyo.client import Client
from sources.klaviyo.contract import Contract, Endpoint
from sources.klaviyo.documents import decoded
from sources.klaviyo.errors import MalformedPage
from sources.klaviyo.planner import Here, Period, Question
from sources.klaviyo.reports import Answer, Document, ReportTable, Row
from sources.klaviyo.tables import DELETED_AT, Column
from sources.klaviyo.tally import Tally
from sources.klaviyo.windows import Window, stamp

LONGEST: Final = timedelta(days=365)
"""The most time that one request may span."""

Counts = dict[DateTime, int]
"""Events by the UTC hour or day in which they happened; those without any are left out."""
Interval = Literal["hour", "day"]


class Told(msgspec.Struct):
    measurements: dict[str, list[float | None]]
    dimensions: list[str | None] = []


class Attributes(msgspec.Struct):
    dates: list[datetime]
    data: list[Told]


DOCUMENT: Final = msgspec.json.Decoder(Document[Attributes])


def endpoint(contract: Contract) -> Endpoint:
    return contract.endpoints["POST /api/metric-aggregates"]


def event_counts(  # noqa: PLR0917 - all but the last are what every question needs
    client: Client, contract: Contract, metric: str, window: Window, tally: Tally, interval: Interval = "day"
) -> Counts:
    """The metric's events in a window of at most a year. Raises a KlaviyoError: BadRequest for a metric that is not counted."""
    where = endpoint(contract)
    body = msgspec.json.encode({"data": {"type": "metric-aggregate", "attributes": question(metric, window, interval)}})
    return client.read(where, where.path, counts, tally, body)


def question(metric: str, window: Window, interval: Interval) -> dict[str, object]:
    return {
        "metric_id": metric,
        "measurements": ["count"],
        "interval": interval,
        "filter": [
            f"greater-or-equal(datetime,{stamp(window.start)})",
            f"less-than(datetime,{stamp(window.end)})",
        ],
        "timezone": "UTC",
    }


def counts(body: bytes) -> Counts:
    """Raises MalformedPage for a body that is not the whole answer."""
    try:
        answer = decoded(DOCUMENT, body).data.attributes
        return {
            pendulum.instance(start): int(number)
            for row in answer.data
            for start, number in zip(answer.dates, row.measurements["count"], strict=True)
            if number
        }
    except (msgspec.MsgspecError, ValueError, KeyError) as error:
        raise MalformedPage(f"not an answer of metric aggregates: {type(error).__name__}") from None


# --- declared aggregates ---------------------------------------------------------------------------------------------

TABLE: Final = "metric_aggregates"
PERIODS: Final[dict[str, Period]] = {"hour": "day", "day": "day", "week": "week", "month": "month"}
MEASUREMENTS: Final = ("count", "sum_value", "unique")


class Aggregate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One declaration, in the words of the configuration."""

    metric: str
    """Its name; two metrics of one name are told apart as `Placed Order (Shopify)`."""
    measurements: tuple[Literal["count", "sum_value", "unique"], ...] = ("count",)
    interval: Literal["hour", "day", "week", "month"] = "day"
    by: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Of the resource that dlt keeps its state under: another declaration begins anew."""
        spelled = msgspec.json.encode([self.metric, sorted(self.measurements), self.interval, self.by])
        return f"{TABLE}_{hashlib.sha256(spelled).hexdigest()[:8]}"

    @property
    def grain(self) -> str:
        return "one row per metric, interval, combination of dimensions and start of the interval"

    @property
    def rows_of(self) -> tuple[str, str, tuple[str, ...]]:
        """What makes its rows its own."""
        return self.metric, self.interval, self.by

    @property
    def period(self) -> Period:
        """Parts of a window begin where intervals do, or an interval would be counted in two parts."""
        return PERIODS[self.interval]

    @property
    def longest(self) -> timedelta:
        return LONGEST

    @property
    def since(self) -> date | None:
        return None

    def endpoint(self, contract: Contract) -> Endpoint:
        return endpoint(contract)

    def table(self, _contract: Contract) -> ReportTable:
        return ReportTable(
            name=TABLE,
            key=("metric_id", "interval", "dimensions", "starts_at"),
            period="day",
            columns=(
                Column("metric_id", "text"),
                Column("interval", "text"),
                # Text, not JSON: a part of the key is compared.
                Column("dimensions", "text"),
                Column("starts_at", "timestamp"),
                Column("day", "date"),
                *(Column(name, "double") for name in MEASUREMENTS),
                Column(DELETED_AT, "timestamp"),
            ),
        )

    def tells(self, row: Row, metric: str) -> bool:
        of = (row["metric_id"], row["interval"], [*msgspec.json.decode(row["dimensions"])])
        return of == (metric, self.interval, [*self.by])

    def metrics(self, account: Account, _conversions: Sequence[str]) -> list[str]:
        return account.metrics_named([self.metric])

    def request(self, asked: Question, contract: Contract, here: Here, rest: str = "") -> tuple[str, bytes]:
        """Where to ask, and the body; the cursor in `rest`, where the last answer went on, belongs in the body, too."""
        start, end = (instant(day, here.zone) for day in (asked.window.start, min(asked.window.end, here.now)))
        attributes: dict[str, object] = {
            "metric_id": asked.metric,
            "measurements": self.measurements,
            "interval": self.interval,
            "by": self.by,
            "filter": [f"greater-or-equal(datetime,{stamp(start)})", f"less-than(datetime,{stamp(end)})"],
            "timezone": here.zone.key,
        }
        if cursor := cursor_of(rest):
            attributes["page_cursor"] = cursor
        body = {"data": {"type": "metric-aggregate", "attributes": attributes}}
        return endpoint(contract).path, msgspec.json.encode(body)

    def answer(self, body: bytes, asked: Question, here: Here) -> Answer:
        """Rows of intervals in which anything happened. Raises MalformedPage for what is not the whole answer."""
        try:
            document = decoded(DOCUMENT, body)
            rows = [*self.rows(document.data.attributes, asked, here)]
        except (msgspec.MsgspecError, ValueError) as error:
            raise MalformedPage(f"not an answer of metric aggregates: {type(error).__name__}") from None
        return Answer(rows, document.next)

    def rows(self, told: Attributes, asked: Question, here: Here) -> Iterator[Row]:
        starts = [pendulum.instance(one) for one in told.dates]
        days = [start.astimezone(here.zone).date() for start in starts]
        for combination in told.data:
            values = dict(zip(self.by, combination.dimensions, strict=True))
            about = {
                "metric_id": asked.metric,
                "interval": self.interval,
                "dimensions": msgspec.json.encode({name: value or "" for name, value in values.items()}).decode(),
            }
            measured = combination.measurements
            for start, day, *numbers in zip(starts, days, *measured.values(), strict=True):
                if any(numbers):
                    yield about | {"starts_at": start, "day": day} | dict(zip(measured, numbers, strict=True))


def instant(day: DateTime, zone: ZoneInfo) -> DateTime:
    """The true time of what is written as the account's own."""
    return pendulum.instance(day.replace(tzinfo=zone)).in_timezone("UTC")


def cursor_of(link: str) -> str:
    parameters = parse_qs(urlsplit(link).query)
    return next((parameters[name][0] for name in ("page_cursor", "page[cursor]") if name in parameters), "")
