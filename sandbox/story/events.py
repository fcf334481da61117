"""The events of the story, and the recipes that turn what an event is about into its properties."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from zlib import crc32

from sandbox.story import shop
from sandbox.story.spelling import event_uuid, instant
from sandbox.story.words import DOMAIN, PATHS, UNSUBSCRIBE_METHODS, Product

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sandbox.account import Attribution
    from sandbox.story.messages import Message
    from sandbox.story.people import Person
    from sandbox.story.shop import Order

Properties: TypeAlias = dict[str, Any]


@dataclass(slots=True, eq=False)
class Happening:
    """An event of the story. It knows whom it befell and what it was about; its recipe spells that out when asked."""

    id: str
    second: int
    metric_id: str | None
    profile_id: str | None
    person: Person
    recipe: Callable[[Happening], Properties]
    about: Any = None
    attributions: tuple[Attribution, ...] = ()

    @property
    def uuid(self) -> str | None:
        return event_uuid(self.second, self.id)

    @property
    def datetime(self) -> str:
        return instant(self.second)

    @property
    def properties(self) -> Properties | None:
        return self.recipe(self)

    @property
    def salt(self) -> int:
        """A number that is this event's own, for details that nothing else depends on."""
        return crc32(self.id.encode())

    def choose(self, choices: Sequence[str]) -> str:
        return choices[self.salt % len(choices)]


@dataclass(slots=True, eq=False)
class Written:
    """An event whose every field is as written, whatever is usual."""

    id: str
    second: int
    metric_id: str | None
    profile_id: str | None
    properties: dict[str, Any] | None
    datetime: str
    uuid: str | None
    attributions: tuple[Attribution, ...] = ()


class Stated(NamedTuple):
    """What a happening is about when a message and a word on it matter: a reason, a type, a method."""

    message: Any
    word: str


class Ordered(NamedTuple):
    """One line of an order."""

    order: Order
    number: int


class Joined(NamedTuple):
    list_id: str
    list_name: str
    method: str


class Seen(NamedTuple):
    form_id: str
    form_name: str
    version: str


def about_message(event: Happening) -> Message:
    about: Message = event.about.message if isinstance(event.about, Stated) else event.about
    return about


def message(event: Happening) -> Properties:
    """What every event of an e-mail carries, and all that receiving it does."""
    about = about_message(event)
    properties: Properties = {"$message": about.main_id}
    if about.flow_id:
        properties["$flow"] = about.flow_id
    if about.variation:
        properties["$variation"] = about.id
    properties["Campaign Name"] = about.name
    properties["Subject"] = about.subject
    properties["Email Domain"] = event.person.inbox.domain
    properties["Inbox Provider"] = event.person.inbox.provider
    properties["$event_id"] = f"{about.id}:{event.salt}:{event.second}"
    return properties


def opened(event: Happening) -> Properties:
    return {**message(event), **_client(event), "machine_open": False}


def opened_by_machine(event: Happening) -> Properties:
    return {**message(event), **_client(event), "machine_open": True}


def clicked(event: Happening) -> Properties:
    return {**message(event), **_client(event), "URL": _url(event), "Bot Click": False}


def clicked_by_bot(event: Happening) -> Properties:
    robot = {"Client Name": "Chrome", "Client Canonical": "Chrome", "Client OS": "Linux", "Client Type": "Browser"}
    return {**message(event), **robot, "URL": _url(event), "Bot Click": True}


def bounced(event: Happening) -> Properties:
    return {**message(event), "Bounce Type": event.about.word, "ESP Reason": "550 5.1.1 mailbox unavailable"}


def dropped(event: Happening) -> Properties:
    return {**message(event), "Reason": event.about.word}


def unsubscribed(event: Happening) -> Properties:
    """From e-mail or texts, through a message or on the person's own account."""
    about: Stated = event.about
    base = message(event) if about.message else {"$event_id": f"{event.salt}:{event.second}"}
    return {**base, "method": about.word or event.choose(UNSUBSCRIBE_METHODS)}


def subscribed(event: Happening) -> Properties:
    return {"method": event.about.word, "$event_id": f"{event.salt}:{event.second}"}


def joined(event: Happening) -> Properties:
    about: Joined = event.about
    named = {"List": about.list_name, "list_id": about.list_id, "Method": about.method}
    return {**named, "$event_id": f"{about.list_id}:{event.salt}:{event.second}"}


def texted(event: Happening) -> Properties:
    about = about_message(event)
    properties = {key: value for key, value in message(event).items() if key not in EMAIL_ONLY}
    return {
        **properties,
        "Message Type": "flow" if about.flow_id else "campaign",
        "From Number": "+18335550100",
        "To Phone Region": "US" if event.person.country != "Canada" else "CA",
        "Message Format": "SMS",
        "Segment Count": 1 + event.salt % 2,
        "$usage_amount": 1 + event.salt % 2,
    }


EMAIL_ONLY = ("Subject", "Email Domain", "Inbox Provider")


