"""A month of a shop, small enough to count by hand: its expected marts in test_golden.py come from the definitions."""

from __future__ import annotations

from typing import Any, Final

from tests.transforms.raw import Account, Row
from tests.transforms.shop import KLAVIYO, SHOP, credit, event, message, sale

NOW: Final = "2026-07-01 12:00:00+00"

MORE_METRICS: Final = {
    "joined list": "Subscribed to List",
    "left list": "Unsubscribed from List",
    "form viewed": "Viewed Form",
    "form submitted": "Submitted Form",
    "viewed": "Viewed Product",
    "item": "Ordered Product",
}

JUNE_SALE: Final = {"$message": "gm1", "Campaign Name": "June sale"}
HELLO: Final = {"$message": "gfm1", "$flow": "gf1", "Campaign Name": "Hello 1"}
HELLO_AGAIN: Final = {"$message": "gfm2", "$flow": "gf1", "Campaign Name": "Hello 2"}
FORM: Final = {"form_id": "gform", "form_version_id": "gversion"}


def june(day: int, clock: str) -> str:
    return f"2026-06-{day:02}T{clock}:00+00:00"


def may(day: int) -> str:
    return f"2026-05-{day:02}T10:00:00+00:00"


def at(when: str, id_: str, metric: str, profile: str, properties: object) -> Row:
    return event(f"golden {id_}", metric, profile, properties, at=when)


LATE_CLICK: Final = at(june(3, "16:00"), "lea clicks hello", "clicked", "lea", {**HELLO, "Bot Click": False})
MISTAKE: Final = at(june(7, "12:00"), "mistake", "order", "oli", sale("g-o9", 999))
FORGOTTEN: Final = at(june(7, "13:00"), "forgotten", "order", "oli", sale("g-o8", 888))
UNTOUCHED: Final = at(june(1, "14:00"), "lea receives", "received", "lea", JUNE_SALE)

EVENTS: Final = (
    # --- the campaign, sent at ten in New York
    UNTOUCHED,
    *(at(june(1, "14:00"), f"{who} receives", "received", who, JUNE_SALE) for who in ("max", "nia", "oli")),
    at(june(1, "14:01"), "pam bounces", "bounced", "pam", {**JUNE_SALE, "Bounce Type": "Hard"}),
    at(june(1, "14:05"), "lea's machine", "opened", "lea", {**JUNE_SALE, "machine_open": True}),
    at(june(1, "14:06"), "nia's machine", "opened", "nia", {**JUNE_SALE, "machine_open": True}),
    at(june(1, "15:00"), "lea opens", "opened", "lea", JUNE_SALE),
    at(june(1, "16:00"), "lea clicks", "clicked", "lea", JUNE_SALE),
    # Still the 1st in New York.
    at(june(2, "03:30"), "max opens", "opened", "max", JUNE_SALE),
    at(june(3, "05:00"), "o1", "order", "max", sale("g-o1", 100, ItemCount=2, **{"Discount Codes": ["SUMMER-1"]})),
    event("golden o1 again", "order again", "max", sale("g-o1", 100), at="2026-06-03T05:00:05+00:00"),
    at(
        june(3, "05:00"),
        "o1 hat",
        "item",
        "max",
        {"$value": 60, "OrderId": "g-o1", "ProductID": 11, "Name": "Hat", "SKU": "H", "Quantity": 2, "Price": 30},
    ),
    at(
        june(3, "05:00"),
        "o1 scarf",
        "item",
        "max",
        {"$value": 40, "OrderId": "g-o1", "ProductID": "12", "Name": "Scarf"},
    ),
    # --- the flow
    at(june(3, "15:00"), "lea is greeted", "received", "lea", HELLO),
    at(june(3, "15:00"), "nia is greeted", "received", "nia", HELLO),
    LATE_CLICK,
    at(june(4, "12:00"), "nia unsubscribes", "unsubscribed", "nia", {**HELLO, "Method": "link"}),
    at(june(5, "15:00"), "lea is greeted again", "received", "lea", HELLO_AGAIN),
    at(june(5, "16:00"), "o2", "order", "lea", sale("g-o2", 50)),
    at(june(10, "16:00"), "o2 back", "refund", "lea", sale("g-o2", 20)),
    at(june(20, "12:00"), "o3", "order", "max", sale("g-o3", 30, **{"Discount Codes": ["FRIEND", "summer"]})),
    # --- lists, forms, products
    event("golden nia subscribes", "subscribed", "nia", {"Method": "form"}, at=may(1)),
    at(june(1, "12:00"), "lea subscribes", "subscribed", "lea", {"method": "popup", **FORM}),
    at(june(1, "11:59"), "lea sees", "form viewed", "lea", FORM),
    at(june(1, "11:58"), "nia sees", "form viewed", "nia", FORM),
    at(june(1, "12:00"), "lea submits", "form submitted", "lea", FORM),
    at(june(1, "12:00"), "oli joins", "joined list", "oli", {"List": "Golden"}),
    at(june(5, "12:00"), "oli leaves", "left list", "oli", {"List": "golden"}),
    at(june(8, "12:00"), "pam joins", "joined list", "pam", {"List": "Golden"}),
    at(june(12, "12:00"), "nia leaves", "left list", "nia", {"List": "Golden", "list_id": "gl1"}),
    at(june(2, "12:00"), "nia looks", "viewed", "nia", {"$value": 30, "ProductID": 11, "ProductName": "Old hat"}),
)


