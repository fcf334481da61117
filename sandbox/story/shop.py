"""The shop: products as they are seen and ordered."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sandbox.story.words import DOMAIN, PRODUCTS, Product

if TYPE_CHECKING:
    from sandbox.story.draft import Draft

FIRST_ORDER = 1001
FREE_SHIPPING_CENTS = 10_000
SHIPPING_CENTS = 795
COUPON = "WELCOME10"
NUMBERS = {product: 7_400_000_000_000 + 1_111 * number for number, (product, _) in enumerate(PRODUCTS)}


class Line(NamedTuple):
    product: Product
    quantity: int

    @property
    def cents(self) -> int:
        return self.product.cents * self.quantity


class Order(NamedTuple):
    number: int
    second: int
    lines: tuple[Line, ...]
    coupon: str | None
    currency: str

    @property
    def id(self) -> str:
        return str(5_400_000_000_000 + self.number * 4_321)

    @property
    def discount_cents(self) -> int:
        return sum(line.cents for line in self.lines) // 10 if self.coupon else 0

    @property
    def shipping_cents(self) -> int:
        return 0 if sum(line.cents for line in self.lines) >= FREE_SHIPPING_CENTS else SHIPPING_CENTS

    @property
    def cents(self) -> int:
        return sum(line.cents for line in self.lines) - self.discount_cents + self.shipping_cents


def draw_product(draft: Draft) -> Product:
    return draft.pick(PRODUCTS)


def draw_lines(draft: Draft, first: Product) -> tuple[Line, ...]:
    products = {first}
    while draft.chance(0.35):
        products.add(draw_product(draft))
    ordered = sorted(products, key=lambda product: product.title)
    return tuple(Line(product, 2 if draft.chance(0.2) else 1) for product in ordered)


def handle(product: Product) -> str:
    return "".join(letter for letter in product.title.lower().replace(" ", "-") if letter.isalnum() or letter == "-")


def url(product: Product) -> str:
    return f"https://{DOMAIN}/products/{handle(product)}"


def sku(product: Product) -> str:
    return f"{product.category[:3].upper()}-{NUMBERS[product] % 100_000:05d}"
