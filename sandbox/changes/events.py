"""Events that are added, come late, or are attributed afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Annotated, Any

from msgspec import Meta, field

from sandbox.account import Account, Attribution, Event
from sandbox.changes.change import (
    DAY,
    Change,
    Count,
    Summary,
    all_events,
    find,
    named,
    write_event,
)
from sandbox.story.events import Written
from sandbox.story.spelling import tag_id

TOUCHES = ("Clicked Email", "Opened Email", "Clicked Text Message", "Opened Push")


class AddEvents(Change):
    """New events, evenly over the `spread` seconds before `at`."""

    command = "add_events"
    count: Count = 1
    spread: Annotated[int, Meta(ge=0)] = 0
    metric: str = "Active on Site"
    profile: str | None = None
    properties: dict[str, Any] = field(default_factory=dict)

    def apply(self, account: Account) -> Summary:
        metric = find(account, "metric", self.metric).id
        profiles = [find(account, "profile", self.profile).id] if self.profile else list(account.objects["profile"])
        dice = self.dice(account)
        steps = (self.spread * number // self.count for number in range(self.count))
        events = [write_event(account, dice, self.second - step, metric, dice.choice(profiles)) for step in steps]
        for event in events:
            event.properties = {**_usual_properties(event, dice, self.metric), **self.properties}
            account.events.add(event)
        return {"events": [event.id for event in events]}


class LateEvents(Change):
    """Events that turn up now and are dated `days` back, or up to an hour before."""

    command = "late_events"
    count: Count = 1
    days: Annotated[float, Meta(gt=0)] = 3
    metric: str = "Active on Site"

    def apply(self, account: Account) -> Summary:
        at = self.moment - self.days * DAY
        return AddEvents(at=at, count=self.count, spread=3600, metric=self.metric).apply(account)


class AttachAttribution(Change):
    """Attribute orders, by default the newest that are not, to what their customers last opened or clicked."""

    command = "attach_attribution"
    count: Count = 1
    events: list[str] | None = None

    def apply(self, account: Account) -> Summary:
        dice, attached = self.dice(account), []
        for order, touch in self._pairs(account):
            relations = {"attributed-event": touch.id, **_relations(account, touch)}
            order.attributions = (Attribution(tag_id(dice), relations),)
            attached.append(order.id)
            if len(attached) == self.count and self.events is None:
                break
        return {"events": attached}

    def _pairs(self, account: Account) -> Iterator[tuple[Event, Event]]:
        """Orders without attribution, the newest first, each with its customer's last touch before it."""
        orders = {metric.id for metric in named(account, "metric", "Placed Order")}
        touches = {metric.id for name in TOUCHES for metric in named(account, "metric", name)}
        waiting: dict[str, list[Event]] = {}
        for event in reversed(list(all_events(account))):
            if event.profile_id is None:
                continue
            if event.metric_id in touches and _relations(account, event):
                yield from ((order, event) for order in waiting.pop(event.profile_id, ()))
            elif event.metric_id in orders and not event.attributions and self._asks_for(event):
                waiting.setdefault(event.profile_id, []).append(event)

    def _asks_for(self, event: Event) -> bool:
        return self.events is None or event.id in self.events


def _usual_properties(event: Written, dice: Random, metric: str) -> dict[str, Any]:
    if "Order" not in metric:
        return {"$event_id": event.id, "$value": 0}
    value, order = dice.randrange(1_000, 20_000) / 100, str(dice.randrange(10**12, 10**13))
    return {"$event_id": order, "OrderId": order, "$value": value, "$value_currency": "USD"}


def _relations(account: Account, touched: Event) -> dict[str, str]:
    """What an attribution to this open or click relates to; nothing if its message is gone."""
    properties = touched.properties or {}
    message, flow = properties.get("$message", ""), properties.get("$flow")
    if flow:
        variation = properties.get("$variation")
        return {"flow": flow, "flow-message": message, **({"flow-message-variation": variation} if variation else {})}
    sent = account.objects["campaign-message"].get(properties.get("$variation", message))
    campaign = sent.relationships["campaign"] if sent else None
    return {"campaign": campaign, "campaign-message": sent.id} if sent and isinstance(campaign, str) else {}
