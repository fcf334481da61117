"""What became of messages and forms, as reports count it: each happening under the time at which its message was sent."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from sandbox.account import Account, Event, Object
from sandbox.timelines import Timelines

Groupings = dict[str, Any]
"""By name: a text, None, or a list of texts for tags."""

EMAIL, SMS, PUSH = "email", "sms", "push-notification"

MESSAGING: Final = {
    "Received Email": (EMAIL, "delivered"),
    "Bounced Email": (EMAIL, "bounced"),
    "Opened Email": (EMAIL, "opens"),
    "Clicked Email": (EMAIL, "clicks"),
    "Marked Email as Spam": (EMAIL, "spam_complaints"),
    "Unsubscribed from Email Marketing": (EMAIL, "unsubscribes"),
    "Received Text Message": (SMS, "delivered"),
    "Failed to Deliver Text Message": (SMS, "failed"),
    "Clicked Text Message": (SMS, "clicks"),
    "Unsubscribed from Text Messaging Marketing": (SMS, "unsubscribes"),
    "Received Push": (PUSH, "delivered"),
    "Bounced Push": (PUSH, "bounced"),
    "Opened Push": (PUSH, "opens"),
}
FORMS: Final = {
    "Viewed Form": "viewed_form",
    "Viewed Form Step": "viewed_form_step",
    "Submitted Form": "submits",
    "Submitted Form Step": "submitted_form_step",
    "Closed Form": "closed_form",
    "Qualified Form": "qualified_form",
}
ADDED: Final = {"Segment Count": "message_segment_count_sum", "$usage_amount": "text_message_credit_usage_amount"}
"""Properties of a text message whose values are added up."""


class Fact(NamedTuple):
    """Something that counts for a message or a form."""

    second: int
    """When the message was sent to this person, whenever this happened."""
    subject: str
    counted: str
    profile: str | None
    happened: int
    amount: float = 1


Facts = list[Fact]
"""In the order of time."""


def between(facts: Facts, start: float, end: float) -> Sequence[Fact]:
    return facts[bisect_left(facts, (start,)) : bisect_left(facts, (end,))]


@dataclass(slots=True)
class Performance:
    """Kept until the account changes."""

    account: Account
    timelines: Timelines
    _messages: Messages | None = None
    _forms: tuple[Facts, dict[str, Groupings]] | None = None
    _conversions: dict[str, Facts] = field(default_factory=dict)

    def forget(self) -> None:
        self._messages = self._forms = None
        self._conversions.clear()

    @property
    def messages(self) -> Messages:
        if self._messages is None:
            self._messages = Messages(self.account, self.timelines)
        return self._messages

    def of_messages(self, conversion_metric: str) -> Iterator[Facts]:
        """What messages did, and what they led to by this metric."""
        yield self.messages.facts
        if conversion_metric not in self._conversions:
            self._conversions[conversion_metric] = sorted(self.messages.conversions(self._metrics(conversion_metric)))
        yield self._conversions[conversion_metric]

    def _metrics(self, id_: str) -> list[str]:
        """The metrics that a metric counts: itself, or those that a custom one is made of."""
        custom = self.account.objects.get("custom-metric", {}).get(id_)
        links = custom.relationships.get("metrics") if custom else None
        return list(links) if isinstance(links, list) else [id_]

    def of_forms(self) -> tuple[Facts, dict[str, Groupings]]:
        if self._forms is None:
            self._forms = _form_facts(self.account, self.timelines)
        return self._forms


class Messages:
    """The messages that anything happened to, and what."""

    def __init__(self, account: Account, timelines: Timelines) -> None:
        self.account = account
        self.timelines = timelines
        self.groupings: dict[str, Groupings] = {}
        """By subject: a message, or one of its variations."""
        self.subjects: dict[str, str] = {}
        """The subject that an id in an attribution means."""
        self.sends: defaultdict[tuple[str, str | None], list[int]] = defaultdict(list)
        self.facts: Facts = sorted(self._facts())

    def sent(self, subject: str, profile: str | None, second: int) -> int:
        """When this person had last got the message; the time itself where nothing tells."""
        sends = self.sends[subject, profile]
        return sends[max(bisect_right(sends, second) - 1, 0)] if sends else second

    def conversions(self, metrics: Iterable[str]) -> Iterator[Fact]:
        for event in (event for metric in metrics for event in _events(self.timelines, metric)):
            for attribution in event.attributions:
                to = attribution.relationships
                ids = (to.get(name) for name in ("flow-message-variation", "campaign-message", "flow-message"))
                subject = next((self.subjects[id_] for id_ in ids if id_ in self.subjects), None)
                if subject is not None:
                    second = self.sent(subject, event.profile_id, event.second)
                    yield Fact(second, subject, "conversions", event.profile_id, event.second)
                    yield Fact(second, subject, "conversion_value", event.profile_id, event.second, _worth(event))

    def _facts(self) -> Iterator[Fact]:
        told = [(event, *MESSAGING[name]) for name in MESSAGING for event in _named(self.account, self.timelines, name)]
        about = [(event, self._subject(event, channel), counted) for event, channel, counted in told]
        for event, subject, counted in about:
            if subject and counted == "delivered":
                self.sends[subject, event.profile_id].append(event.second)
        for sends in self.sends.values():
            sends.sort()
        for event, subject, counted in about:
            if subject is None:
                continue
            second = self.sent(subject, event.profile_id, event.second)
            yield Fact(second, subject, counted, event.profile_id, event.second)
            if counted == "delivered":
                for name, added in ADDED.items():
                    if amount := (event.properties or {}).get(name):
                        yield Fact(second, subject, added, event.profile_id, event.second, amount)

    def _subject(self, event: Event, channel: str) -> str | None:
        """The message that an event tells of, filed with what it may be grouped by; None if it tells of none."""
        told = event.properties or {}
        message, variation, flow = (told.get(name) for name in ("$message", "$variation", "$flow"))
        if not isinstance(message, str):
            return None
        subject = variation or message
        if subject not in self.groupings:
            self.subjects[subject] = subject
            self.subjects.setdefault(message, subject)
            describe = self._of_flow if flow else self._of_campaign
            self.groupings[subject] = {
                **describe(message, variation, flow),
                "send_channel": channel,
                "text_message_format": "SMS" if channel == SMS else None,
                "variation": variation,
            }
        return subject

    def _of_campaign(self, message: str, variation: str | None, _: str | None) -> Groupings:
        sent = self._object("campaign-message", variation or message) or self._object("campaign-message", message)
        campaign = self._object("campaign", sent.relationships.get("campaign") if sent else None)
        label = sent.attributes["definition"].get("label") if sent else None
        return {
            "campaign_id": campaign.id if campaign else None,
            "campaign_message_id": message,
            "campaign_message_name": campaign.attributes["name"] if campaign else None,
            "group": None,
            "group_name": None,
            "variation_name": label if variation else None,
            **self._tags(campaign),
        }

    def _of_flow(self, message: str, variation: str | None, flow_id: str | None) -> Groupings:
        sent = self._object("flow-message", variation or message)
        flow = self._object("flow", flow_id)
        name = sent.attributes["definition"].get("name") if sent else None
        return {
            "flow_id": flow_id,
            "flow_name": flow.attributes["name"] if flow else None,
            "flow_message_id": message,
            "flow_message_name": name,
            "variation_name": name if variation else None,
            **self._tags(flow),
        }

    def _tags(self, tagged: Object | None) -> Groupings:
        ids = (tagged.relationships.get("tags") if tagged else None) or ()
        tags = [tag for tag in (self._object("tag", id_) for id_ in ids) if tag]
        return {"tag_id": [tag.id for tag in tags], "tag_name": [tag.attributes["name"] for tag in tags]}

    def _object(self, type_: str, id_: object) -> Object | None:
        return self.account.objects.get(type_, {}).get(id_) if isinstance(id_, str) else None


def _form_facts(account: Account, timelines: Timelines) -> tuple[Facts, dict[str, Groupings]]:
    facts, groupings = [], {}
    for name, counted in FORMS.items():
        for event in _named(account, timelines, name):
            told = event.properties or {}
            form, version = told.get("form_id"), told.get("form_version_id")
            subject = f"{form} {version}"
            groupings[subject] = {"form_id": form, "form_version_id": version}
            facts.append(Fact(event.second, subject, counted, event.profile_id, event.second))
    return sorted(facts), groupings


def _named(account: Account, timelines: Timelines, name: str) -> Iterator[Event]:
    for metric in account.objects.get("metric", {}).values():
        if metric.attributes.get("name") == name:
            yield from _events(timelines, metric.id)


def _events(timelines: Timelines, metric: str) -> Sequence[Event]:
    timeline = timelines.of(metric)
    return timeline.some(range(len(timeline)))


def _worth(event: Event) -> float:
    value = (event.properties or {}).get("$value")
    return value if isinstance(value, int | float) else 0.0
