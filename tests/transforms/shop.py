"""A small shop in New York, written by hand: what it did is easy to count."""

from __future__ import annotations

from typing import Any, Final

from tests.transforms.raw import Account, Row

KLAVIYO: Final = {"object": "integration", "id": "k", "key": "klaviyo", "name": "Klaviyo", "category": "Internal"}
SHOPIFY: Final = {"object": "integration", "id": "s", "key": "shopify", "name": "Shopify", "category": "eCommerce"}
API: Final = {"object": "integration", "id": "a", "key": "api", "name": "API", "category": "API"}

METRICS: Final[dict[str, tuple[str | None, object]]] = {
    "received": ("Received Email", KLAVIYO),
    "opened": ("Opened Email", KLAVIYO),
    "clicked": ("Clicked Email", KLAVIYO),
    "bounced": ("Bounced Email", KLAVIYO),
    "dropped": ("Dropped Email", KLAVIYO),
    "spam": ("Marked Email as Spam", KLAVIYO),
    "unsubscribed": ("Unsubscribed from Email Marketing", KLAVIYO),
    "subscribed": ("Subscribed to Email Marketing", KLAVIYO),
    "text": ("Received SMS", KLAVIYO),
    "text failed": ("Failed to Deliver Text Message", KLAVIYO),
    "order": ("Placed Order", SHOPIFY),
    "order again": ("Placed Order", API),
    "refund": ("Refunded Order", SHOPIFY),
    "cancel": ("Cancelled Order", SHOPIFY),
    "nameless": (None, {}),
    "unowned": ("Something Else", None),
}

THE_20TH: Final = "2026-03-20T15:00:00+00:00"
BEFORE_MIDNIGHT: Final = "2026-03-08T04:59:59+00:00"
"""Saturday the 7th in New York."""
MIDNIGHT: Final = "2026-03-08T05:00:00+00:00"
"""Sunday the 8th there, on which summer time begins."""
BEFORE_NEXT_MIDNIGHT: Final = "2026-03-09T03:59:59+00:00"
"""Still that Sunday, which has 23 hours."""
YEARS_AHEAD: Final = "2999-01-01T12:00:00+00:00"


def event(id_: str, metric: str | None, profile: str | None, properties: object, at: str | None = THE_20TH) -> Row:
    return {
        "id": id_,
        "metric_id": metric,
        "profile_id": profile,
        "event_properties": properties,
        "datetime": at,
    }


def message(id_: str, campaign: str, channel: str, **content: Any) -> Row:
    named = {f"definition__content__{key}": value for key, value in content.items()}
    return {"id": id_, "campaign_id": campaign, "definition__channel": channel, **named}


def credit(order: str, touch: str, **relations: str) -> Row:
    named = {f"{relation}_id": identity for relation, identity in relations.items()}
    return {"id": f"credit of {order}", "event_id": order, "attributed_event_id": touch, **named}


def sale(order: str, amount: float, **more: Any) -> dict[str, Any]:
    return {"$value": amount, "$value_currency": "USD", "OrderId": order, **more}


SPRING: Final = {"$message": "m1", "Campaign Name": "Spring sale"}
TEST_A: Final = {"$message": "m2", "$variation": "m2"}
TEST_B: Final = {"$message": "m2", "$variation": "m3"}
TEXT: Final = {"$message": "m4"}
WELCOME: Final = {"$message": "fm1", "$flow": "f1", "Campaign Name": "Welcome 1", "Subject": "Hello"}
DELETED: Final = {"$message": "gone", "Campaign Name": "Old sale"}

SPRING_SALE: Final = (
    *(event(f"received {person}", "received", person, SPRING) for person in ("ann", "bob", "cat", "dan")),
    event("bounced eve", "bounced", "eve", {**SPRING, "Bounce Type": "Hard"}),
    event("dropped fay", "dropped", "fay", SPRING),
    event("machine ann", "opened", "ann", {**SPRING, "machine_open": True}),
    event("machine bob", "opened", "bob", {**SPRING, "machine_open": True}),
    event("opened bob", "opened", "bob", {**SPRING, "machine_open": False, "Email Domain": "Example.COM"}),
    event("opened cat", "opened", "cat", SPRING),
    event("opened cat again", "opened", "cat", SPRING),
    # Received before the loaded history begins.
    event("opened gus", "opened", "gus", SPRING),
    event("clicked bob", "clicked", "bob", {**SPRING, "Bot Click": False}),
    event("bot cat", "clicked", "cat", {**SPRING, "Bot Click": True}),
    event("unsubscribed cat", "unsubscribed", "cat", SPRING),
    event("spam dan", "spam", "dan", SPRING),
    # The person is gone: what happened counts, for nobody.
    event("opened nobody", "opened", None, SPRING),
    event("order bob", "order", "bob", sale("o1", 80)),
    event("order bob again", "order again", "bob", {**sale("o1", 80), "$event_id": "api-o1"}),
    event("refund bob", "refund", "bob", sale("o1", 30)),
    event("order cat", "order", "cat", {"$value": 45.5, "$value_currency": "CAD", "OrderId": "o2"}),
)
OTHER_SENDS: Final = (
    event("a ann", "received", "ann", TEST_A),
    event("b bob", "received", "bob", TEST_B),
    event("b bob opened", "opened", "bob", TEST_B),
    event("order b bob", "order", "bob", sale("o3", 200)),
    event("text ann", "text", "ann", TEXT),
    event("text bob", "text failed", "bob", TEXT),
    event("welcome ann", "received", "ann", WELCOME),
    event("welcome ann again", "received", "ann", WELCOME, at="2026-03-21T15:00:00+00:00"),
    event("welcome ann clicked", "clicked", "ann", WELCOME),
    event("order ann", "order", "ann", sale("o4", 10)),
    event("cancel ann", "cancel", "ann", sale("o4", 10)),
    event("deleted ann", "received", "ann", DELETED),
    event("subscribed hal", "subscribed", "hal", {}),
)
ORDERS_BY_MIDNIGHT: Final = (
    event("saturday", "order", "ivy", sale("o5", 1), at=BEFORE_MIDNIGHT),
    event("sunday", "order", "ivy", sale("o6", 2), at=MIDNIGHT),
    event("late sunday", "order", "ivy", sale("o7", 4), at=BEFORE_NEXT_MIDNIGHT),
    event("ahead", "order", "ivy", sale("o8", 1000), at=YEARS_AHEAD),
    event("never", "order", None, sale("o9", 8), at=None),
)