def profile(id_: str, email: str | None, consent: str = "", since: str = "") -> Row:
    branch = "subscriptions__email__marketing"
    told: dict[str, Any] = {"id": id_, "email": email}
    if consent:
        told |= {f"{branch}__consent": consent, f"{branch}__consent_timestamp": since}
        told |= {f"{branch}__can_receive_email_marketing": consent == "SUBSCRIBED"}
    return told


def action(id_: str, type_: str, links: Row, data: Row) -> Row:
    named = {"definition__id": id_, "definition__type": type_, "definition__links": links, "definition__data": data}
    return {"id": id_, "flow_id": "gf1", **named}


REPORTED: Final = {"recipients": 5.0, "delivered": 4.0, "bounced": 1.0, "opens": 4.0, "opens_unique": 3.0}
OF_NOBODY: Final = {"variation": "", "send_channel": "email", "conversion_metric_id": "order"}

MEDIUM: Final = {"definition__custom_tracking_params": [{"param": "utm_medium", "value": "email"}]}

ADDED: Final[Account] = {
    "metrics": [{"id": id_, "name": name, "integration": KLAVIYO} for id_, name in MORE_METRICS.items()],
    "profiles": [
        {**profile("lea", "lea@gmail.com", "SUBSCRIBED", june(1, "12:00")), "first_name": "Lea "},
        profile("max", "max@GMAIL.com", "SUBSCRIBED", may(3)),
        profile("nia", "nia@yahoo.com", "UNSUBSCRIBED", june(4, "12:00")),
        profile("oli", None),
        profile("pam", "pam@gmail.com", "SUBSCRIBED", may(2)),
    ],
    "profile_predictions": [{"id": "lea", "predictive_analytics__predicted_clv": 120.0}],
    "profile_suppressions": [
        {"profile_id": "pam", "reason": "HARD_BOUNCE", "timestamp": june(1, "14:01")},
        {"profile_id": "nia", "reason": "UNSUBSCRIBE", "timestamp": june(4, "12:00")},
    ],
    "lists": [{"id": "gl1", "name": "Golden"}],
    "list_memberships": [
        {"list_id": "gl1", "profile_id": "lea", "joined_group_at": june(1, "12:00")},
        {"list_id": "gl1", "profile_id": "max", "joined_group_at": june(2, "12:00")},
        {"list_id": "gl1", "profile_id": "nia", "joined_group_at": june(1, "12:00"), "_deleted_at": june(15, "10:00")},
    ],
    "campaigns": [
        {
            "id": "gc1",
            "name": "June sale",
            "status": "Sent",
            "send_time": june(1, "14:00"),
            "tracking_options__custom_tracking_params": [
                {"type": "static", "value": "email", "name": "utm_medium"},
                {"type": "dynamic", "value": "campaign_name", "name": "utm_campaign"},
                {"type": "static", "value": "again", "name": "utm_medium"},
            ],
        }
    ],
    "campaign_messages": [
        {
            **message("gm1", "gc1", "email", subject="June!"),
            "send_times": [{"datetime": june(1, "14:00"), "is_local": True}, {"datetime": june(2, "14:00")}],
        },
        {**message("gm2", "gc2", "email"), "definition__send_options__send_time": june(3, "14:00")},
    ],
    "flows": [{"id": "gf1", "name": "Hello", "status": "live", "trigger_type": "Added to List"}],
    "flow_actions": [
        action("ga1", "send-email", {"next": "ga2"}, {}),
        action("ga2", "time-delay", {"next": "ga3"}, {"unit": "days", "value": 2}),
        action("ga3", "send-email", {"next": None}, {}),
    ],
    "flow_messages": [
        {"id": "gfm1", "flow_action_id": "ga1", "channel": "Email", "definition__name": "Hello 1", **MEDIUM},
        {"id": "gfm2", "flow_action_id": "ga3", "channel": "Email", "definition__name": "Hello 2"},
    ],
    "forms": [{"id": "gform", "name": "Popup"}],
    "form_versions": [{"id": "gversion", "form_id": "gform", "form_type": "popup"}],
    "form_series": [
        {
            "form_id": "gform",
            "form_version_id": "gversion",
            "day": "2026-06-01",
            "viewed_form": 10.0,
            "submits": 1.0,
        }
    ],
    "catalog_items": [{"id": "$custom:::$default:::11", "external_id": "11", "title": "Straw hat"}],
    "coupons": [
        {"id": "gk1", "external_id": "SUMMER"},
        {"id": "gk2", "external_id": "UNTOLD"},
        {"id": "gk3", "external_id": "UNUSED"},
    ],
    "coupon_codes": [
        {"id": "SUMMER-1", "coupon_id": "gk1", "unique_code": "SUMMER-1", "status": "USED"},
        {"id": "SUMMER-2", "coupon_id": "gk1", "unique_code": "SUMMER-2", "status": "ASSIGNED_TO_PROFILE"},
        {"id": "SUMMER-3", "coupon_id": "gk1", "unique_code": "SUMMER-3", "status": "UNASSIGNED"},
        {"id": "UNTOLD-1", "coupon_id": "gk2", "unique_code": "UNTOLD-1", "status": "USED"},
        {"id": "UNUSED-1", "coupon_id": "gk3", "unique_code": "UNUSED-1", "status": "ASSIGNED_TO_PROFILE"},
    ],
    # Klaviyo reports one open and one order more than there are events of, and a message that is not loaded.
    "campaign_values": [
        {
            "campaign_id": "gc1",
            "campaign_message_id": "gm1",
            "month": "2026-06-01",
            **OF_NOBODY,
            **REPORTED,
            "opens": 5.0,
            "clicks": 1.0,
            "clicks_unique": 1.0,
            "conversions": 1.0,
            "conversion_uniques": 1.0,
            "conversion_value": 100.0,
        }
    ],
    "flow_values": [
        {"flow_id": "gf9", "flow_message_id": "gfm9", "month": "2026-06-01", **OF_NOBODY, "delivered": 3.0}
    ],
}

