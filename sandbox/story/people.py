"""The people of the story: what they are like, what they agreed to, and how they look as profiles."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.story.spelling import DAY, instant, precise, short_id, spaced, tag_id, ulid
from sandbox.story.words import DEVICES, DOMAIN, FIRST_NAMES, INBOXES, LAST_NAMES, PLACES, SHOP, Device, Inbox, Place

if TYPE_CHECKING:
    from sandbox.account import Object
    from sandbox.story.draft import Draft
    from sandbox.story.events import Happening
    from sandbox.story.shop import Order

CHANNELS = ("email", "sms", "push")

SOURCES = (("form", 62), ("checkout", 26), ("waitlist", 6), ("import", 6))
ESTABLISHED = 0.25
"""The share of people who were there before the account: they are imported on its first day."""


@dataclass(slots=True)
class Consent:
    since: int | None = None
    until: int | None = None
    reason: str | None = None
    method: str | None = None

    def holds(self, second: int) -> bool:
        return self.since is not None and self.since <= second and (self.until is None or second < self.until)

    def give(self, second: int, method: str) -> None:
        self.since, self.until, self.reason, self.method = second, None, None, method

    def end(self, second: int, reason: str) -> None:
        self.until, self.reason = second, reason


@dataclass(slots=True)
class Person:
    id: str
    first_name: str
    last_name: str
    email: str | None
    phone: str | None
    place: Place
    inbox: Inbox
    device: Device
    joined: int
    source: str
    zeal: float
    """How readily messages are opened."""
    purse: float
    """How readily carts become orders."""
    email_consent: Consent = field(default_factory=Consent)
    sms_consent: Consent = field(default_factory=Consent)
    push_consent: Consent = field(default_factory=Consent)
    touches: list[Happening] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    flows: dict[str, int] = field(default_factory=dict)
    """When each flow was last entered."""
    engaged: int = 0
    """When a message was last opened or clicked by hand."""
    last_seen: int = 0
    last_view: int = 0

    def consent(self, channel: str) -> Consent:
        return {"email": self.email_consent, "sms": self.sms_consent, "push": self.push_consent}[channel]

    @property
    def country(self) -> str:
        return self.place.country


def draw_people(draft: Draft, count: int) -> list[Person]:
    established = int(count * ESTABLISHED)
    opening = draft.start + 15 * 3_600
    joins = [(opening + draft.dice.randrange(600), "import") for _ in range(established)]
    joins += [(draft.calendar.growth(draft.dice), draft.pick(SOURCES)) for _ in range(count - established)]
    return [_draw(draft, number, second, source) for number, (second, source) in enumerate(sorted(joins))]


def _draw(draft: Draft, number: int, second: int, source: str) -> Person:
    dice = draft.dice
    first, last = dice.choice(FIRST_NAMES), dice.choice(LAST_NAMES)
    place, inbox = draft.pick(PLACES), draft.pick(INBOXES)
    has_phone = draft.chance(0.45)
    has_email = source != "checkout" or not has_phone or draft.chance(0.95)
    mailbox = "".join(letter for letter in f"{first}.{last}".lower() if letter.isascii() and letter != "'")
    return Person(
        id=ulid(dice, second),
        first_name=first,
        last_name=last,
        email=f"{mailbox}{number}@{inbox.domain}" if has_email else None,
        phone=f"{place.dialling}555{dice.randrange(10_000):04d}" if has_phone else None,
        place=place,
        inbox=inbox,
        device=draft.pick(DEVICES),
        joined=second,
        source=source,
        zeal=dice.betavariate(0.9, 2.6),
        purse=dice.betavariate(0.8, 3.0),
    )


def write_profile(draft: Draft, person: Person) -> Object:
    updated = max(person.joined, person.last_seen)
    if person.push_consent.since:
        _write_token(draft, person, person.push_consent.since)
    return draft.add(
        "profile",
        person.id,
        {
            "email": person.email,
            "phone_number": person.phone,
            "external_id": f"cust-{person.orders[0].number}" if person.orders else None,
            "first_name": person.first_name,
            "last_name": person.last_name if draft.chance(0.9) else None,
            "organization": "Alder & Finch Wholesale" if draft.chance(0.02) else None,
            "locale": "en-US" if draft.chance(0.7) else None,
            "title": "Buyer" if draft.chance(0.02) else None,
            "image": f"https://cdn.{DOMAIN}/people/{person.id}.jpg" if draft.chance(0.02) else None,
            "created": instant(person.joined),
            "updated": instant(updated),
            "last_event_date": instant(person.last_seen) if person.last_seen else None,
            "location": _location(draft, person),
            "properties": _properties(draft, person),
            "subscriptions": _subscriptions(draft, person),
            "predictive_analytics": _predictions(draft, person),
        },
    )


def _write_token(draft: Draft, person: Person, since: int) -> None:
    is_apple = person.device.is_private
    draft.add(
        "push-token",
        tag_id(draft.dice),
        {
            "created": instant(since),
            "token": f"{draft.dice.getrandbits(256):064x}",
            "enablement_status": "AUTHORIZED" if draft.chance(0.9) else "DENIED",
            "platform": "ios" if is_apple else "android",
            "vendor": "APNs" if is_apple else "FCM",
            "background": "AVAILABLE",
            "recorded_date": instant(since),
            "metadata": {
                "device_id": f"{draft.dice.getrandbits(64):016x}",
                "klaviyo_sdk": "swift" if is_apple else "android",
                "sdk_version": "4.1.0",
                "device_model": "iPhone15,2" if is_apple else "Pixel 8",
                "os_name": "ios" if is_apple else "android",
                "os_version": "18.1" if is_apple else "15",
                "manufacturer": "Apple" if is_apple else "Google",
                "app_name": SHOP,
                "app_version": "2.3.1",
                "app_build": "231",
                "app_id": "example.alderandfinch.app",
                "environment": "release" if draft.chance(0.98) else None,
            },
        },
        {"profile": person.id},
    )


def _location(draft: Draft, person: Person) -> dict[str, Any]:
    place = person.place
    is_known = bool(person.orders)
    return {
        "address1": f"{draft.dice.randrange(1, 999)} {draft.dice.choice(LAST_NAMES)} Street" if is_known else None,
        "address2": f"Apt {draft.dice.randrange(1, 40)}" if is_known and draft.chance(0.3) else None,
        "city": place.city,
        "country": place.country,
        "latitude": place.latitude,
        "longitude": place.longitude,
        "region": place.region,
        "zip": place.zip if is_known else None,
        "timezone": place.timezone,
        "ip": f"203.0.113.{draft.dice.randrange(256)}" if draft.chance(0.6) else None,
    }


def _properties(draft: Draft, person: Person) -> dict[str, Any]:
    properties: dict[str, Any] = {"$source": SOURCE_CODES[person.source], "Signup Source": person.source}
    if person.email_consent.since:
        properties["$consent"] = [channel for channel in CHANNELS if person.consent(channel).since]
        properties["$consent_timestamp"] = spaced(person.email_consent.since, draft.dice.randrange(10**6))
        properties["$consent_method"] = person.email_consent.method
    if person.orders:
        properties["Shopify Tags"] = ["repeat"] if person.orders[1:] else []
        properties["Accepts Marketing"] = person.email_consent.until is None
        properties["Favourite Category"] = person.orders[-1].lines[0].product.category
    if draft.chance(0.1):
        properties["Birthday"] = f"19{draft.dice.randrange(60, 99)}-0{draft.dice.randrange(1, 10)}-11"
        properties["Loyalty"] = {"tier": draft.dice.choice(("bronze", "silver", "gold")), "points": len(person.orders)}
    return properties


SOURCE_CODES = {"form": -6, "checkout": -3, "waitlist": -10, "import": -1}


def _subscriptions(draft: Draft, person: Person) -> dict[str, Any]:
    sms = _sms(draft, person.sms_consent)
    push = person.push_consent
    return {
        "email": {"marketing": _email_marketing(draft, person), "open_tracking": _open_tracking(draft, person)},
        "sms": {
            "marketing": {"can_receive_sms_marketing": _can_receive(person.sms_consent), **sms},
            "transactional": {"can_receive_sms_transactional": _can_receive(person.sms_consent), **sms},
        },
        "mobile_push": {
            "marketing": {
                "can_receive_push_marketing": _can_receive(push),
                "consent": _state(push),
                "consent_timestamp": _stamp(draft, push.since),
            }
        },
        "whatsapp": _whatsapp(draft, person) if draft.chance(0.03) else None,
    }


def _email_marketing(draft: Draft, person: Person) -> dict[str, Any]:
    consent = person.email_consent
    ended = _stamp(draft, consent.until)
    suppressed = [{"reason": consent.reason, "timestamp": ended}] if consent.reason in SUPPRESSIONS else []
    return {
        "can_receive_email_marketing": person.email is not None and not suppressed and consent.until is None,
        "consent": "SUBSCRIBED" if consent.reason in UNASKED else _state(consent),
        "consent_timestamp": _stamp(draft, consent.since),
        "last_updated": ended or _stamp(draft, consent.since),
        "method": consent.method,
        "method_detail": f"{DOMAIN}/signup" if consent.method == "FORM" else None,
        "custom_method_detail": None,
        "double_optin": consent.method == "FORM" if consent.since else None,
        "suppression": suppressed,
        "list_suppressions": [],
    }


SUPPRESSIONS = ("HARD_BOUNCE", "INVALID_EMAIL", "SPAM_COMPLAINT", "UNSUBSCRIBE", "USER_SUPPRESSED")
UNASKED = ("HARD_BOUNCE", "INVALID_EMAIL", "USER_SUPPRESSED")
"""Suppressions that are not the person's own wish, and leave the consent as it was."""