LONG: Final = "9" * 40
NASTY: Final = {
    "text": {"$value": " 12.5"},
    "plain text": {"$value": "12.50", "$value_currency": "eur"},
    "formatted": {"$value": "$1,234.50", "$value_currency": "dollars"},
    "null": {"$value": None, "$value_currency": None, "$message": None},
    "object": {"$value": {"amount": 1}, "$message": {"id": "m1"}, "OrderId": {"a": 1}},
    "list": {"$value": [1, 2], "$flow": [], "Subject": ["a", 1]},
    "true": {"$value": True, "machine_open": "yes"},
    "exponent": '{"$value": 1.5E+3}',
    "tiny": '{"$value": 2.5e-300}',
    "half a cent of a cent": {"$value": "0.00005"},
    "negative zero": '{"$value": -0.0}',
    "beyond 64 bits": f'{{"$value": {LONG}}}',
    "text beyond everything": {"$value": "1e400"},
    "words": {"$value": "NaN", "OrderId": "Infinity"},
    "digits with underscores": {"$value": "1_000"},
    "number as id": {"OrderId": 5400000004321, "$event_id": 12, "$message": 7},
    "flags as text": {"machine_open": "True", "Bot Click": 1},
    "flags as null": {"machine_open": None, "Bot Click": {}},
    "strange keys": {"a.b": 1, "$": 2, "": 3, "'": 4, '"$value"': 5, "$value ": 6, "$value.": 7},
    "nul": '{"Subject": "a\\u0000\\u0000b", "path": "C:\\\\u0000", "$value": 3}',
    "emoji": '{"Subject": "\\ud83d\\ude00", "$value": 4}',
    "empty": {},
    "a list": [1, 2],
    "a text": '"$value"',
    "a number": "7",
    "json null": "null",
    "nothing": None,
}
NASTY_EVENTS: Final = (
    *(event(name, "unowned", "jon", properties) for name, properties in NASTY.items()),
    event("no metric", None, "jon", {}),
    event("unknown metric", "vanished", "jon", {}),
    event("no links", None, None, None, at=None),
    event("unknown profile", "nameless", "vanished", {}),
    event("worthless", "order", "jon", {"$value": "free", "OrderId": ""}),
)

VANISHED: Final = {**event("vanished", "order", "jon", sale("o10", 500)), "_deleted_at": THE_20TH}

SHOP: Final[Account] = {
    "accounts": [{"id": "acc", "timezone": "America/New_York", "preferred_currency": "USD"}],
    "metrics": [{"id": id_, "name": name, "integration": owner} for id_, (name, owner) in METRICS.items()],
    "profiles": [{"id": name} for name in ("ann", "bob", "cat", "dan", "eve", "fay", "gus", "hal", "ivy", "jon")],
    "campaigns": [
        {"id": "c1", "name": "Spring sale", "status": "Sent", "send_time": BEFORE_MIDNIGHT},
        {"id": "c2", "name": "Test", "status": "Sent", "send_strategy__method": "ab_test_campaign"},
        {"id": "c3", "name": "Text", "status": "Sent"},
        {"id": "c4", "name": "Idea", "status": "Draft"},
        {"id": "c5", "name": "To nobody", "status": "Sent"},
    ],
    "campaign_messages": [
        message("m1", "c1", "email", subject="Spring!"),
        message("m2", "c2", "email", subject="A"),
        message("m3", "c2", "email", subject="B"),
        message("m4", "c3", "sms", body="Hi"),
        message("m5", "c4", "email", subject="?"),
        message("m6", "c5", "email", subject="Anybody?"),
    ],
    "flows": [{"id": "f1", "name": "Welcome", "status": "live", "trigger_type": "Added to List"}],
    "events": [*SPRING_SALE, *OTHER_SENDS, *ORDERS_BY_MIDNIGHT, *NASTY_EVENTS, VANISHED],
    "event_attributions": [
        credit("order bob", "clicked bob", campaign="c1", campaign_message="m1"),
        credit("order bob again", "clicked bob", campaign="c1", campaign_message="m1"),
        credit("order cat", "opened cat", campaign="c1", campaign_message="m1"),
        credit("order b bob", "b bob opened", campaign="c2", campaign_message="m3"),
        credit("order ann", "welcome ann clicked", flow="f1", flow_message="fm1"),
    ],
    "tags": [{"id": "t1", "name": "old", "_deleted_at": MIDNIGHT}, {"id": "t2", "name": "new"}],
}
