"""The lists people join and the segments they fall into."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from sandbox.story.people import SUPPRESSIONS, Person
from sandbox.story.spelling import DAY, instant, short_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sandbox.story.draft import Draft

NEWSLETTER = "Newsletter"
TEXTERS = "SMS Subscribers"
APP_USERS = "App Users"
CUSTOMERS = "Customers"
WAITLIST = "Back in Stock Waitlist"
EARLY_ACCESS = "Early Access"
FORM_LISTS = (("Popup 10% Off", 60), ("Footer Signup", 25), ("Spring Giveaway", 15))

OTHER_LISTS: dict[str, Callable[[Person], bool]] = {
    "Store Opening Boston": lambda person: person.place.city == "Boston",
    "Partner Import": lambda person: person.source == "import",
    "Wholesale": lambda person: person.inbox.provider == "Other",
}
"""Lists that a few of those join for whom they are meant."""

LISTS = {
    NEWSLETTER: "double_opt_in",
    TEXTERS: "double_opt_in",
    APP_USERS: "single_opt_in",
    CUSTOMERS: "single_opt_in",
    WAITLIST: "single_opt_in",
    EARLY_ACCESS: "double_opt_in",
    "Popup 10% Off": "double_opt_in",
    "Footer Signup": "double_opt_in",
    "Spring Giveaway": "single_opt_in",
    "Wholesale": "single_opt_in",
    "Preview & Test": "single_opt_in",
    "Store Opening Boston": "single_opt_in",
    "Catalogue by Post": None,
    "Partner Import": "single_opt_in",
}


def _engaged(days: int) -> Callable[[Person, int], int | None]:
    return lambda person, second: person.engaged if person.engaged > second - days * DAY else None


def _asleep(person: Person, second: int) -> int | None:
    since = max(person.engaged, person.joined) + 180 * DAY
    return since if since < second else None


def _vip(person: Person, second: int) -> int | None:
    del second
    return person.orders[1].second if len(person.orders) > 1 else None


def _once(person: Person, second: int) -> int | None:
    del second
    return person.orders[0].second if len(person.orders) == 1 else None


def _never(person: Person, second: int) -> int | None:
    del second
    return None if person.orders else person.joined


def _browsing(person: Person, second: int) -> int | None:
    return person.last_view if not person.orders and person.last_view > second - 14 * DAY else None


def _texting(person: Person, second: int) -> int | None:
    return person.sms_consent.since if person.sms_consent.holds(second) else None


def _suppressed(person: Person, second: int) -> int | None:
    del second
    return person.email_consent.until if person.email_consent.reason in SUPPRESSIONS else None


def _from(country: str) -> Callable[[Person, int], int | None]:
    return lambda person, _: person.joined if person.country == country else None


def _promising(person: Person, second: int) -> int | None:
    del second
    return person.joined if person.purse > PROMISING else None


PROMISING = 0.5


class Segment(NamedTuple):
    rule: Callable[[Person, int], int | None]
    """Since when a person belongs, or None."""
    condition: dict[str, Any]
    """`metric_id` in it is a metric's name until it is written."""
    is_active: bool = True
    is_starred: bool = False


def _did(metric: str, operator: str, value: int, timeframe: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "profile-metric",
        "metric_id": metric,
        "measurement": "count",
        "measurement_filter": {"type": "numeric", "operator": operator, "value": value},
        "timeframe_filter": timeframe,
        "metric_filters": None,
    }


def _last(days: int) -> dict[str, Any]:
    return {"type": "date", "operator": "in-the-last", "unit": "day", "quantity": days}


def _property(name: str, value: str) -> dict[str, Any]:
    string = {"type": "string", "operator": "equals", "value": value}
    return {"type": "profile-property", "property": name, "filter": string}


_EVER = {"type": "date", "operator": "alltime"}
_TEXTABLE = {
    "type": "profile-marketing-consent",
    "consent": {
        "channel": "sms",
        "can_receive_marketing": True,
        "consent_status": {"subscription": "subscribed", "filters": None},
    },
}
_UNMAILABLE = {
    "type": "profile-marketing-consent",
    "consent": {
        "channel": "email",
        "can_receive_marketing": False,
        "consent_status": {"subscription": "any", "filters": None},
    },
}
_PREDICTED = {
    "type": "profile-predictive-analytics",
    "dimension": "predicted_clv",
    "filter": {"type": "numeric", "operator": "greater-than", "value": 120.5},
}

