"""`POST /api/metric-aggregates`: a metric's events counted by time, and by their properties."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from math import ceil
from typing import Any, Final, Literal, get_args
from zlib import crc32
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from sandbox.account import Account, Event
from sandbox.errors import ApiError, invalid, invalid_cursor, not_found
from sandbox.filters import Condition, holds, refuse_unparsable
from sandbox.jsonapi import Json, pick
from sandbox.query import Query
from sandbox.timelines import Ordered, Timelines

LONGEST: Final = timedelta(days=366)

Measurement = Literal["count", "sum_value", "unique"]

DIMENSIONS: Final = frozenset(
    (
        "$attributed_channel", "$attributed_flow", "$attributed_message", "$attributed_variation", "$campaign_channel",
        "$flow", "$flow_channel", "$message", "$message_send_cohort", "$usage_amount", "$value_currency", "$variation",
        "$variation_send_cohort", "Bot Click", "Bounce Type", "Campaign Name", "Client Canonical", "Client Name",
        "Client Type", "Email Domain", "Failure Source", "Failure Type", "From Number", "From Phone Region",
        "Inbox Provider", "List", "Message Format", "Message Name", "Message Type", "Method", "Segment Count",
        "Subject", "To Number", "To Phone Region", "URL", "form_id",
    )
)  # fmt: skip


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    metric_id: str
    measurements: list[Measurement]
    filter: list[str]
    interval: Literal["hour", "day", "week", "month"] | None = "day"
    by: list[str] | None = None
    timezone: str | None = "UTC"
    page_size: int | None = 500
    page_cursor: str | None = None
    sort: str | None = None
    return_fields: list[str] | None = None


class Data(msgspec.Struct):
    type: Literal["metric-aggregate"]
    attributes: Asked


class Body(msgspec.Struct):
    data: Data


@dataclass(slots=True)
class Row:
    """The measurements of one combination of dimensions."""

    buckets: int
    count: list[int] = field(init=False)
    sum_value: list[float] = field(init=False)
    people: list[set[str | None]] = field(init=False)

    def __post_init__(self) -> None:
        self.count = [0] * self.buckets
        self.sum_value = [0.0] * self.buckets
        self.people = [set() for _ in range(self.buckets)]

    def measurement(self, name: Measurement) -> list[Any]:
        return [len(people) for people in self.people] if name == "unique" else getattr(self, name)


Named = tuple[tuple[str, ...], Row]


def aggregate(account: Account, timelines: Timelines, query: Query, body: bytes, address: str) -> Json:
    asked = _asked(body)
    _refuse_unknown(asked, account)
    zone = _zone(asked)
    conditions = [one for text in asked.filter for one in refuse_unparsable(text)]
    start, end = _range(conditions, zone)
    starts = list(_buckets(start, end, asked.interval or "day", zone))
    matching = [one for one in conditions if one.field != "datetime"]
    rows = _rows(_between(timelines.of(asked.metric_id), start, end), asked, starts, matching)
    shown, cursor = _page(_sorted(rows, asked), asked)
    attributes = {
        "dates": [one.isoformat() for one in starts],
        "data": [
            {
                "dimensions": list(dimensions),
                "measurements": {name: row.measurement(name) for name in asked.measurements},
            }
            for dimensions, row in shown
        ],
    }
    fields = query.fields.get("metric-aggregate")
    return {
        "data": {
            "type": "metric-aggregate",
            "id": str(crc32(body)),
            "attributes": attributes if fields is None else pick(attributes, fields),
            "links": {"self": f"{address.rstrip('/')}/"},
        },
        "links": {
            "self": query.url(address),
            "next": None if cursor is None else query.url(address, cursor=cursor),
            "prev": None,
        },
    }


def _asked(body: bytes) -> Asked:
    try:
        return msgspec.json.decode(body, type=Body).data.attributes
    except msgspec.ValidationError as problem:
        raise invalid(str(problem), pointer="/data/attributes") from None
    except msgspec.DecodeError:
        raise invalid("Invalid JSON.") from None


def _refuse_unknown(asked: Asked, account: Account) -> None:
    if asked.metric_id in account.objects.get("custom-metric", {}):
        raise _refused("metric_id", "Custom metrics are not supported.")
    if asked.metric_id not in account.objects.get("metric", {}):
        raise not_found("metric", asked.metric_id)
    if not asked.measurements:
        raise _refused("measurements", "At least one measurement is required.")
    for name in asked.by or ():
        if name not in DIMENSIONS:
            raise _refused("by", f"'{name}' is not a valid dimension.")
    sortable = DIMENSIONS.union(get_args(Measurement))
    if asked.sort is not None and asked.sort.removeprefix("-") not in sortable:
        raise _refused("sort", f"'{asked.sort}' is not a valid sort key.")


def _refused(field_: str, detail: str) -> ApiError:
    return invalid(detail, pointer=f"/data/attributes/{field_}")


def _zone(asked: Asked) -> ZoneInfo:
    try:
        return ZoneInfo(asked.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        raise _refused("timezone", f"'{asked.timezone}' is not a valid timezone.") from None


def _range(conditions: list[Condition], zone: tzinfo) -> tuple[datetime, datetime]:
    """The two compulsory bounds; without an offset they are local to the timezone asked for."""
    bounds = {one.operator: one.value for one in conditions if one.field == "datetime"}
    if bounds.keys() != {"greater-or-equal", "less-than"}:
        raise _refused("filter", "Both greater-or-equal and less-than filters on datetime are required.")
    try:
        start, end = (_local(bounds[operator], zone) for operator in ("greater-or-equal", "less-than"))
    except (TypeError, ValueError):
        raise _refused("filter", "Invalid datetime.") from None
    if not start < end <= start + LONGEST:
        raise _refused("filter", "The time range must be positive and at most one year.")
    return start, end


def _local(text: str, zone: tzinfo) -> datetime:
    parsed = datetime.fromisoformat(text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=zone)


def _buckets(start: datetime, end: datetime, interval: str, zone: tzinfo) -> Iterable[datetime]:
    """The true instants at which the local intervals begin."""
    bucket = _floor(start.astimezone(zone), interval)
    while bucket < end:
        yield bucket.astimezone(UTC)
        bucket = _next(bucket, interval)


def _floor(local: datetime, interval: str) -> datetime:
    hour = local.replace(minute=0, second=0, microsecond=0)
    if interval == "hour":
        return hour
    day = hour.replace(hour=0)
    if interval == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if interval == "month" else day


def _next(local: datetime, interval: str) -> datetime:
    if interval == "hour":  # on the clock of the world: a local hour can come twice, or not at all
        return (local.astimezone(UTC) + timedelta(hours=1)).astimezone(local.tzinfo)
    if interval == "month":
        return _floor(local + timedelta(days=31), "month")
    return local + timedelta(days=7 if interval == "week" else 1)


def _between(timeline: Ordered, start: datetime, end: datetime) -> Sequence[Event]:
    return timeline.some(range(timeline.index(ceil(start.timestamp())), timeline.index(ceil(end.timestamp()))))


def _rows(
    events: Iterable[Event], asked: Asked, starts: list[datetime], conditions: list[Condition]
) -> dict[tuple[str, ...], Row]:
    seconds = [one.timestamp() for one in starts]
    dimensions = tuple(asked.by or ())
    rows: dict[tuple[str, ...], Row] = {} if dimensions else {(): Row(len(starts))}
    for event in events:
        if not all(holds(condition, (_dimension(event, condition.field),)) for condition in conditions):
            continue
        key = tuple(_dimension(event, name) for name in dimensions)
        row = rows.setdefault(key, Row(len(starts))) if key not in rows else rows[key]
        bucket = bisect_right(seconds, event.second) - 1
        row.count[bucket] += 1
        if "unique" in asked.measurements:
            row.people[bucket].add(event.profile_id)
        if "sum_value" in asked.measurements:
            row.sum_value[bucket] += _worth(event)
    return rows


def _worth(event: Event) -> float:
    value = (event.properties or {}).get("$value")
    return value if isinstance(value, int | float) else 0.0


ATTRIBUTED: Final[dict[str, tuple[str, ...]]] = {
    "$attributed_flow": ("flow",),
    "$attributed_message": ("flow-message", "campaign-message"),
    "$attributed_variation": ("flow-message-variation",),
}


def _dimension(event: Event, name: str) -> str:
    if name in ATTRIBUTED:
        related = [one.relationships.get(relation) for one in event.attributions for relation in ATTRIBUTED[name]]
        return next(filter(None, related), "")
    value = (event.properties or {}).get(name)
    return "" if value is None else str(value)


def _sorted(rows: dict[tuple[str, ...], Row], asked: Asked) -> list[Named]:
    name = (asked.sort or "").removeprefix("-")
    by = asked.by or []
    key: Callable[[Named], Any]
    if name in by:
        key = lambda item: item[0][by.index(name)]  # noqa: E731 - one of three keys
    elif name in get_args(Measurement):
        measurement: Any = name
        key = lambda item: sum(item[1].measurement(measurement))  # noqa: E731 - as above
    else:
        key = lambda item: item[0]  # noqa: E731 - as above
    ordered = sorted(rows.items(), key=lambda item: item[0])
    return sorted(ordered, key=key, reverse=(asked.sort or "").startswith("-"))


def _page(rows: list[Named], asked: Asked) -> tuple[list[Named], str | None]:
    """The rows from the page cursor of the body on, and the next page cursor."""
    if asked.page_cursor is not None and not asked.page_cursor.isdecimal():
        raise invalid_cursor()
    first, size = int(asked.page_cursor or 0), asked.page_size or 500
    return rows[first : first + size], str(first + size) if len(rows) > first + size else None