def text_clicked(event: Happening) -> Properties:
    return {**texted(event), "URL": _url(event)}


def text_failed(event: Happening) -> Properties:
    return {**texted(event), "Failure Source": "Carrier", "Failure Type": event.about.word}


def text_answered(event: Happening) -> Properties:
    body = event.choose(("STOP", "yes please", "❤️", "Help", "when does the sale end?"))
    return {"Message Body": body, "To Number": "+18335550100", "From Phone Region": "US"}


def pushed(event: Happening) -> Properties:
    properties = {key: value for key, value in message(event).items() if key not in EMAIL_ONLY}
    return {**properties, "Title": event.about.subject, "Platform": event.choose(("ios", "android"))}


def saw_form(event: Happening) -> Properties:
    about: Seen = event.about
    return {
        "form_id": about.form_id,
        "Form Name": about.form_name,
        "form_version_id": about.version,
        "Page URL": f"https://{DOMAIN}/{event.choose(PATHS)}",
        "Device Type": event.person.device.type,
    }


def submitted_form(event: Happening) -> Properties:
    person = event.person
    answers = {"$email": person.email, "$first_name": person.first_name, "$phone_number": person.phone}
    return {**saw_form(event), **{key: value for key, value in answers.items() if value}}


def on_site(event: Happening) -> Properties:
    return {"page": f"https://{DOMAIN}/{event.choose(PATHS)}", "browser": event.person.device.client}


def saw_product(event: Happening) -> Properties:
    product: Product = event.about
    return {
        "ProductName": product.title,
        "ProductID": shop.NUMBERS[product],
        "SKU": shop.sku(product),
        "Categories": [product.category, "All"],
        "URL": shop.url(product),
        "Price": product.cents / 100,
        "$value": product.cents / 100,
        "$value_currency": "USD",
    }


def carted(event: Happening) -> Properties:
    product: Product = event.about
    return {
        "$value": product.cents / 100,
        "$value_currency": "USD",
        "AddedItemProductName": product.title,
        "AddedItemProductID": str(shop.NUMBERS[product]),
        "AddedItemPrice": product.cents / 100,
        "ItemNames": [product.title],
        "Items": [{"ProductID": str(shop.NUMBERS[product]), "Quantity": 1, "ItemPrice": product.cents / 100}],
    }


def ordered(event: Happening) -> Properties:
    """An order as Shopify tells it: placed, and later fulfilled, cancelled or refunded."""
    order: Order = event.about
    person = event.person
    return {
        "$event_id": order.id,
        "$value": order.cents / 100,
        "$value_currency": order.currency,
        "OrderId": order.id,
        "Order Number": order.number,
        "Items": [line.product.title for line in order.lines],
        "ItemCount": sum(line.quantity for line in order.lines),
        "Collections": sorted({line.product.category for line in order.lines}),
        "Discount Codes": [order.coupon] if order.coupon else [],
        "Total Discounts": f"{order.discount_cents / 100:.2f}",
        "Source Name": event.choose(("web", "web", "pos")),
        "HasPartialFulfillments": False,
        "$extra": {
            "email": person.email,
            "customer": {"first_name": person.first_name, "last_name": person.last_name, "phone": person.phone},
            "shipping_address": {"city": person.place.city, "zip": person.place.zip, "country": person.country},
            "shipping_price": f"{order.shipping_cents / 100:.2f}",
            "line_items": [_line(order, number) for number in range(len(order.lines))],
        },
    }


def ordered_elsewhere(event: Happening) -> Properties:
    """The same order as the shop's own system posts it."""
    order: Order = event.about
    return {
        "$event_id": f"api-{order.id}",
        "$value": order.cents / 100,
        "$value_currency": order.currency,
        "OrderId": order.id,
        "Items": [_line(order, number) for number in range(len(order.lines))],
    }


def checkout(event: Happening) -> Properties:
    return {**ordered(event), "$event_id": f"checkout-{event.about.id}", "CheckoutURL": f"https://{DOMAIN}/checkouts/1"}


def ordered_product(event: Happening) -> Properties:
    about: Ordered = event.about
    line = about.order.lines[about.number]
    return {
        "$event_id": f"{about.order.id}:{about.number}",
        "$value": line.cents / 100,
        "$value_currency": about.order.currency,
        "OrderId": about.order.id,
        **_line(about.order, about.number),
    }


def _line(order: Order, number: int) -> Properties:
    product, quantity = order.lines[number]
    return {
        "ProductID": shop.NUMBERS[product],
        "Name": product.title,
        "SKU": shop.sku(product),
        "Variant Name": "Default Title",
        "Quantity": quantity,
        "Price": product.cents / 100,
    }


def _client(event: Happening) -> Properties:
    device = event.person.device
    return {
        "Client Name": device.client,
        "Client Canonical": device.client.split()[0],
        "Client OS": device.system,
        "Client Type": device.type,
    }


def _url(event: Happening) -> str:
    return f"https://{DOMAIN}/{event.choose(PATHS)}?utm_medium=email&_kx={event.salt:08x}"
