"""The flows: what triggers them, and the steps they take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from sandbox.story.audience import NEWSLETTER, WAITLIST
from sandbox.story.messages import Message
from sandbox.story.spelling import DAY, HOUR, MINUTE, instant, numeric_id, short_id
from sandbox.story.templates import write_template
from sandbox.story.words import DOMAIN, SHOP

if TYPE_CHECKING:
    from sandbox.account import Linkage
    from sandbox.story.audience import Audience
    from sandbox.story.draft import Draft


class Step(NamedTuple):
    kind: str
    """`email`, `test` (an e-mail in two variations), `sms`, `push`, `wait`, `split` or `webhook`."""
    text: str = ""
    seconds: int = 0


def wait(seconds: int) -> Step:
    return Step("wait", seconds=seconds)


class Plan(NamedTuple):
    name: str
    trigger_type: str
    trigger: str | None
    """The list or metric that starts it, by name."""
    steps: tuple[Step, ...]
    status: str = "live"
    is_archived: bool = False
    days: tuple[int, int] = (0, 10**6)
    """From which day of the story to which it runs."""
    pause: int = 30 * DAY
    """How long nobody enters twice."""


WELCOME_BACK = Step("email", "We have missed you")

FLOWS = (
    Plan(
        "Welcome Series",
        "Added to List",
        NEWSLETTER,
        (
            Step("test", "Welcome to Alder & Finch — here is 10% off"),
            wait(2 * DAY),
            Step("email", "How we make things"),
            Step("split"),
            wait(3 * DAY),
            Step("email", "Your 10% ends tonight"),
        ),
        days=(120, 10**6),
    ),
    Plan(
        "Abandoned Cart",
        "Metric",
        "Added to Cart",
        (
            wait(2 * HOUR),
            Step("email", "You left something behind"),
            wait(22 * HOUR),
            Step("split"),
            Step("email", "Still thinking it over?"),
            Step("sms", f"{SHOP}: your cart is waiting https://{DOMAIN}/c"),
        ),
        pause=7 * DAY,
    ),
    Plan(
        "Abandoned Checkout",
        "Metric",
        "Checkout Started",
        (wait(45 * MINUTE), Step("email", "Finish your order in one tap"), Step("push", "Your checkout is saved")),
        pause=7 * DAY,
    ),
    Plan(
        "Browse Abandonment",
        "Metric",
        "Viewed Product",
        (wait(3 * HOUR), Step("email", "Something caught your eye")),
        days=(300, 10**6),
        pause=45 * DAY,
    ),
    Plan(
        "Post-Purchase",
        "Metric",
        "Placed Order",
        (
            Step("webhook", f"https://hooks.{DOMAIN}/order"),
            wait(HOUR),
            Step("email", "Thank you for your order"),
            wait(14 * DAY),
            Step("email", "How do you like it?"),
        ),
        pause=DAY,
    ),
    Plan(
        "Winback",
        "Metric",
        "Fulfilled Order",
        (wait(90 * DAY), WELCOME_BACK, wait(7 * DAY), Step("email", "15% off to come home to")),
        pause=120 * DAY,
    ),
    Plan(
        "Back in Stock",
        "Metric",
        "Subscribed to Back in Stock",
        (wait(9 * DAY), Step("email", "It is back. Be quick."), Step("sms", f"{SHOP}: it is back https://{DOMAIN}/b")),
    ),
    Plan("Waitlist Thanks", "Added to List", WAITLIST, (Step("email", "You are on the list"),), status="manual"),
    Plan("Birthday", "Date Based", None, (Step("email", "A small gift for your birthday"),), status="draft"),
    Plan("Price Drop", "Price Drop", None, (Step("email", "It now costs less"),), status="draft"),
    Plan("Low Stock Alert", "Low Inventory", None, (Step("email", "Only a few are left"),), status="draft"),
    Plan("Untitled Flow", "Unconfigured", None, (), status="draft"),
    Plan(
        "Welcome Series (first version)",
        "Added to List",
        NEWSLETTER,
        (Step("email", "Welcome!"), wait(4 * DAY), Step("email", "Take a look around")),
        is_archived=True,
        days=(0, 120),
    ),
    Plan("Holiday Countdown", "Metric", "Placed Order", (WELCOME_BACK,), "manual", is_archived=True, days=(0, 0)),
)


@dataclass(frozen=True, slots=True)
class Flow:
    """A flow as the story needs it: `steps` are how long to wait, and the messages of which one is then sent."""

    name: str
    since: int
    until: int
    pause: int
    steps: tuple[tuple[int, tuple[Message, ...]], ...]


KINDS = {
    "wait": "time-delay",
    "split": "conditional-split",
    "email": "send-email",
    "test": "ab-test",
    "sms": "send-sms",
    "push": "send-mobile-push",
    "webhook": "send-webhook",
}
CHANNELS = {"email": "email", "test": "email", "sms": "sms", "push": "mobile_push", "webhook": "webhook"}


def write_flows(draft: Draft, audience: Audience, metrics: dict[str, str]) -> dict[str, list[Flow]]:
    """The flows that run, by the name of the list or metric that starts them."""
    flows: dict[str, list[Flow]] = {}
    for plan in FLOWS:
        flow = _write(draft, plan, audience.ids, metrics)
        if plan.trigger and plan.status == "live":
            flows.setdefault(plan.trigger, []).append(flow)
    return flows


def _write(draft: Draft, plan: Plan, groups: dict[str, str], metrics: dict[str, str]) -> Flow:
    dice = draft.dice
    flow = short_id(dice)
    since = draft.start + plan.days[0] * DAY
    created = since - dice.randrange(DAY, 9 * DAY)
    updated = min(draft.now, draft.start + plan.days[1] * DAY, created + dice.randrange(400 * DAY))
    actions = [numeric_id(dice) for _ in plan.steps]
    writer = _Writer(draft, flow, plan, created, updated)
    definitions = [writer.write(*step) for step in zip(plan.steps, actions, (*actions, None)[1:], strict=True)]
    draft.add(
        "flow",
        flow,
        {
            "name": plan.name,
            "status": plan.status,
            "archived": plan.is_archived,
            "created": instant(created),
            "updated": instant(updated),
            "trigger_type": plan.trigger_type,
            "definition": {
                "triggers": _triggers(plan, groups, metrics),
                "profile_filter": None,
                "actions": definitions,
                "entry_action_id": actions[0] if actions else None,
                "reentry_criteria": {"duration": plan.pause // DAY, "unit": "day"},
            },
        },
        {"flow-actions": actions, "tags": []},
    )
    _link_trigger(draft, plan, flow, groups, metrics)
    return Flow(plan.name, since, draft.start + plan.days[1] * DAY, plan.pause, tuple(writer.steps))


def _link_trigger(draft: Draft, plan: Plan, flow: str, groups: dict[str, str], metrics: dict[str, str]) -> None:
    if plan.trigger is None:
        return
    kind, identity = (
        ("list", groups[plan.trigger]) if plan.trigger_type == "Added to List" else ("metric", metrics[plan.trigger])
    )
    triggered = draft.objects[kind][identity].relationships["flow-triggers"]
    assert isinstance(triggered, list)
    triggered.append(flow)


def _triggers(plan: Plan, groups: dict[str, str], metrics: dict[str, str]) -> list[dict[str, Any]]:
    if plan.trigger_type == "Added to List" and plan.trigger:
        return [{"type": "list", "id": groups[plan.trigger]}]
    if plan.trigger_type == "Metric" and plan.trigger:
        return [{"type": "metric", "id": metrics[plan.trigger], "trigger_filter": None}]
    return TRIGGERS[plan.trigger_type]


TRIGGERS: dict[str, list[dict[str, Any]]] = {
    "Unconfigured": [],
    "Date Based": [
        {
            "type": "date",
            "date_field_type": "profile-property",
            "date_profile_property": "Birthday",
            "timedelta_unit_before_date": "days",
            "timedelta_value_before_date": 3,
            "recurrence_frequency": "annually",
            "timezone": "America/New_York",
            "trigger_time": "09:00:00Z",
            "trigger_days": None,
        }
    ],
    "Price Drop": [
        {
            "type": "price-drop",
            "trigger_filter": None,
            "price_drop_amount_value": 10,
            "price_drop_amount_unit": "percent",
            "audience": ["viewed"],
            "timeframe_days": 30,
            "currency_type": "usd",
        }
    ],
    "Low Inventory": [
        {
            "type": "low-inventory",
            "product_level": "variant",
            "trigger_filter": None,
            "inventory_count": 5,
            "audience": ["added-to-cart", "viewed"],
            "timeframe_days": 30,
        }
    ],
}


class _Writer:
    """Writes the actions of one flow, and gathers when which message is sent."""

    def __init__(self, draft: Draft, flow: str, plan: Plan, created: int, updated: int) -> None:
        self._draft = draft
        self._flow = flow
        self._plan = plan
        self._stamps = {"created": instant(created), "updated": instant(updated)}
        self._created = created
        self._waited = 0
        self.steps: list[tuple[int, tuple[Message, ...]]] = []

    def write(self, step: Step, action: str, following: str | None) -> dict[str, Any]:
        """The definition of the action for this step, which is now an object too."""
        messages = self._messages(step, action)
        if step.kind == "wait":
            self._waited += step.seconds
        elif messages and step.kind != "webhook":
            self.steps.append((self._waited, messages))
            self._waited = 0
        links = {"next_if_true": following, "next_if_false": None} if step.kind == "split" else {"next": following}
        data = self._data(step, action, messages)
        definition = {"id": action, "type": KINDS[step.kind], "links": links, "data": data}
        linked: dict[str, Linkage] = {"flow": self._flow, "flow-messages": [message.id for message in messages]}
        self._draft.add("flow-action", action, {**self._stamps, "definition": definition}, linked)
        return definition

    def _messages(self, step: Step, action: str) -> tuple[Message, ...]:
        if step.kind not in CHANNELS:
            return ()
        labels = ("Variation A", "Variation B") if step.kind == "test" else (None,)
        ids = [short_id(self._draft.dice) for _ in labels]
        messages = tuple(
            Message(
                id=identity,
                channel=CHANNELS[step.kind],
                name=f"{self._plan.name}: {step.text}"[:60],
                subject=step.text if label != "Variation B" else f"{step.text} 🎁",
                flow_id=self._flow,
                main_id=ids[0],
                variation=label,
            )
            for identity, label in zip(ids, labels, strict=True)
        )
        for message in messages:
            self._write_message(message, action)
        return messages

    def _write_message(self, message: Message, action: str) -> None:
        template = write_template(self._draft, message.name, self._created).id if message.channel == "email" else None
        # Of e-mails it is recorded that this is how they are spelled here, and nowhere else.
        channel = {"email": "Email"}.get(message.channel, message.channel)
        attributes = {"channel": channel, **self._stamps, "definition": message_definition(message, template)}
        self._draft.add("flow-message", message.id, attributes, {"flow-action": action, "template": template})

    def _data(self, step: Step, action: str, messages: tuple[Message, ...]) -> dict[str, Any]:
        if step.kind == "wait":
            return _delay(step.seconds)
        if step.kind == "split":
            return SPLIT
        contents = [self._draft.objects["flow-message"][message.id].attributes["definition"] for message in messages]
        sends = [{"message": content, "status": self._plan.status} for content in contents]
        if step.kind != "test":
            return sends[0]
        variations = [{"id": action, "type": "send-email", "links": {"next": None}, "data": send} for send in sends]
        experiment = {"id": short_id(self._draft.dice), "name": "Subject test", "variations": variations}
        return {
            "status": self._plan.status,
            "experiment_status": "live",
            "main_action": variations[0],
            "current_experiment": {**experiment, "allocations": {}, "winner_metric": "unique-clicks"},
        }


SPLIT = {
    "profile_filter": {
        "condition_groups": [
            {
                "conditions": [
                    {
                        "type": "profile-property",
                        "property": "location['country']",
                        "filter": {"type": "string", "operator": "equals", "value": "United States"},
                    }
                ]
            }
        ]
    }
}


def _delay(seconds: int) -> dict[str, Any]:
    name, unit = next(each for each in (("days", DAY), ("hours", HOUR), ("minutes", MINUTE)) if seconds % each[1] == 0)
    return {"unit": name, "value": seconds // unit, "secondary_value": None, "timezone": "profile"}


def message_definition(message: Message, template: str | None) -> dict[str, Any]:
    named = {"name": message.name, "id": message.id}
    if message.channel == "email":
        return {
            "from_email": f"hello@{DOMAIN}",
            "from_label": SHOP,
            "reply_to_email": None,
            "cc_email": None,
            "bcc_email": None,
            "subject_line": message.subject,
            "preview_text": None,
            "template_id": template,
            "smart_sending_enabled": True,
            "transactional": "order" in message.subject,
            "add_tracking_params": True,
            "custom_tracking_params": [{"param": "utm_medium", "value": "email"}],
            "additional_filters": None,
            **named,
        }
    said = "url" if message.channel == "webhook" else "body"
    return {**BODIES[message.channel], said: message.subject, **named}


BODIES: dict[str, dict[str, Any]] = {
    "sms": {
        "image_id": None,
        "dynamic_image": None,
        "message_hierarchy": None,
        "shorten_links": True,
        "include_contact_card": False,
        "add_org_prefix": True,
        "add_info_link": True,
        "add_opt_out_language": False,
        "smart_sending_enabled": True,
        "sms_quiet_hours_enabled": True,
        "transactional": False,
        "add_tracking_params": True,
        "custom_tracking_params": None,
        "template_id": None,
        "additional_filters": None,
    },
    "mobile_push": {
        "title": SHOP,
        "sound": True,
        "badge": True,
        "badge_options": {"badge_config": "increment_one"},
        "image_id": None,
        "dynamic_image": None,
        "video_asset_id": None,
        "on_open": "home",
        "ios_link": None,
        "android_link": None,
        "web_url": None,
        "push_type": "standard",
        "kv_pairs": None,
        "conversion_metric_id": None,
        "smart_sending_enabled": True,
        "additional_filters": None,
        "action_buttons": [{"label": "Open", "action_type": "open_app", "position": 1}],
    },
    "webhook": {"headers": {"content-type": "application/json"}, "body": "{{ event|json }}"},
}
