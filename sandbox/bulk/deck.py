"""What the events are: cards, dealt over and over in the same order."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import msgspec

from sandbox.account import Account, Event

FREQUENCIES: Final = {
    "Received Email": 3_600,
    "Opened Email": 2_300,
    "Active on Site": 900,
    "Viewed Product": 700,
    "Received Text Message": 600,
    "Clicked Email": 450,
    "Ordered Product": 240,
    "Added to Cart": 200,
    "Received Push": 200,
    "Checkout Started": 150,
    "Viewed Form": 150,
    "Placed Order": 120,
    "Fulfilled Order": 100,
    "Clicked Text Message": 80,
    "Opened Push": 60,
    "Submitted Form": 40,
    "Subscribed to List": 30,
    "Subscribed to Email Marketing": 25,
    "Unsubscribed from Email Marketing": 15,
    "Bounced Email": 12,
    "Refunded Order": 8,
    "Cancelled Order": 6,
    "Subscribed to Back in Stock": 6,
    "Dropped Email": 5,
    "Marked Email as Spam": 3,
}
"""Events of each metric in ten thousand."""
VARIANTS: Final = 40
"""Different cards of a metric at most."""

SLOTS: Final = {b"<SALT>": b"%d", b"<TOKEN>": b"%08x"}
"""What is each event's own, in this order, and how it is spelled."""
BROWSER: Final = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
SHARED: Final = {
    "$event_id": "evt:<SALT>",
    "$extra": {
        "client": {
            "user_agent": f"{BROWSER} Version/18.1 Mobile/15E148 Safari/604.1",
            "accept_language": "en-US,en;q=0.9,da;q=0.8",
            "timezone": "America/New_York",
            "screen": {"width": 1179, "height": 2556, "ratio": 2.5},
            "place": {"city": "Århus", "region": "Midtjylland", "country": "DK", "proxied": True},
        },
        "landing": {
            "url": "https://alderandfinch.example/collections/autumn-table?utm_source=Klaviyo&utm_medium=email"
            "&utm_campaign=Autumn%20table%20settings%20%28October%29&_kx=<TOKEN>.Qm7vXc",
            "referrer": "https://www.google.com/search?q=stoneware+plates+sage+green",
            "utm": {"source": "Klaviyo", "medium": "email", "term": None, "id": None},
        },
        "flags": ["consented", "first_party", "returning"],
        "experiment": {"name": "subject line: question or statement", "variation": "B", "seen": True},
        "history": {"opens_90d": 14, "clicks_90d": 3, "orders_365d": 2, "last_seen": "2026-02-03T17:20:11+00:00"},
    },
}
"""What every event carries beside the story's properties: to be as large as Klaviyo's, and each another."""


@dataclass(frozen=True, slots=True, eq=False)
class Card:
    """One way in which events of a metric look."""

    metric_id: str
    pattern: bytes
    """The JSON of its properties, with the `SLOTS` as places to format numbers into."""
    cause: dict[str, str] = field(default_factory=dict)
    """The relations of its attribution; none if it is attributed to nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Deck:
    cards: list[Card]

    @classmethod
    def of(cls, story: Account) -> Deck:
        told = _told(story)
        cards: list[Card] = []
        for name, frequency in FREQUENCIES.items():
            metric = _metric(story, name)
            models = told.get(metric) or told[_metric(story, "Received Email")]
            variants = [_card(metric, model) for model in models[:: -(-len(models) // VARIANTS)]]
            cards += [variants[number % len(variants)] for number in range(frequency)]
        Random(1).shuffle(cards)
        return cls(cards)

    def card(self, index: int) -> Card:
        return self.cards[index % len(self.cards)]

    def places(self, metric_id: str) -> list[int]:
        return [place for place, card in enumerate(self.cards) if card.metric_id == metric_id]


def _told(story: Account) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = defaultdict(list)
    for index in range(len(story.events)):
        event = story.events.at(index)
        found[event.metric_id or ""].append(event)
    return found


def _metric(story: Account, name: str) -> str:
    return next(id_ for id_, metric in story.objects["metric"].items() if metric.attributes["name"] == name)


def _card(metric_id: str, model: Event) -> Card:
    properties: dict[str, Any] = {k: v for k, v in (model.properties or {}).items() if k not in SHARED}
    pattern = msgspec.json.encode(properties | SHARED).replace(b"%", b"%%")
    for slot, format_ in SLOTS.items():
        pattern = pattern.replace(slot, format_)
    causes = [attribution.relationships for attribution in model.attributions]
    cause = {name: id_ for name, id_ in causes[0].items() if name != "attributed-event"} if causes else {}
    return Card(metric_id, pattern, cause)
