"""Klaviyo's own counts of a metric's events, day by day: `POST /api/metric-aggregates`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec
import pendulum
from pendulum import DateTime

from sources.klaviyo.client import Client
from sources.klaviyo.contract import Contract, Endpoint
from sources.klaviyo.errors import MalformedPage
from sources.klaviyo.tally import Tally
from sources.klaviyo.windows import Window, stamp

LONGEST: Final = timedelta(days=365)
"""The most time that one request may span."""

Counts = dict[DateTime, int]
"""Events by the UTC day in which they happened; days without any are left out."""


class Measurements(msgspec.Struct):
    count: list[float]


class Row(msgspec.Struct):
    measurements: Measurements


class Attributes(msgspec.Struct):
    dates: list[datetime]
    data: list[Row]


class Data(msgspec.Struct):
    attributes: Attributes


class Document(msgspec.Struct):
    data: Data


DOCUMENT: Final = msgspec.json.Decoder(Document)


def endpoint(contract: Contract) -> Endpoint:
    return contract.endpoints["POST /api/metric-aggregates"]


def daily_counts(client: Client, contract: Contract, metric: str, window: Window, tally: Tally) -> Counts:
    """The metric's events in a window of at most a year. Raises a KlaviyoError: BadRequest for a metric that is not counted."""
    where = endpoint(contract)
    body = msgspec.json.encode({"data": {"type": "metric-aggregate", "attributes": question(metric, window)}})
    return client.read(where, where.path, counts, tally, body)


def question(metric: str, window: Window) -> dict[str, object]:
    return {
        "metric_id": metric,
        "measurements": ["count"],
        "interval": "day",
        "filter": [
            f"greater-or-equal(datetime,{stamp(window.start)})",
            f"less-than(datetime,{stamp(window.end)})",
        ],
        "timezone": "UTC",
    }


def counts(body: bytes) -> Counts:
    """Raises MalformedPage for a body that is not the whole answer."""
    try:
        answer = DOCUMENT.decode(body).data.attributes
        return {
            pendulum.instance(day): int(number)
            for row in answer.data
            for day, number in zip(answer.dates, row.measurements.count, strict=True)
            if number
        }
    except (msgspec.MsgspecError, ValueError) as error:
        raise MalformedPage(f"not an answer of metric aggregates: {type(error).__name__}") from None
