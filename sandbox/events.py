"""`GET /api/events`, the one collection large enough to deserve a way of its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from sandbox.account import Event, Events
from sandbox.errors import invalid
from sandbox.filters import Condition, holds
from sandbox.paging import decode_event, encode_event
from sandbox.query import Query

NARROWEST: Final = timedelta(seconds=1)
TIMES: Final = ("datetime", "timestamp")

FIRST_ID: Final = ""
"""Sorts before every id."""


def page(events: Events, query: Query, now: datetime) -> tuple[list[Event], str | None]:
    """The events asked for and the page cursor of the next ones."""
    _refuse_odd_ranges(query, now)
    start, stop = _range(events, query)
    descending = query.descending or query.sort is None  # unsorted, the newest come first
    if query.cursor is not None:
        start, stop = _behind(events, decode_event(query.cursor), start, stop, descending=descending)
    indexes = range(stop - 1, start - 1, -1) if descending else range(start, stop)
    size = query.size or 0
    rest = [condition for condition in query.conditions if condition.field not in TIMES]
    if not rest:
        found = [events.at(index) for index in indexes[: size + 1]]
    else:
        found = list(_matching(events, indexes, rest, size + 1))
    if len(found) <= size:
        return found, None
    return found[:size], encode_event(found[size - 1].second, found[size - 1].id)


def _range(events: Events, query: Query) -> tuple[int, int]:
    """The slice of the store between the bounds, which act at whole seconds."""
    start, stop = 0, len(events)
    for condition in query.conditions:
        if condition.field in TIMES:
            second = _second(condition)
            if condition.operator == "greater-or-equal":
                start = max(start, events.index(second))
            elif condition.operator == "greater-than":
                start = max(start, events.index(second + 1))
            elif condition.operator == "less-than":
                stop = min(stop, events.index(second))
            else:
                stop = min(stop, events.index(second + 1))
    return start, stop


def _behind(events: Events, last: tuple[int, str], start: int, stop: int, *, descending: bool) -> tuple[int, int]:
    place = events.index(*last)
    if descending:
        return start, min(stop, place)
    found = place < len(events) and events.at(place).id == last[1]
    return max(start, place + found), stop


def _matching(events: Events, indexes: range, conditions: list[Condition], count: int) -> Iterator[Event]:
    for index in indexes:
        event = events.at(index)
        if all(holds(condition, (_value(event, condition.field),)) for condition in conditions):
            yield event
            count -= 1
            if not count:
                return


def _value(event: Event, field: str) -> str | None:
    return event.metric_id if field.startswith("metric") else event.profile_id


def _second(condition: Condition) -> int:
    value = condition.value
    return int(value.timestamp() // 1) if isinstance(value, datetime) else int(value // 1)


def _instant(condition: Condition) -> float:
    value = condition.value
    return value.timestamp() if isinstance(value, datetime) else float(value)


def _refuse_odd_ranges(query: Query, now: datetime) -> None:
    times = [condition for condition in query.conditions if condition.field in TIMES]
    lower = [_instant(condition) for condition in times if condition.operator.startswith("greater")]
    upper = [_instant(condition) for condition in times if condition.operator.startswith("less")]
    if lower and max(lower) > now.timestamp():
        raise invalid("End date may not be in the future. Please provide an earlier start date.", parameter="filter")
    if lower and upper and min(upper) - max(lower) < NARROWEST.total_seconds():
        raise invalid("The date range must be at least 1 second.", parameter="filter")
