"""The account that the sandbox serves: JSON:API objects by type and id, and events in the order of time."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Linkage = str | None | list[str]


@dataclass(slots=True)
class Object:
    """One JSON:API object; `relationships` hold ids, whose types the contract knows."""

    type: str
    id: str
    attributes: dict[str, Any]
    relationships: dict[str, Linkage] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attribution:
    """Why an event counts for a message: no attributes, only relations (`attributed-event`, `campaign`, …) to ids."""

    id: str
    relationships: dict[str, str]


class Event(Protocol):
    """One event. `properties` may be computed when asked, so that an account of millions stays small."""

    id: str
    second: int
    metric_id: str | None
    profile_id: str | None
    attributions: tuple[Attribution, ...]

    @property
    def uuid(self) -> str | None: ...

    @property
    def datetime(self) -> str:
        """The instant as the API spells it, usually `2026-01-31T12:00:00+00:00`."""
        ...

    @property
    def properties(self) -> dict[str, Any] | None: ...


class Events:
    """Events sorted by (second, id), the order in which Klaviyo pages through them."""

    def __init__(self, events: list[Event]) -> None:
        self._keys = sorted((event.second, event.id) for event in events)
        self._by_id = {event.id: event for event in events}

    def __len__(self) -> int:
        return len(self._keys)

    def get(self, event_id: str) -> Event | None:
        return self._by_id.get(event_id)

    def at(self, index: int) -> Event:
        return self._by_id[self._keys[index][1]]

    def some(self, indexes: range) -> Sequence[Event]:
        return [self.at(index) for index in indexes]

    def index(self, second: int, event_id: str = "") -> int:
        """The place of the first event at or after this key."""
        return bisect_left(self._keys, (second, event_id))

    def add(self, event: Event) -> None:
        insort(self._keys, (event.second, event.id))
        self._by_id[event.id] = event

    def remove(self, event_id: str) -> None:
        event = self._by_id.pop(event_id)
        self._keys.pop(self.index(event.second, event_id))


@dataclass(slots=True)
class Account:
    """All that the API can show: `objects[type][id]`, and the events. Profile memberships carry their joining time."""

    objects: dict[str, dict[str, Object]]
    events: Events
    list_members: dict[str, dict[str, str]] = field(default_factory=dict)
    """`{list id: {profile id: joined_group_at}}`"""
    segment_members: dict[str, dict[str, str]] = field(default_factory=dict)