BEFORE_EVENTS: Final = [one for one in EVENTS if one is not LATE_CLICK]
EARLIER: Final = credit("golden o2", "golden lea clicks", campaign="gc1", campaign_message="gm1")
LATER: Final = {
    **credit("golden o2", "golden lea clicks hello", flow="gf1", flow_message="gfm1"),
    "id": "later",
    "_dlt_load_id": "2",
}
OF_O1: Final = credit("golden o1", "golden max opens", campaign="gc1", campaign_message="gm1")


def together(events: list[Row], attributions: list[Row]) -> Account:
    """The shop and the golden month in one account."""
    added = {**ADDED, "events": events, "event_attributions": attributions}
    return {name: [*SHOP.get(name, ()), *added.get(name, ())] for name in {**SHOP, **added}}


FIRST_LOAD: Final = together([*BEFORE_EVENTS, MISTAKE, FORGOTTEN], [EARLIER, OF_O1])
"""Before a click came late, which then got the credit; with two orders that are gone later."""

SECOND_LOAD: Final = together(
    [
        *BEFORE_EVENTS,
        {**LATE_CLICK, "_dlt_load_id": "2"},
        {**MISTAKE, "_deleted_at": june(30, "10:00")},
    ],
    [{**EARLIER, "_deleted_at": june(30, "10:00")}, LATER, OF_O1],
)