SEGMENTS = {
    "Engaged 30 Days": Segment(_engaged(30), _did("Opened Email", "greater-than", 0, _last(30)), is_starred=True),
    "Engaged 90 Days": Segment(_engaged(90), _did("Opened Email", "greater-than", 0, _last(90))),
    "Unengaged 180 Days": Segment(_asleep, _did("Opened Email", "equals", 0, _last(180))),
    "VIP Customers": Segment(_vip, _did("Placed Order", "greater-than-or-equal", 2, _EVER), is_starred=True),
    "Bought Once": Segment(_once, _did("Placed Order", "equals", 1, _EVER)),
    "Never Purchased": Segment(_never, _did("Placed Order", "equals", 0, _EVER)),
    "Window Shoppers": Segment(_browsing, _did("Viewed Product", "greater-than", 0, _last(14))),
    "SMS Reachable": Segment(_texting, _TEXTABLE),
    "Suppressed": Segment(_suppressed, _UNMAILABLE),
    "Canada": Segment(_from("Canada"), _property("location['country']", "Canada")),
    "United Kingdom": Segment(_from("United Kingdom"), _property("location['country']", "United Kingdom")),
    "High Predicted Value": Segment(_promising, _PREDICTED),
    "Swiss Launch": Segment(_from("Switzerland"), _property("location['country']", "Switzerland"), is_active=False),
}


@dataclass(slots=True)
class Audience:
    """Who is in which list and segment, by name while the story runs."""

    people: list[Person]
    ids: dict[str, str] = field(default_factory=dict)
    members: dict[str, dict[str, str]] = field(default_factory=dict)
    """`{list id: {profile id: joined_group_at}}`"""
    by_id: dict[str, Person] = field(default_factory=dict)

    def of(self, name: str, second: int) -> Iterator[Person]:
        if name in LISTS:
            return (self.by_id[profile] for profile in self.members[self.ids[name]])
        rule = SEGMENTS[name].rule
        return (person for person in self.people if person.joined < second and rule(person, second) is not None)

    def segment_members(self, now: int) -> dict[str, dict[str, str]]:
        return {
            self.ids[name]: {
                person.id: instant(min(since, now))
                for person in self.people
                if (since := segment.rule(person, now)) is not None
            }
            for name, segment in SEGMENTS.items()
        }


def write_audience(draft: Draft, people: list[Person], metrics: dict[str, str]) -> Audience:
    audience = Audience(people, by_id={person.id: person for person in people})
    for name, process in LISTS.items():
        audience.ids[name] = _write_list(draft, name, process)
        audience.members[audience.ids[name]] = {}
    for name, segment in SEGMENTS.items():
        audience.ids[name] = _write_segment(draft, name, segment, metrics)
    return audience


def _write_list(draft: Draft, name: str, process: str | None) -> str:
    created = draft.start + draft.dice.randrange(300 * DAY if name not in (NEWSLETTER, CUSTOMERS) else DAY)
    attributes = {
        "name": name,
        "created": instant(created),
        "updated": instant(created + draft.dice.randrange(30 * DAY)),
        "opt_in_process": process,
    }
    return draft.add("list", short_id(draft.dice), attributes, {"tags": [], "flow-triggers": []}).id


def _write_segment(draft: Draft, name: str, segment: Segment, metrics: dict[str, str]) -> str:
    created = draft.start + draft.dice.randrange(500 * DAY)
    condition = dict(segment.condition)
    if "metric_id" in condition:
        condition["metric_id"] = metrics[condition["metric_id"]]
    attributes = {
        "name": name,
        "definition": {"condition_groups": [{"conditions": [condition]}]},
        "created": instant(created),
        "updated": instant(created + draft.dice.randrange(60 * DAY)),
        "is_active": segment.is_active,
        "is_processing": False,
        "is_starred": segment.is_starred,
    }
    return draft.add("segment", short_id(draft.dice), attributes, {"tags": [], "flow-triggers": []}).id
