"""The rest of what the account owns: catalogue, coupons, reviews, images and settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.story import shop
from sandbox.story.metrics import SECOND_PLACED_ORDER
from sandbox.story.spelling import DAY, instant, numeric_id, short_id, tag_id, ulid
from sandbox.story.words import DOMAIN, PRODUCTS, SHOP, Product

if TYPE_CHECKING:
    from sandbox.story.draft import Draft
    from sandbox.story.people import Person

PREFIX = "$custom:::$default:::"
COUPONS = {shop.COUPON: "10% off the first order", "VIP20": None}
CODES = (("ASSIGNED_TO_PROFILE", 60), ("USED", 20), ("UNASSIGNED", 15), ("VERSION_NOT_ACTIVE", 5))
CODED = 0.1
"""The share of people who were sent a code of their own."""
REVIEWED = 0.15
STATUSES: tuple[tuple[dict[str, Any], float], ...] = (
    ({"value": "published"}, 70),
    ({"value": "pending"}, 12),
    ({"value": "featured"}, 8),
    ({"value": "unpublished"}, 5),
    ({"value": "rejected", "rejection_reason": {"reason": "other", "status_explanation": "About another shop"}}, 5),
)
VERDICTS = ((5, "Love it", "Even nicer than in the pictures."), (4, "Good", None), (2, None, "Arrived chipped :("))
MAPPED = {
    "revenue": "Placed Order",
    "ordered_product": "Ordered Product",
    "started_checkout": "Checkout Started",
    "viewed_product": "Viewed Product",
    "added_to_cart": "Added to Cart",
    "cancelled_sales": "Cancelled Order",
    "refunded_sales": "Refunded Order",
}
PROPERTIES = {
    "Placed Order": (
        ("$value", "number", [48.0, 124.5]),
        ("Items", "list", ["Linen Apron"]),
        ("OrderId", "string", []),
    ),
    "Opened Email": (("machine_open", "boolean", [True, False]), ("Subject", "string", ["Back by request"])),
    "Viewed Product": (("Price", "number", [24, 18.95]), ("Categories", "list", None)),
}
TRACKING = {
    "utm_source": ({"type": "static", "value": "klaviyo"}, {"type": "static", "value": "klaviyo"}),
    "utm_medium": ({"type": "dynamic", "value": "message_type"}, {"type": "dynamic", "value": "message_type"}),
    "utm_campaign": ({"type": "dynamic", "value": "flow_name"}, {"type": "dynamic", "value": "campaign_name_id"}),
    "utm_id": ({"type": "dynamic", "value": "flow_id"}, {"type": "dynamic", "value": "campaign_id"}),
    "utm_term": (None, None),
}


def write_estate(draft: Draft, metrics: dict[str, str], people: list[Person]) -> None:
    _write_catalog(draft)
    _write_coupons(draft, people)
    _write_reviews(draft, people)
    _write_metrics(draft, metrics)
    _write_contents(draft)
    _write_tracking(draft)


def write_images(draft: Draft) -> list[str]:
    return [_write_image(draft, number, shop.handle(product)) for number, (product, _) in enumerate(PRODUCTS)]


def _write_image(draft: Draft, number: int, name: str) -> str:
    attributes = {
        "name": name,
        "image_url": f"https://cdn.{DOMAIN}/{name}.jpg",
        "format": ("jpeg", "png", "gif")[number % 3],
        "size": draft.dice.randrange(20_000, 900_000),
        "hidden": number % 7 == 0,
        "updated_at": _dated(draft)["updated"],
    }
    return draft.add("image", numeric_id(draft.dice), attributes).id


def _dated(draft: Draft) -> dict[str, Any]:
    created = draft.start + draft.dice.randrange(300 * DAY)
    return {"created": instant(created), "updated": instant(created + draft.dice.randrange(300 * DAY))}


def _write_catalog(draft: Draft) -> None:
    for product, _ in PRODUCTS:
        item, variant = f"{PREFIX}{shop.handle(product)}", f"{PREFIX}{shop.sku(product)}"
        shown = _shown(draft, product)
        stocked = {"sku": shop.sku(product), "inventory_policy": 1, "inventory_quantity": draft.dice.randrange(200)}
        draft.add("catalog-item", item, {"external_id": shop.handle(product), **shown}, {"variants": [variant]})
        draft.add("catalog-variant", variant, {"external_id": shop.sku(product), **shown, **stocked}, {"item": item})
    for category in sorted({product.category for product, _ in PRODUCTS}):
        items = [f"{PREFIX}{shop.handle(product)}" for product, _ in PRODUCTS if product.category == category]
        attributes = {"external_id": category.lower(), "name": category, "updated": instant(draft.start)}
        draft.add("catalog-category", f"{PREFIX}{category.lower()}", attributes, {"items": list(items)})


def _shown(draft: Draft, product: Product) -> dict[str, Any]:
    image = f"https://cdn.{DOMAIN}/{shop.handle(product)}.jpg"
    return {
        "title": product.title,
        "description": f"{product.title}, made to last." if draft.chance(0.8) else None,
        "price": product.cents / 100,
        "url": shop.url(product),
        "image_full_url": image,
        "image_thumbnail_url": f"{image}?w=150",
        "images": [image],
        "custom_metadata": {"Top Pick": True} if draft.chance(0.3) else {},
        "published": draft.chance(0.9),
        **_dated(draft),
    }


def _write_coupons(draft: Draft, people: list[Person]) -> None:
    for coupon, description in COUPONS.items():
        watched = {"low_balance_threshold": 500} if description else None
        attributes = {"external_id": coupon, "description": description, "monitor_configuration": watched}
        draft.add("coupon", coupon, attributes)
    for person in draft.dice.sample(people, round(len(people) * CODED)):
        code, status = "".join(draft.dice.choices("ABCDEFGHJKMNPQRSTVWXYZ23456789", k=10)), draft.pick(CODES)
        coupon = draft.dice.choice(sorted(COUPONS))
        expires = instant(person.joined + 400 * DAY) if coupon == shop.COUPON else None
        owner = person.id if status in ("ASSIGNED_TO_PROFILE", "USED") else None
        attributes = {"unique_code": code, "expires_at": expires, "status": status}
        draft.add("coupon-code", f"{coupon}-{code}", attributes, {"coupon": coupon, "profile": owner})


def _write_reviews(draft: Draft, people: list[Person]) -> None:
    for person in people:
        if person.orders and draft.chance(REVIEWED):
            _write_review(draft, person)


def _write_review(draft: Draft, person: Person) -> None:
    order = person.orders[-1]
    product = order.lines[0].product
    created = min(order.second + draft.dice.randrange(5 * DAY, 20 * DAY), draft.now)
    rating, title, content = draft.dice.choice(VERDICTS)
    reply = {"content": "We are sorry! A new one is on its way.", "author": SHOP, "updated": instant(created + DAY)}
    attributes: dict[str, Any] = {
        "email": person.email,
        "status": draft.pick(STATUSES),
        "verified": True,
        "review_type": "review",
        "created": instant(created),
        "updated": instant(created + DAY),
        "images": [],
        "product": {
            "url": shop.url(product),
            "name": product.title,
            "image_url": None,
            "external_id": shop.handle(product),
        },
        "rating": rating,
        "author": f"{person.first_name} {person.last_name[0]}.",
        "content": content,
        "title": title,
        "smart_quote": None,
        "public_reply": reply if content and rating < LOW else None,
    }
    draft.add("review", numeric_id(draft.dice), attributes, {"item": f"{PREFIX}{shop.handle(product)}"})


LOW = 3


def _write_metrics(draft: Draft, metrics: dict[str, str]) -> None:
    """What Klaviyo derives from metrics: roles, properties seen, and one metric made of two."""
    made_of = [metrics["Placed Order"], metrics[SECOND_PLACED_ORDER]]
    groups = [{"metric_id": metric, "metric_filters": None, "value_property": "$value"} for metric in made_of]
    definition = {"aggregation_method": "value", "metric_groups": groups}
    attributes = {"name": "All Revenue", **_dated(draft), "definition": definition}
    draft.add("custom-metric", tag_id(draft.dice).replace("-", ""), attributes, {"metrics": list(made_of)})
    for role, metric in MAPPED.items():
        links = {"metric": metrics[metric], "custom-metric": None}
        draft.add("mapped-metric", role, {"updated": instant(draft.start)}, {**links})
    for metric, properties in PROPERTIES.items():
        for name, kind, samples in properties:
            shown = {"sample_values": samples, "label": name.strip("$"), "property": name, "inferred_type": kind}
            draft.add("metric-property", tag_id(draft.dice).replace("-", ""), shown, {"metric": metrics[metric]})


def _write_contents(draft: Draft) -> None:
    """Blocks that templates share, and the feed they draw from."""
    for name in ("Footer", "Header", "Sale Banner"):
        data = {"content": f"<p>{name}</p>", "display_options": {}, "styles": {}}
        attributes = {
            "name": name,
            "definition": {"content_type": "block", "type": "text", "data": data},
            **_dated(draft),
            "screenshot_status": "completed",
            "screenshot_url": f"https://cdn.{DOMAIN}/{name.lower().replace(' ', '-')}.png",
        }
        draft.add("template-universal-content", ulid(draft.dice, draft.start), attributes)
    feed = {
        "name": "Journal",
        "url": f"https://{DOMAIN}/journal.json",
        "request_method": "get",
        "content_type": "json",
        **_dated(draft),
        "status": "ok",
    }
    draft.add("web-feed", short_id(draft.dice), feed)


def _write_tracking(draft: Draft) -> None:
    parameters = {name: {"flow": flow, "campaign": campaign} for name, (flow, campaign) in TRACKING.items()}
    attributes = {"auto_add_parameters": True, **parameters, "custom_parameters": []}
    draft.add("tracking-setting", short_id(draft.dice), attributes)
