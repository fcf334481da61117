"""What happens: people turn up, hear from the shop, open, click, browse, order, and leave."""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any

from sandbox.account import Attribution
from sandbox.story import audience as groups
from sandbox.story import events as recipes
from sandbox.story.events import Happening, Joined, Ordered, Seen, Stated
from sandbox.story.metrics import SECOND_PLACED_ORDER
from sandbox.story.shop import COUPON, FIRST_ORDER, Order, draw_lines, draw_product
from sandbox.story.spelling import DAY, HOUR, MINUTE, event_id, instant, tag_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.story.audience import Audience
    from sandbox.story.campaigns import Send
    from sandbox.story.draft import Draft
    from sandbox.story.flows import Flow
    from sandbox.story.messages import Message
    from sandbox.story.people import Person
    from sandbox.story.words import Product

WINDOWS = {"email": 5 * DAY, "sms": 5 * DAY, "mobile_push": DAY}
"""How long after an open or click an order counts for the message."""

REMEMBERED = 6
SHOP_METHODS = {"form": "FORM", "checkout": "CHECKOUT", "waitlist": "BACK_IN_STOCK", "import": "MANUAL_IMPORT"}
ORGANIC_VISITS = 0.6
"""How many times a person comes by on his own."""


class Life:
    """Runs the scenes in the order of time; a scene tells events and puts later scenes on the agenda."""

    def __init__(
        self,
        draft: Draft,
        metrics: dict[str, str],
        audience: Audience,
        flows: dict[str, list[Flow]],
        forms: list[Seen],
    ) -> None:
        self._draft = draft
        self._chance = draft.chance
        self._metrics = metrics
        self._audience = audience
        self._flows = flows
        self._forms = forms
        self._agenda: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._ticket = count()
        self._order_number = count(FIRST_ORDER)
        self.told: list[Happening] = []

    def run(self, people: list[Person], sends: list[Send]) -> None:
        for person in people:
            self._at(person.joined, self._enter, person)
            for _ in range(self._visits(person)):
                self._at(self._draft.calendar.moment(self._draft.dice, person.joined), self._visit, person, None)
        for send in sends:
            self._at(send.second, self._send, send)
        while self._agenda:
            second, _, scene, cast = heappop(self._agenda)
            scene(second, *cast)

    def _visits(self, person: Person) -> int:
        return int(self._draft.dice.expovariate(1) * ORGANIC_VISITS * (0.5 + 2 * person.purse))

    def _at(self, second: int, scene: Callable[..., None], *cast: object) -> None:
        if second < self._draft.now:
            heappush(self._agenda, (second, next(self._ticket), scene, cast))

    def _tell(
        self,
        metric: str,
        person: Person,
        second: int,
        recipe: Callable[[Happening], dict[str, Any]],
        about: object = None,
    ) -> Happening:
        told = Happening(event_id(self._draft.dice), second, self._metrics[metric], person.id, person, recipe, about)
        if second < self._draft.now:
            self.told.append(told)
            person.last_seen = max(person.last_seen, second)
        return told

    # Arriving

    def _enter(self, second: int, person: Person) -> None:
        if person.source == "form":
            self._fill_form(second, person)
        elif person.source == "checkout":
            self._visit(second, person, None, is_buying=True)
        elif person.source == "waitlist":
            self._tell("Subscribed to Back in Stock", person, second, recipes.saw_product, draw_product(self._draft))
            self._join(second, person, groups.WAITLIST)
            self._trigger(second, person, "Subscribed to Back in Stock")
        agrees = person.source != "checkout" or self._chance(0.6)
        if person.email and agrees:
            self._subscribe_email(second + 2, person)
        if person.phone and self._chance(0.4 if person.email else 1):
            self._subscribe_texts(second + 5, person)
        for name, is_meant in groups.OTHER_LISTS.items():
            if is_meant(person) and self._chance(0.3):
                self._join(second + 10, person, name)
        if self._chance(SUPPRESSED):
            self._at(second + self._draft.soon(200 * DAY), self._suppress, person)
        if self._chance(0.12):
            person.push_consent.give(second, "APP")
            self._join(second + 20, person, groups.APP_USERS)

    def _fill_form(self, second: int, person: Person) -> None:
        form = self._draft.dice.choice(self._forms)
        while self._chance(0.3):
            self._tell("Viewed Form", person, second - self._draft.soon(6 * HOUR), recipes.saw_form, form)
        self._tell("Viewed Form", person, second - 40, recipes.saw_form, form)
        self._tell("Submitted Form", person, second, recipes.submitted_form, form)
        self._join(second + 1, person, self._draft.pick(groups.FORM_LISTS))

    def _subscribe_email(self, second: int, person: Person) -> None:
        method = SHOP_METHODS[person.source]
        person.email_consent.give(second, method)
        self._tell("Subscribed to Email Marketing", person, second, recipes.subscribed, Stated(None, method))
        self._join(second, person, groups.NEWSLETTER)
        self._trigger(second, person, groups.NEWSLETTER)

    def _subscribe_texts(self, second: int, person: Person) -> None:
        person.sms_consent.give(second, "TEXT" if self._chance(0.3) else SHOP_METHODS[person.source])
        stated = Stated(None, person.sms_consent.method or "")
        self._tell("Subscribed to Text Messaging Marketing", person, second, recipes.subscribed, stated)
        self._join(second, person, groups.TEXTERS)

    def _suppress(self, second: int, person: Person) -> None:
        """The shop stops writing to somebody; no event tells it."""
        if person.email_consent.holds(second):
            person.email_consent.end(second, self._draft.dice.choice(("USER_SUPPRESSED", "INVALID_EMAIL")))

    # Lists

    def _join(self, second: int, person: Person, name: str) -> None:
        identity = self._audience.ids[name]
        members = self._audience.members[identity]
        if person.id in members or second >= self._draft.now:
            return
        members[person.id] = instant(second)
        joined = Joined(identity, name, SHOP_METHODS[person.source])
        self._tell("Subscribed to List", person, second, recipes.joined, joined)

    def _leave(self, second: int, person: Person, name: str) -> None:
        identity = self._audience.ids[name]
        if self._audience.members[identity].pop(person.id, None):
            left = Joined(identity, name, "PREFERENCE_PAGE")
            self._tell("Unsubscribed from List", person, second, recipes.joined, left)

    # Sending

    def _send(self, second: int, send: Send) -> None:
        excluded = {person.id for person in self._audience.of(send.excluded, second)} if send.excluded else set()
        for person in [each for each in self._audience.of(send.included, second) if each.id not in excluded]:
            message = self._draft.dice.choice(send.messages)
            self._deliver(second + self._draft.soon(send.spread / 3), person, message)

    def _deliver(self, second: int, person: Person, message: Message) -> None:
        deliver = {"email": self._mail, "sms": self._text, "mobile_push": self._push}[message.channel]
        deliver(second, person, message)

    def _mail(self, second: int, person: Person, message: Message) -> None:
        if not person.email or not person.email_consent.holds(second):
            return
        fate = self._draft.dice.random()
        if fate < BOUNCES:
            self._bounce(second, person, message)
        elif fate < BOUNCES + DROPS:
            self._tell("Dropped Email", person, second, recipes.dropped, Stated(message, "Invalid"))
        else:
            self._tell("Received Email", person, second, recipes.message, message)
            self._react(second, person, message)

    def _bounce(self, second: int, person: Person, message: Message) -> None:
        is_hard = self._chance(0.4)
        self._tell("Bounced Email", person, second + 3, recipes.bounced, Stated(message, "Hard" if is_hard else "Soft"))
        if is_hard:
            person.email_consent.end(second + 3, "HARD_BOUNCE")

    def _react(self, second: int, person: Person, message: Message) -> None:
        if person.device.is_private and self._chance(0.8):
            self._tell("Opened Email", person, second + self._draft.soon(MINUTE), recipes.opened_by_machine, message)
        if person.inbox.provider == "Other" and self._chance(0.5):
            self._tell("Clicked Email", person, second + 2, recipes.clicked_by_bot, message)
        if not self._chance(0.05 + 0.8 * person.zeal):
            return
        opened = second + self._draft.soon(5 * HOUR)
        self._touch(self._tell("Opened Email", person, opened, recipes.opened, message))
        while self._chance(0.12):
            self._tell("Opened Email", person, opened + self._draft.soon(DAY), recipes.opened, message)
        self._act(opened, person, message)

    def _act(self, opened: int, person: Person, message: Message) -> None:
        """After opening: click, complain, unsubscribe, or none of it."""
        fate = self._draft.dice.random()
        if fate < CLICKS:
            clicked = opened + self._draft.soon(MINUTE)
            self._touch(self._tell("Clicked Email", person, clicked, recipes.clicked, message))
            self._at(clicked + 5, self._visit, person, message)
        elif fate < CLICKS + UNSUBSCRIBES:
            self._at(opened + 40, self._unsubscribe, person, message)
        elif fate < CLICKS + UNSUBSCRIBES + COMPLAINTS:
            self._at(opened + 15, self._complain, person, message)

    def _touch(self, event: Happening) -> None:
        """Remember it as a reason for what is ordered next."""
        if event.second < self._draft.now:
            event.person.touches = [*event.person.touches[1 - REMEMBERED :], event]
            event.person.engaged = max(event.person.engaged, event.second)

    def _unsubscribe(self, second: int, person: Person, message: Message) -> None:
        if not person.email_consent.holds(second):
            return
        person.email_consent.end(second, "UNSUBSCRIBE")
        self._tell("Unsubscribed from Email Marketing", person, second, recipes.unsubscribed, Stated(message, ""))
        if self._chance(0.7):
            self._leave(second + 1, person, groups.NEWSLETTER)
        if self._chance(0.08):
            self._at(second + self._draft.soon(60 * DAY), self._return, person)

    def _return(self, second: int, person: Person) -> None:
        self._subscribe_email(second, person)

    def _complain(self, second: int, person: Person, message: Message) -> None:
        if person.email_consent.holds(second):
            person.email_consent.end(second, "SPAM_COMPLAINT")
            self._tell("Marked Email as Spam", person, second, recipes.message, message)
            self._leave(second + 1, person, groups.NEWSLETTER)

    def _text(self, second: int, person: Person, message: Message) -> None:
        if not person.phone or not person.sms_consent.holds(second):
            return
        if self._chance(0.03):
            failed = Stated(message, "Unreachable handset")
            self._tell("Failed to Deliver Text Message", person, second, recipes.text_failed, failed)
            return
        self._tell("Received Text Message", person, second, recipes.texted, message)
        if self._chance(0.02):
            self._tell("Sent Text Message", person, second + self._draft.soon(HOUR), recipes.text_answered)
        if self._chance(0.015):
            self._at(second + self._draft.soon(HOUR), self._stop_texts, person, message)
        elif self._chance(0.12):
            clicked = second + self._draft.soon(HOUR)
            self._touch(self._tell("Clicked Text Message", person, clicked, recipes.text_clicked, message))
            self._at(clicked + 5, self._visit, person, message)

    def _stop_texts(self, second: int, person: Person, message: Message) -> None:
        person.sms_consent.end(second, "UNSUBSCRIBE")
        stated = Stated(message, "INBOUND_MESSAGE")
        self._tell("Unsubscribed from Text Messaging Marketing", person, second, recipes.unsubscribed, stated)
        self._leave(second, person, groups.TEXTERS)

    def _push(self, second: int, person: Person, message: Message) -> None:
        if not person.push_consent.holds(second):
            return
        if self._chance(0.04):
            self._tell("Bounced Push", person, second, recipes.pushed, message)
            return
        self._tell("Received Push", person, second, recipes.pushed, message)
        if self._chance(0.1 + person.zeal / 3):
            opened = second + self._draft.soon(2 * HOUR)
            self._touch(self._tell("Opened Push", person, opened, recipes.pushed, message))
            self._at(opened + 5, self._visit, person, message)

    # Flows

    def _trigger(self, second: int, person: Person, name: str) -> None:
        for flow in self._flows.get(name, ()):
            rests = person.flows.get(flow.name, -flow.pause) + flow.pause
            if flow.since <= second < flow.until and rests <= second:
                person.flows[flow.name] = second
                self._at(second + flow.steps[0][0] + 1, self._step, person, flow, 0, len(person.orders))

    def _step(self, second: int, person: Person, flow: Flow, number: int, orders: int) -> None:
        if len(person.orders) > orders and flow.name in ENDED_BY_ORDER:
            return
        self._deliver(second, person, self._draft.dice.choice(flow.steps[number][1]))
        if number + 1 < len(flow.steps):
            self._at(second + flow.steps[number + 1][0] + 1, self._step, person, flow, number + 1, orders)

    # Shopping

    def _visit(self, second: int, person: Person, message: Message | None, *, is_buying: bool = False) -> None:
        self._tell("Active on Site", person, second, recipes.on_site)
        product = draw_product(self._draft)
        viewed = second + self._draft.soon(30)
        self._view(viewed, person, product)
        while self._chance(0.35):
            viewed += self._draft.soon(MINUTE)
            product = draw_product(self._draft)
            self._view(viewed, person, product)
        likelihood = 0.12 + 0.5 * person.purse
        if is_buying or self._chance(likelihood):
            self._fill_cart(viewed + self._draft.soon(MINUTE), person, product, message, is_buying=is_buying)

    def _view(self, second: int, person: Person, product: Product) -> None:
        self._tell("Viewed Product", person, second, recipes.saw_product, product)
        person.last_view = second
        self._trigger(second, person, "Viewed Product")

    def _fill_cart(
        self, second: int, person: Person, product: Product, message: Message | None, *, is_buying: bool
    ) -> None:
        self._tell("Added to Cart", person, second, recipes.carted, product)
        self._trigger(second, person, "Added to Cart")
        if is_buying or self._chance(0.7):
            self._check_out(second + self._draft.soon(2 * MINUTE), person, product, message, is_buying=is_buying)

    def _check_out(
        self, second: int, person: Person, product: Product, message: Message | None, *, is_buying: bool
    ) -> None:
        ordered = second + self._draft.soon(4 * MINUTE)
        order = Order(
            number=next(self._order_number),
            second=ordered,
            lines=draw_lines(self._draft, product),
            coupon=COUPON if message and message.flow_id and self._chance(0.4) else None,
            currency="CAD" if person.country == "Canada" else "USD",
        )
        self._tell("Checkout Started", person, second, recipes.checkout, order)
        self._trigger(second, person, "Checkout Started")
        if is_buying or self._chance(0.65):
            self._at(ordered, self._order, person, order)

    def _order(self, second: int, person: Person, order: Order) -> None:
        placed = self._tell("Placed Order", person, second, recipes.ordered, order)
        items = [
            self._tell("Ordered Product", person, second, recipes.ordered_product, Ordered(order, number))
            for number in range(len(order.lines))
        ]
        if self._chance(DUPLICATES):
            later = second + self._draft.dice.randrange(40)
            items.append(self._tell(SECOND_PLACED_ORDER, person, later, recipes.ordered_elsewhere, order))
        self._attribute(person, [placed, *items])
        person.orders.append(order)
        self._join(second + 1, person, groups.CUSTOMERS if len(person.orders) == 1 else groups.EARLY_ACCESS)
        self._trigger(second, person, "Placed Order")
        if self._chance(0.03):
            self._tell("Cancelled Order", person, second + self._draft.soon(8 * HOUR), recipes.ordered, order)
            return
        self._at(second + DAY + self._draft.soon(DAY), self._fulfil, person, order)

    def _fulfil(self, second: int, person: Person, order: Order) -> None:
        self._tell("Fulfilled Order", person, second, recipes.ordered, order)
        self._trigger(second, person, "Fulfilled Order")
        if self._chance(0.05):
            self._tell("Refunded Order", person, second + 3 * DAY + self._draft.soon(5 * DAY), recipes.ordered, order)

    def _attribute(self, person: Person, events: list[Happening]) -> None:
        second = events[0].second
        touches = [touch for touch in person.touches if 0 < second - touch.second <= WINDOWS[touch.about.channel]]
        if not touches:
            return
        touch = max(touches, key=lambda touch: (touch.second, touch.id))
        for event in events:
            relations = {"attributed-event": touch.id, **touch.about.relations}
            event.attributions = (Attribution(tag_id(self._draft.dice), relations),)


SUPPRESSED = 0.01
BOUNCES = 0.009
DROPS = 0.002
CLICKS = 0.09
UNSUBSCRIBES = 0.008
COMPLAINTS = 0.0015
DUPLICATES = 0.025
ENDED_BY_ORDER = ("Abandoned Cart", "Abandoned Checkout", "Browse Abandonment", "Winback", "Welcome Series")
