"""An account of any size: its events and profiles are made from their place in it when asked for, and kept nowhere.

Everything else, and the looks of events and profiles, are a small story's.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, cast

from sandbox.account import Account, Object
from sandbox.bulk.calendar import Calendar
from sandbox.bulk.deck import Deck
from sandbox.bulk.events import BulkEvents
from sandbox.bulk.profiles import Profiles
from sandbox.story import synthesize

SCALE: Final = 0.1
"""Of the story: enough of everything to copy from."""
PERSONAL: Final = ("push-token", "review", "coupon-code")
"""Types that belong to people of the story, who are not in this account."""


def bulk(events: int, profiles: int, until: datetime | None = None) -> Account:
    """The account of so many events in the year before `until`, by default today's midnight (UTC), and so many profiles.

    It is the same for the same arguments. Lists and segments have no members; events cannot be added or removed.
    """
    until = until or datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    story = synthesize(scale=SCALE, now=until, odd=False)
    people = Profiles(profiles, int(until.timestamp()), list(story.objects["profile"].values()))
    objects = {type_: some for type_, some in story.objects.items() if type_ not in PERSONAL}
    # A dict to those who only read.
    objects["profile"] = cast("dict[str, Object]", people)
    deck = Deck.of(story)
    metrics = {variant.metric_id for variant in deck.cards}
    objects["metric"] = {id_: metric for id_, metric in objects["metric"].items() if id_ in metrics}
    return Account(objects, BulkEvents(Calendar(events, int(until.timestamp())), deck, people))
