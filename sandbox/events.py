"""`GET /api/events`, the one collection large enough to deserve a way of its own.

Its objects are spelled as JSON directly, in a quarter of the time that rendering and encoding them would take; a test
holds the two spellings against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol, runtime_checkable

import msgspec

from sandbox.account import Event, Events
from sandbox.errors import invalid
from sandbox.filters import Condition, holds
from sandbox.paging import decode_event, encode_event
from sandbox.query import Query
from sandbox.timelines import Ordered, Timelines

NARROWEST: Final = timedelta(seconds=1)
TIMES: Final = ("datetime", "timestamp")


@runtime_checkable
class Spells(Protocol):
    """A page that knows a quicker way to JSON than event by event."""

    def attributed(self) -> list[Event]: ...

    def spelled(self, addresses: bytes, *, linked: bool) -> list[bytes]: ...


def page(store: Events, timelines: Timelines, query: Query, now: datetime) -> tuple[Sequence[Event], str | None]:
    """The events asked for and the page cursor of the next ones."""
    _refuse_odd_ranges(query, now)
    metrics = [one.value for one in query.on("metric_id") if isinstance(one.value, str)]
    events: Ordered = timelines.of(metrics[0]) if metrics else store
    start, stop = _range(events, query)
    descending = query.descending or query.sort is None  # unsorted, the newest come first
    if query.cursor is not None:
        start, stop = _behind(events, decode_event(query.cursor), start, stop, descending=descending)
    indexes = range(stop - 1, start - 1, -1) if descending else range(start, stop)
    size = query.size or 0
    rest = [condition for condition in query.conditions if condition.field not in TIMES]
    found = list(_matching(events, indexes, rest, size + 1)) if rest else events.some(indexes[: size + 1])
    if len(found) <= size:
        return found, None
    return found[:size], encode_event(found[size - 1].second, found[size - 1].id)


def _range(events: Ordered, query: Query) -> tuple[int, int]:
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


def _behind(events: Ordered, last: tuple[int, str], start: int, stop: int, *, descending: bool) -> tuple[int, int]:
    place = events.index(*last)
    if descending:
        return start, min(stop, place)
    found = place < len(events) and events.at(place).id == last[1]
    return max(start, place + found), stop


def _matching(events: Ordered, indexes: range, conditions: list[Condition], count: int) -> Iterator[Event]:
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


encode = msgspec.json.Encoder().encode

ATTRIBUTES: Final[dict[str, Callable[[Event], object]]] = {
    "timestamp": lambda event: event.second,
    "event_properties": lambda event: event.properties,
    "datetime": lambda event: event.datetime,
    "uuid": lambda event: event.uuid,
}
RELATION: Final = b'"%b":{"data":%b,"links":{"self":"%b/relationships/%b/","related":"%b/%b/"}}'


def attributed(found: Iterable[Event]) -> list[Event]:
    return found.attributed() if isinstance(found, Spells) else [event for event in found if event.attributions]


def spell(found: Iterable[Event], base: str, query: Query, rest: dict[str, object]) -> bytes:
    """The document of these events, and of the rest of its members."""
    address = f"{base}/api/events/".encode()
    linked = "attributions" in query.include
    if isinstance(found, Spells) and "event" not in query.fields:
        rows = found.spelled(address, linked=linked)
    else:
        fields = query.fields.get("event", ATTRIBUTES.keys())
        attributes = {name: read for name, read in ATTRIBUTES.items() if name in fields}
        rows = [_spell_one(event, address, attributes, linked=linked) for event in found]
    begin, end = b'{"data":[', b"]," + encode(rest)[1:]
    if not rows:
        return begin + end
    # Joined at once: a page is megabytes, and each copy of it costs as much as spelling a quarter of it.
    rows[0] = begin + rows[0]
    rows[-1] += end
    return b",".join(rows)


def _spell_one(
    event: Event, addresses: bytes, attributes: dict[str, Callable[[Event], object]], *, linked: bool
) -> bytes:
    id_ = encode(event.id)[1:-1]
    address = addresses + id_
    relations = []
    if event.profile_id is not None:
        relations.append(_spell_relation(b"profile", event.profile_id, address))
    if event.metric_id is not None:
        relations.append(_spell_relation(b"metric", event.metric_id, address))
    if event.attributions:
        relations.append(_spell_attributions(event, address, linked=linked))
    return b'{"type":"event","id":"%b","attributes":%b,%b"links":{"self":"%b/"}}' % (
        id_,
        encode({name: read(event) for name, read in attributes.items()}),
        b'"relationships":{%b},' % b",".join(relations) if relations else b"",
        address,
    )


def _spell_relation(name: bytes, id_: str, address: bytes) -> bytes:
    data = b'{"type":"%b","id":%b}' % (name, encode(id_))
    return RELATION % (name, data, address, name, address, name)


def _spell_attributions(event: Event, address: bytes, *, linked: bool) -> bytes:
    links = b'"links":{"self":"%b/relationships/attributions/","related":"%b/attributions/"}' % (address, address)
    if not linked:
        return b'"attributions":{%b}' % links
    data = encode([{"type": "attribution", "id": attribution.id} for attribution in event.attributions])
    return b'"attributions":{"data":%b,%b}' % (data, links)
