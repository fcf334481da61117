"""What truly happened to a sandbox's account: who was in which list from when to when, and what each definition said."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sandbox.account import Account, Event, Object
from tests.pipelines.truth import instant

DEFINITIONS: Final = {"lists": "list", "segments": "segment", "campaigns": "campaign", "flows": "flow"}
"""Tables whose rows keep versions, and the type of their objects."""
MARKS: Final = frozenset({"updated", "updated_at", "is_processing"})
"""Of which a change alone is none."""

Stayed = tuple[str, str, str]
"""The kind of group, the group, and the member."""


@dataclass
class Span:
    """What held from an instant on, and until when."""

    what: Any
    since: datetime
    """Of a membership, its time of joining, as Klaviyo has it."""
    shown_since: datetime
    until: datetime | None = None

    def at(self, when: datetime) -> bool:
        return self.shown_since <= when and (self.until is None or when < self.until)


@dataclass
class Changed:
    """What an account shows otherwise than it did, by id."""

    events: set[str] = field(default_factory=set)
    profiles: set[str] = field(default_factory=set)
    objects: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Of each type."""
    members: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    """How many have joined each list and segment."""


class Chronicle:
    """Follows an account: told of each instant at which something has changed, it notes what that was."""

    def __init__(self, account: Account, began: datetime) -> None:
        self.account = account
        self.stays: dict[Stayed, list[Span]] = defaultdict(list)
        self.versions: dict[tuple[str, str], list[Span]] = defaultdict(list)
        self.changed = Changed()
        self._events: dict[str, object] = {}
        self._profiles: dict[str, object] = {}
        self.note(began)

    def note(self, at: datetime) -> None:
        self._follow(self.stays, dict(members(self.account)), at)
        self._follow(self.versions, dict(definitions(self.account)), at)
        self._events = self._differing(self._events, dict(events(self.account)), self.changed.events)
        self._profiles = self._differing(self._profiles, dict(profiles(self.account)), self.changed.profiles)

    def take_changed(self) -> Changed:
        """What has changed since this was asked last."""
        taken, self.changed = self.changed, Changed()
        return taken

    def _follow(self, known: dict[Any, list[Span]], now: dict[Any, tuple[Any, datetime | None]], at: datetime) -> None:
        for key, spans in known.items():
            if spans[-1].until is None and (key not in now or now[key][0] != spans[-1].what):
                spans[-1].until = at
        for key, (what, since) in now.items():
            if key not in known or known[key][-1].until is not None:
                known[key].append(Span(deepcopy(what), since or at, at))
                if known is self.stays:
                    self.changed.members[key[:2]] += 1
                else:
                    self.changed.objects[key[0]].add(key[1])

    @staticmethod
    def _differing(known: dict[str, object], now: dict[str, object], into: set[str]) -> dict[str, object]:
        into.update(id_ for id_, said in now.items() if known.get(id_) != said)
        return now


def members(account: Account) -> Iterator[tuple[Stayed, tuple[str, datetime]]]:
    for kind, groups in (("list", account.list_members), ("segment", account.segment_members)):
        for group, joined in groups.items():
            for profile, at in joined.items():
                yield (kind, group, profile), (at, instant(at))


def definitions(account: Account) -> Iterator[tuple[tuple[str, str], tuple[object, None]]]:
    for table, kind in DEFINITIONS.items():
        for thing in account.objects[kind].values():
            yield (table, thing.id), (said(thing), None)


def said(thing: Object) -> dict[str, Any]:
    """What a version is a version of: all attributes that are in the table, but for marks of change."""
    left_out = MARKS | ({"definition"} if thing.type == "flow" else set())
    return {name: value for name, value in thing.attributes.items() if name not in left_out}


def events(account: Account) -> Iterator[tuple[str, object]]:
    for place in range(len(account.events)):
        event = account.events.at(place)
        yield event.id, (event.profile_id, event.attributions, event.properties)


def profiles(account: Account) -> Iterator[tuple[str, object]]:
    for thing in account.objects["profile"].values():
        yield thing.id, thing.attributes["updated"]


def shown(account: Account, now: datetime) -> list[Event]:
    """The events that have happened, in order."""
    every = (account.events.at(place) for place in range(len(account.events)))
    return [event for event in every if event.second < now.timestamp()]


# --- the ideal reader --------------------------------------------------------------------------------------------------

PAGE: Final = {
    "events": 1000,
    "profiles": 100,
    "members": 100,
    "lists": 10,
    "segments": 10,
    "campaigns": 100,
    "flows": 50,
}
"""What a page holds at most, of those tables, and of members of one list or segment."""


def ideal_requests(account: Account, changed: Changed, now: datetime) -> dict[str, int]:
    """The fewest requests that show all that has changed: by a reader who knows before what that is.

    Who has changed nothing is not asked for; who is gone neither. Events are asked for in runs of neighbours, as Klaviyo lists
    them by time alone: a page that begins with one that changed shows all that changed among the next thousand.
    Joinings are asked for list by list, whatever else by id, a page at a time.
    """
    needed = {
        "events": pages_of_neighbours([event.id for event in shown(account, now)], changed.events),
        "profiles": pages(len(changed.profiles), "profiles"),
        "members": sum(pages(joined, "members") for joined in changed.members.values()),
    }
    return needed | {name: pages(len(ids), name) for name, ids in changed.objects.items()}


def pages(count: int, of: str) -> int:
    return -(-count // PAGE[of])


def pages_of_neighbours(ordered: Iterable[str], wanted: set[str]) -> int:
    count, room = 0, 0
    for id_ in ordered:
        if not room and id_ in wanted:
            count, room = count + 1, PAGE["events"]
        room = max(room - 1, 0)
    return count