def _open_tracking(draft: Draft, person: Person) -> dict[str, Any]:
    since = person.email_consent.since
    return {
        "consent": "SUBSCRIBED" if since else "NEVER_SUBSCRIBED",
        "consent_timestamp": _stamp(draft, since),
        "last_updated": _stamp(draft, since),
        "created_timestamp": _stamp(draft, since),
        "metadata": {},
        "can_receive": True,
        "valid_until": None,
    }


def _sms(draft: Draft, consent: Consent) -> dict[str, Any]:
    return {
        "consent": _state(consent),
        "consent_timestamp": _stamp(draft, consent.since),
        "method": consent.method,
        "method_detail": "JOIN" if consent.method == "TEXT" else None,
        "last_updated": _stamp(draft, consent.until or consent.since),
    }


def _whatsapp(draft: Draft, person: Person) -> dict[str, Any]:
    asked = _stamp(draft, person.joined + DAY)
    consent = {
        "consent": "SUBSCRIBED",
        "consent_timestamp": asked,
        "last_updated": asked,
        "created_timestamp": asked,
        "metadata": {"source": short_id(draft.dice)},
        "can_receive": person.phone is not None,
        "valid_until": None,
        "phone_number": person.phone,
    }
    return {"marketing": dict(consent), "transactional": dict(consent), "conversational": dict(consent)}


