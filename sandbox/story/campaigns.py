"""The campaigns: newsletters, texts and pushes, with the messages they send."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from sandbox.story.audience import APP_USERS, NEWSLETTER
from sandbox.story.calendar import black_friday, local
from sandbox.story.messages import Message
from sandbox.story.spelling import DAY, HOUR, MINUTE, instant, precise, ulid
from sandbox.story.templates import write_template
from sandbox.story.words import DOMAIN, NOTIFICATIONS, SHOP, TEXTS, THEMES

if TYPE_CHECKING:
    from sandbox.story.audience import Audience
    from sandbox.story.draft import Draft


class Send(NamedTuple):
    """A campaign as the story needs it: what goes to whom, and when."""

    second: int
    included: str
    excluded: str | None
    messages: tuple[Message, ...]
    spread: int
    """Seconds until nearly all have received it."""


class Plan(NamedTuple):
    """One campaign before it is written."""

    name: str
    channel: str
    second: int | None
    subject: str
    body: str
    included: str
    excluded: str | None = None
    method: str = "static"
    status: str = "Sent"
    is_archived: bool = False
    spread: int = 5 * MINUTE
    number: int = 0


UNSENT = (
    ("Draft", None),
    ("Draft", None),
    ("Scheduled", 3 * DAY),
    ("Scheduled", 9 * DAY),
    ("Cancelled", None),
    ("Cancelled: No Recipients", -40 * DAY),
    ("Queued without Recipients", HOUR),
)
WEEKLY_AUDIENCES = (
    "Engaged 30 Days",
    "VIP Customers",
    "Canada",
    "Window Shoppers",
    "United Kingdom",
)
METHODS = ("static", "immediate", "static", "throttled", "smart_send_time", "static", "static", "unsupported")
SPREADS = {"throttled": 4 * HOUR, "smart_send_time": 12 * HOUR}
TEST_WEEKS = (33, 87)
"""When the whole list gets one subject or the other."""
ARCHIVED = 4


def write_campaigns(draft: Draft, audience: Audience, images: list[str]) -> list[Send]:
    plans = [*_newsletters(draft), *_sales(draft), *_texts(draft), *_pushes(draft), *_unsent(draft)]
    return [_write(draft, audience, plan, images) for plan in plans]


def _newsletters(draft: Draft) -> list[Plan]:
    return [_newsletter(number, day) for number, day in enumerate(_weeks(draft))]


def _weeks(draft: Draft) -> list[date]:
    first = datetime.fromtimestamp(draft.start, UTC).date() + timedelta(days=7)
    tuesday = first + timedelta(days=(1 - first.weekday()) % 7)
    days = (tuesday + timedelta(days=7 * week + week % 3) for week in range(120))
    return [day for day in days if local(day, 23) < draft.now]


def _newsletter(number: int, day: date) -> Plan:
    theme = THEMES[number % len(THEMES)]
    is_test = number in TEST_WEEKS
    method = "ab_test_campaign" if is_test else METHODS[number % len(METHODS)]
    return Plan(
        name=f"{day:%Y-%m-%d} {theme.name}",
        channel="email",
        second=local(day, (10, 9, 17, 12)[number % 4], number % 60),
        subject=theme.subject,
        body=theme.preview,
        included=NEWSLETTER if is_test else WEEKLY_AUDIENCES[number % len(WEEKLY_AUDIENCES)],
        excluded="Unengaged 180 Days" if number % 5 else None,
        method=method,
        is_archived=number < ARCHIVED,
        spread=SPREADS.get(method, 5 * MINUTE),
    )


def _sales(draft: Draft) -> list[Plan]:
    years = range(datetime.fromtimestamp(draft.start, UTC).year, datetime.fromtimestamp(draft.now, UTC).year + 1)
    sends = [
        (local(black_friday(year) + timedelta(days=days), hour), f"{year} {name}", name)
        for year in years
        for name, days, hour in (("Black Friday", 0, 6), ("Cyber Monday", 3, 8))
    ]
    return [
        Plan(name, "email", second, f"{title}: 30% off everything 🎉", "Our one sale of the year", NEWSLETTER)
        for second, name, title in sends
        if draft.start + DAY < second < draft.now
    ]


def _texts(draft: Draft) -> list[Plan]:
    return [
        Plan(
            name=f"SMS {number + 1}: {TEXTS[number % len(TEXTS)].split('!')[0]}",
            channel="sms",
            second=local(_day(draft, 200 + 50 * number), 12, 5),
            subject="",
            body=f"{SHOP}: {TEXTS[number % len(TEXTS)]} https://{DOMAIN}/s",
            included="SMS Reachable",
            method=("static", "throttled")[number % 2],
            is_archived=number == 0,
        )
        for number in range(10)
    ]


def _pushes(draft: Draft) -> list[Plan]:
    return [
        Plan(
            name=f"Push {number + 1}",
            channel="mobile_push",
            second=local(_day(draft, 380 + 60 * number), 18, 30),
            subject=NOTIFICATIONS[number % len(NOTIFICATIONS)][0],
            body=NOTIFICATIONS[number % len(NOTIFICATIONS)][1],
            included=APP_USERS,
            method="immediate",
            is_archived=number == 0,
            number=number,
        )
        for number in range(6)
    ]


def _unsent(draft: Draft) -> list[Plan]:
    return [
        Plan(
            name=f"{status.split(':')[0]} idea {number + 1}",
            channel=("email", "email", "email", "sms", "email", "email", "mobile_push")[number],
            second=None if ahead is None else draft.now + ahead,
            subject="Subject to be written",
            body="",
            included=NEWSLETTER,
            method="static" if ahead else "immediate",
            status=status,
        )
        for number, (status, ahead) in enumerate(UNSENT)
    ]


def _day(draft: Draft, number: int) -> date:
    return draft.calendar.days[number]


def _write(draft: Draft, audience: Audience, plan: Plan, images: list[str]) -> Send:
    dice = draft.dice
    sent = plan.second if plan.second and plan.status == "Sent" else None
    about = plan.second or draft.now
    created = min(about, draft.now) - dice.randrange(DAY, 6 * DAY)
    touched = min(about, draft.now) + dice.randrange(HOUR) * (sent is not None)
    campaign = ulid(dice, created)
    stamps = {
        "created_at": precise(created, dice.randrange(10**6)),
        "updated_at": precise(max(created, touched), dice.randrange(10**6)),
    }
    labels = (None,) if plan.method != "ab_test_campaign" else ("Variation A", "Variation B")
    image = dice.choice(images) if plan.channel != "email" and draft.chance(0.5) else None
    messages = _write_messages(draft, plan, {"campaign": campaign, "image": image}, labels, stamps)
    draft.add(
        "campaign",
        campaign,
        {
            "name": plan.name,
            "status": plan.status,
            "archived": plan.is_archived,
            "audiences": {
                "included": [audience.ids[plan.included]],
                "excluded": [audience.ids[plan.excluded]] if plan.excluded else [],
            },
            "send_options": {"use_smart_sending": plan.second is None or plan.second % 3 > 0},
            "tracking_options": TRACKING[plan.channel],
            "send_strategy": _strategy(plan),
            **stamps,
            "scheduled_at": instant(about - DAY) if plan.second and plan.method != "immediate" else None,
            "send_time": instant(plan.second) if plan.second else None,
        },
        {"campaign-messages": [message.id for message in messages], "tags": []},
    )
    return Send(sent or draft.now + DAY, plan.included, plan.excluded, messages, plan.spread)


TRACKING: dict[str, dict[str, Any] | None] = {
    "email": {
        "add_tracking_params": True,
        "custom_tracking_params": [
            {"type": "static", "value": "email", "name": "utm_medium"},
            {"type": "dynamic", "value": "campaign_name_id", "name": "utm_campaign"},
        ],
        "is_tracking_clicks": True,
        "is_tracking_opens": True,
    },
    "sms": {"add_tracking_params": False, "custom_tracking_params": None},
    "mobile_push": None,
}


def _strategy(plan: Plan) -> dict[str, Any]:
    second = plan.second or 0
    details: dict[str, dict[str, Any]] = {
        "static": {"datetime": instant(second), "options": _options(second)},
        "throttled": {"datetime": instant(second), "throttle_percentage": 20},
        "smart_send_time": {"date": instant(second)[:10]},
    }
    return {"method": plan.method, **details.get(plan.method, {})}


def _options(second: int) -> dict[str, bool]:
    local_send = {"is_local": True, "send_past_recipients_immediately": False}
    return local_send if second % 7 == 0 else {"is_local": False}


def _write_messages(
    draft: Draft, plan: Plan, links: dict[str, str | None], labels: tuple[str | None, ...], stamps: dict[str, str]
) -> tuple[Message, ...]:
    created = plan.second or draft.now
    ids = [ulid(draft.dice, created - DAY) for _ in labels]
    for identity, label in zip(ids, labels, strict=True):
        is_email = plan.channel == "email"
        template = (
            write_template(draft, f"{plan.name} {label or ''}".strip(), created - 2 * DAY).id if is_email else None
        )
        times = [{"datetime": instant(plan.second), "is_local": False}] if plan.second else []
        attributes = {"definition": _definition(plan, label), "send_times": times, **stamps}
        draft.add("campaign-message", identity, attributes, {**links, "template": template})
    return tuple(
        Message(
            id=identity,
            channel=plan.channel,
            name=plan.name,
            subject=plan.subject if label in (None, "Variation A") else f"{plan.subject} (B)",
            campaign_id=links["campaign"],
            main_id=ids[0],
            variation=label,
        )
        for identity, label in zip(ids, labels, strict=True)
    )


def _definition(plan: Plan, label: str | None) -> dict[str, Any]:
    if plan.channel == "email":
        return {
            "channel": "email",
            "label": label or plan.name,
            "content": {
                "subject": plan.subject if label != "Variation B" else f"{plan.subject} (B)",
                "preview_text": plan.body or None,
                "from_email": f"hello@{DOMAIN}",
                "from_label": SHOP,
                "reply_to_email": None,
                "cc_email": None,
                "bcc_email": None,
            },
        }
    if plan.channel == "sms":
        return {
            "channel": "sms",
            "content": {"body": plan.body, "media_url": None},
            "render_options": {
                "shorten_links": True,
                "add_org_prefix": True,
                "add_info_link": None,
                "add_opt_out_language": True,
            },
        }
    return _push(plan)


def _push(plan: Plan) -> dict[str, Any]:
    if plan.is_archived:
        return {"channel": "mobile_push", "notification_type": "silent", "kv_pairs": {"refresh": "catalogue"}}
    return {
        "channel": "mobile_push",
        "notification_type": "standard",
        "content": {
            "title": plan.subject,
            "body": plan.body,
            "dynamic_image": None,
            "action_buttons": [{"label": "Shop", "action_type": "deep_link", "position": 1, "url": "alder://new"}],
        },
        "kv_pairs": None,
        "options": {
            "on_open": ON_OPEN[plan.number % len(ON_OPEN)],
            "badge": BADGES[plan.number % len(BADGES)],
            "play_sound": True,
        },
    }


ON_OPEN: tuple[dict[str, str] | None, ...] = (
    {"type": "open_app"},
    {"type": "deep_link", "ios_deep_link": "alder://new", "android_deep_link": "alder://new"},
    {"type": "open_web_url", "web_url": f"https://{DOMAIN}/app"},
    None,
)
BADGES: tuple[dict[str, Any] | None, ...] = (
    {"display": True, "badge_options": {"badge_config": "set_count", "value": "1"}},
    {"display": True, "badge_options": {"badge_config": "increment_one"}},
    {"display": True, "badge_options": {"badge_config": "set_property", "set_from_property": "unread"}},
    {"display": False},
)
