"""The metrics: what is counted, and which integration tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sandbox.story.spelling import HOUR, instant, short_id

if TYPE_CHECKING:
    from sandbox.story.draft import Draft


class Integration(NamedTuple):
    id: str
    key: str
    name: str
    category: str


KLAVIYO = Integration("0rG4eQ", "klaviyo", "Klaviyo", "Internal")
SHOPIFY = Integration("0eMvjm", "shopify", "Shopify", "eCommerce")
API = Integration("7FtS4J", "api", "API", "API")

METRICS = {
    KLAVIYO: (
        "Received Email",
        "Opened Email",
        "Clicked Email",
        "Bounced Email",
        "Dropped Email",
        "Marked Email as Spam",
        "Unsubscribed from Email Marketing",
        "Subscribed to Email Marketing",
        "Subscribed to List",
        "Unsubscribed from List",
        "Subscribed to Text Messaging Marketing",
        "Unsubscribed from Text Messaging Marketing",
        "Received Text Message",
        "Sent Text Message",
        "Clicked Text Message",
        "Failed to Deliver Text Message",
        "Received Push",
        "Opened Push",
        "Bounced Push",
        "Viewed Form",
        "Submitted Form",
        "Subscribed to Back in Stock",
    ),
    SHOPIFY: (
        "Placed Order",
        "Ordered Product",
        "Checkout Started",
        "Fulfilled Order",
        "Cancelled Order",
        "Refunded Order",
    ),
    API: ("Active on Site", "Viewed Product", "Added to Cart", "Placed Order"),
}

SECOND_PLACED_ORDER = "Placed Order (API)"
"""Our word for the metric of the same name that the second integration feeds."""


def write_metrics(draft: Draft) -> dict[str, str]:
    """Metric ids by name; the second Placed Order goes by a name of its own."""
    ids: dict[str, str] = {}
    for integration, names in METRICS.items():
        for name in names:
            metric = short_id(draft.dice)
            ids[SECOND_PLACED_ORDER if name in ids else name] = metric
            created = draft.start - draft.dice.randrange(HOUR)
            draft.add(
                "metric",
                metric,
                {
                    "name": name,
                    "created": instant(created),
                    "updated": instant(created + draft.dice.randrange(HOUR)),
                    "integration": {"object": "integration", **integration._asdict()},
                },
                {"flow-triggers": []},
            )
    return ids