def _can_receive(consent: Consent) -> bool:
    return consent.since is not None and consent.until is None


def _state(consent: Consent) -> str:
    if consent.since is None:
        return "NEVER_SUBSCRIBED"
    return "SUBSCRIBED" if consent.until is None else "UNSUBSCRIBED"


def _stamp(draft: Draft, second: int | None) -> str | None:
    if second is None:
        return None
    spell = spaced if draft.chance(0.2) else precise
    return spell(second, draft.dice.randrange(10**6))


def _predictions(draft: Draft, person: Person) -> dict[str, Any]:
    if not person.orders:
        return dict.fromkeys(PREDICTIONS)
    spent = sum(order.cents for order in person.orders) / 100
    expected = round(spent * draft.dice.uniform(0.05, 0.9), 2)
    days = draft.dice.randrange(20, 240)
    return {
        "historic_clv": round(spent, 2),
        "predicted_clv": expected,
        "total_clv": round(spent + expected, 2),
        "historic_number_of_orders": len(person.orders),
        "predicted_number_of_orders": round(draft.dice.uniform(0, 3), 2),
        "average_days_between_orders": days if person.orders[1:] else None,
        "average_order_value": round(spent / len(person.orders), 2),
        "churn_probability": round(draft.dice.random(), 2),
        "expected_date_of_next_order": instant(person.orders[-1].second + days * DAY),
        "ranked_channel_affinity": draft.dice.sample(("email", "sms", "push"), 3) if draft.chance(0.6) else None,
    }


PREDICTIONS = (
    "historic_clv",
    "predicted_clv",
    "total_clv",
    "historic_number_of_orders",
    "predicted_number_of_orders",
    "average_days_between_orders",
    "average_order_value",
    "churn_probability",
    "expected_date_of_next_order",
    "ranked_channel_affinity",
)
