"""Data that is valid and rare: what a pipeline has to survive, once each and by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.story.spelling import DAY, event_id, event_uuid, instant

if TYPE_CHECKING:
    from sandbox.account import Attribution, Event
    from sandbox.story.draft import Draft
    from sandbox.story.people import Person


@dataclass(slots=True, eq=False)
class Written:
    """An event whose every field is as written, whatever is usual."""

    id: str
    second: int
    metric_id: str | None
    profile_id: str | None
    properties: dict[str, Any] | None
    datetime: str
    uuid: str | None
    attributions: tuple[Attribution, ...] = ()


def write_event(
    draft: Draft, second: int, metric: str | None, profile: str | None, properties: dict[str, Any] | None
) -> Written:
    identity = event_id(draft.dice)
    uuid = event_uuid(second, identity)
    return Written(identity, second, metric, profile, properties, instant(second), uuid)


BURST = 300


def write_oddities(draft: Draft, metrics: dict[str, str], people: list[Person]) -> list[Event]:
    return [*_burst(draft, metrics, people)]


def _burst(draft: Draft, metrics: dict[str, str], people: list[Person]) -> list[Event]:
    """A few hundred events in one second, as a bulk import leaves them."""
    second = draft.now - 100 * DAY
    return [
        write_event(draft, second, metrics["Active on Site"], draft.dice.choice(people).id, {"import": number})
        for number in range(BURST)
    ]
