"""An account small enough to count by hand, with one of nearly everything that the API can show."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sandbox.account import Account, Attribution, Event, Events, Linkage, Object

NOW = datetime(2026, 7, 1, tzinfo=UTC)
DAY = 86_400
MONDAY = int(datetime(2026, 6, 1, tzinfo=UTC).timestamp())

EARLY = "2026-01-10T08:00:00+00:00"
LATE = "2026-05-20T09:30:00+00:00"


@dataclass(slots=True)
class PlainEvent:
    id: str
    second: int
    metric_id: str | None = "ORDER"
    profile_id: str | None = "ANNA"
    attributions: tuple[Attribution, ...] = ()
    properties: dict[str, Any] | None = None

    @property
    def uuid(self) -> str:
        return "f9204180-a865-11f1-8001-eb4883aa7288"

    @property
    def datetime(self) -> str:
        return datetime.fromtimestamp(self.second, UTC).isoformat()


def orders(count: int, start: int = MONDAY) -> list[Event]:
    """An order an hour, worth 1, 2, 3, … in turn."""
    return [
        PlainEvent(f"e{number:05}", start + number * 3_600, properties={"$value": number + 1, "items": ["a", "b"]})
        for number in range(count)
    ]


def attributed_order() -> Event:
    attribution = Attribution("attr1", {"attributed-event": "e00000", "campaign": "SPRING", "campaign-message": "MAIL"})
    properties = {"$value": 100.5, "List": "Newsletter", "deep": {"big": 12345678901234567890}}
    return PlainEvent("zz-attributed", MONDAY + 10 * DAY, attributions=(attribution,), properties=properties)


def tiny_account() -> Account:
    objects: dict[str, dict[str, Object]] = {}
    for one in deepcopy(OBJECTS):
        objects.setdefault(one.type, {})[one.id] = one
    orphan = PlainEvent("zz-orphan", MONDAY + 11 * DAY, metric_id=None, profile_id=None, properties={"List": "Other"})
    visit = PlainEvent("zz-visit", MONDAY + 12 * DAY, metric_id="VISIT", profile_id="BERT", properties=None)
    return Account(
        objects=objects,
        events=Events([*orders(30), attributed_order(), orphan, visit]),
        list_members={"NEWS": {"ANNA": EARLY, "BERT": LATE}},
        segment_members={"VIPS": {"ANNA": LATE}},
    )


def _object(type_: str, id_: str, *, to: dict[str, Linkage] | None = None, **attributes: Any) -> Object:
    return Object(type_, id_, attributes, to or {})


def _profile(id_: str, **attributes: Any) -> Object:
    blank = dict.fromkeys(
        ("phone_number", "external_id", "first_name", "last_name", "organization", "locale", "title", "image")
    )
    suppression = [{"reason": "HARD_BOUNCE", "timestamp": LATE}] if id_ == "BERT" else []
    return _object(
        "profile",
        id_,
        **(blank | {"email": f"{id_.lower()}@example.com", "last_event_date": None, "properties": {"$source": "x"}}),
        location={"city": "Aarhus", "country": "Denmark", "latitude": 56.1, "longitude": "10.2", "zip": None},
        subscriptions={
            "email": {
                "marketing": {
                    "can_receive_email_marketing": True,
                    "consent": "SUBSCRIBED",
                    "suppression": suppression,
                    "list_suppressions": [],
                }
            },
            "sms": None,
            "mobile_push": None,
            "whatsapp": None,
        },
        predictive_analytics={"total_clv": 12.5, "ranked_channel_affinity": ["email"]},
        **attributes,
    )


def _campaign(id_: str, message: str, status: str, *, archived: bool = False) -> Object:
    return _object(
        "campaign",
        id_,
        to={"campaign-messages": [message], "tags": ["T1"] if id_ == "SPRING" else []},
        name=f"{id_.title()} sale",
        status=status,
        archived=archived,
        audiences={"included": ["NEWS"], "excluded": []},
        send_options={"use_smart_sending": True, "ignore_unsubscribes": False},
        tracking_options=None,
        send_strategy={"method": "static", "datetime": LATE, "options": {"is_local": False}},
        created_at="2026-05-01T10:00:00.935203+00:00",
        scheduled_at=None,
        updated_at="2026-05-02T10:00:00.575329+00:00",
        send_time=LATE if status == "Sent" else None,
    )


def _message(id_: str, campaign: str, channel: str, template: str | None = None) -> Object:
    content = {"email": {"subject": "Hello", "preview_text": "Hi"}, "sms": {"body": "Hi"}}[channel]
    return _object(
        "campaign-message",
        id_,
        to={"campaign": campaign, "template": template, "image": None},
        definition={"channel": channel, "label": "one", "content": content},
        send_times=[],
        created_at=EARLY,
        updated_at=LATE,
    )


def _flow(id_: str, *, archived: bool = False) -> Object:
    return _object(
        "flow",
        id_,
        to={"tags": ["T1"]},
        name=f"Flow {id_}",
        status="live",
        archived=archived,
        created=EARLY,
        updated=LATE,
        trigger_type="Added to List",
        definition={"triggers": [], "profile_filter": None, "actions": [], "entry_action_id": None},
    )


def _variant(id_: str, item: str, **attributes: Any) -> Object:
    return _object(
        "catalog-variant",
        id_,
        to={"item": item},
        external_id=id_,
        title="Shirt, red",
        description="Red.",
        sku="S-1",
        inventory_policy=1,
        inventory_quantity=3,
        price=19.99,
        url="https://example.com/s",
        image_full_url="",
        image_thumbnail_url="",
        images=[],
        custom_metadata={"size": "M"},
        published=True,
        created=EARLY,
        updated=LATE,
        **attributes,
    )


BLOCK = {"content_type": "block", "type": "html", "data": {"content": "<p>x</p>", "display_options": {}}}

OBJECTS = [
    _object(
        "account",
        "ACC",
        test_account=False,
        contact_information={
            "default_sender_name": "Shop",
            "default_sender_email": "shop@example.com",
            "website_url": None,
            "organization_name": "Shop",
            "street_address": dict.fromkeys(("address1", "address2", "city", "region", "country", "zip")),
        },
        industry=None,
        timezone="Europe/Copenhagen",
        preferred_currency="DKK",
        public_api_key="ACC",
        locale="en-DK",
    ),
    _profile("ANNA", created=EARLY, updated=LATE),
    _profile("BERT", created="2026-02-01T00:00:00+00:00", updated="2026-06-01T00:00:00+00:00"),
    _profile("CLEO", created="2026-03-01T00:00:00+00:00", updated=None),
    _object(
        "list",
        "NEWS",
        to={"tags": ["T1"], "flow-triggers": ["WELCOME"]},
        name="Newsletter",
        created=EARLY,
        updated=LATE,
        opt_in_process="double_opt_in",
    ),
    *(
        _object("list", f"L{n:02}", name=f"List {n}", created=EARLY, updated=LATE, opt_in_process="single_opt_in")
        for n in range(24)
    ),
    _object(
        "segment",
        "VIPS",
        to={"tags": []},
        name="VIPs",
        definition={"condition_groups": [{"conditions": []}]},
        created=EARLY,
        updated=LATE,
        is_active=True,
        is_processing=False,
        is_starred=False,
    ),
    _object(
        "metric",
        "ORDER",
        to={"flow-triggers": []},
        name="Placed Order",
        created=EARLY,
        updated=LATE,
        integration={"object": "integration", "id": "7FtS4J", "key": "api", "name": "API", "category": "API"},
    ),
    _object("metric", "VISIT", name="Active on Site", created=EARLY, updated=LATE, integration=None),
    _object(
        "metric-property",
        "P1",
        to={"metric": "ORDER"},
        label="Value",
        property="$value",
        inferred_type="numeric",
        sample_values=[1, "x"],
    ),
    _object(
        "custom-metric",
        "CUSTOM",
        to={"metrics": ["ORDER"]},
        name="Net",
        created=EARLY,
        updated=LATE,
        definition={
            "aggregation_method": "count",
            "metric_groups": [{"metric_id": "ORDER", "metric_filters": None, "value_property": None}],
        },
    ),
    _object("mapped-metric", "revenue", to={"metric": "ORDER", "custom-metric": None}, updated=LATE),
    _object("mapped-metric", "added_to_cart", to={"metric": None, "custom-metric": None}, updated=LATE),
    _campaign("SPRING", "MAIL", "Sent"),
    _campaign("AUTUMN", "TEXT", "Draft"),
    _campaign("LASTYEAR", "OLD", "Sent", archived=True),
    _message("MAIL", "SPRING", "email", "TPL"),
    _message("TEXT", "AUTUMN", "sms"),
    _message("OLD", "LASTYEAR", "email"),
    _flow("WELCOME"),
    _flow("RETIRED", archived=True),
    _object(
        "flow-action",
        "116466132",
        to={"flow": "WELCOME", "flow-messages": ["FMSG"]},
        created=EARLY,
        updated=LATE,
        definition={
            "id": "116466132",
            "type": "time-delay",
            "data": {"unit": "hours", "value": 2, "secondary_value": 0, "timezone": "profile"},
            "links": {"next": None},
        },
    ),
    _object(
        "flow-message",
        "FMSG",
        to={"flow-action": "116466132", "template": "TPL"},
        channel="Email",
        created=EARLY,
        updated=LATE,
        definition={
            "id": "FMSG",
            "name": "First",
            "from_email": "a@example.com",
            "from_label": "Shop",
            "subject_line": "Hi",
            "preview_text": "",
            "template_id": "TPL",
        },
    ),
    _object(
        "template",
        "TPL",
        name="Plain",
        editor_type="CODE",
        html="<p>hi</p>",
        text="hi",
        amp=None,
        created=EARLY,
        updated=LATE,
        definition=None,
    ),
    _object(
        "template-universal-content",
        "UC",
        name="Footer",
        definition=None,
        created=EARLY,
        updated=LATE,
        screenshot_status="completed",
        screenshot_url="https://example.com/s.png",
    ),
    _object(
        "form",
        "FORM",
        name="Popup",
        status="live",
        ab_test=False,
        created_at=EARLY,
        updated_at=LATE,
        definition={"versions": []},
    ),
    _object(
        "form-version",
        "28242214",
        to={"form": "FORM"},
        form_type="popup",
        variation_name="V1",
        ab_test=None,
        status="draft",
        created_at=EARLY,
        updated_at=LATE,
    ),
    _object(
        "image",
        "366547581",
        name="Logo",
        image_url="https://example.com/l.png",
        format="png",
        size=1_000,
        hidden=False,
        updated_at=LATE,
    ),
    _object("tag", "T1", to={"tag-group": "G1"}, name="seasonal"),
    _object("tag-group", "G1", name="Ungrouped Tags", exclusive=False, default=True),
    _object("coupon", "TEN", external_id="TEN", description="Ten off", monitor_configuration=None),
    _object(
        "coupon-code",
        "TEN-1",
        to={"coupon": "TEN", "profile": None},
        unique_code="1",
        expires_at=LATE,
        status="UNASSIGNED",
    ),
    _object(
        "catalog-item",
        "$custom:::$default:::shirt",
        external_id="shirt",
        title="Shirt",
        description="A shirt.",
        price=19.99,
        url="https://example.com/s",
        image_full_url="",
        image_thumbnail_url="",
        images=[],
        custom_metadata={},
        published=True,
        created=EARLY,
        updated=LATE,
    ),
    _variant("$custom:::$default:::shirt-red", "$custom:::$default:::shirt"),
    _object(
        "catalog-category",
        "$custom:::$default:::clothes",
        to={"items": ["$custom:::$default:::shirt"]},
        external_id="clothes",
        name="Clothes",
        updated=LATE,
    ),
    _object(
        "push-token",
        "PUSH",
        to={"profile": "ANNA"},
        created=EARLY,
        token="device-1",
        enablement_status="AUTHORIZED",
        platform="ios",
        vendor="apns",
        background="AVAILABLE",
        recorded_date=LATE,
        metadata={"device_id": "d1", "klaviyo_sdk": "swift"},
    ),
    _object("conversation", "CONV", to={"profile": "ANNA"}, channel="sms"),
    _object(
        "review",
        "review:1",
        to={"events": ["e00000"], "item": "$custom:::$default:::shirt"},
        email="anna@example.com",
        status={"value": "published"},
        verified=True,
        review_type="review",
        created=EARLY,
        updated=LATE,
        images=[],
        product={"url": "https://example.com/s", "name": "Shirt", "image_url": None, "external_id": "shirt"},
        rating=5,
        author="Anna",
        content="Fine shirt",
        title="Good",
        smart_quote=None,
        public_reply=None,
    ),
    _object(
        "tracking-setting",
        "ACC",
        auto_add_parameters=True,
        utm_source={"flow": {"type": "static", "value": "x"}, "campaign": {"type": "static", "value": "y"}},
        utm_medium={"flow": {"type": "static", "value": "x"}, "campaign": {"type": "static", "value": "y"}},
        utm_campaign=None,
        utm_id=None,
        utm_term=None,
        custom_parameters=[],
    ),
    _object(
        "web-feed",
        "FEED",
        name="Feed",
        url="https://example.com/f",
        request_method="get",
        content_type="json",
        created=EARLY,
        updated=LATE,
        status=None,
    ),
    _object(
        "webhook",
        "HOOK",
        to={"webhook-topics": ["event:klaviyo.sent_sms"]},
        name="Hook",
        description=None,
        endpoint_url="https://example.com/h",
        enabled=True,
        created_at=EARLY,
        updated_at=LATE,
    ),
    _object("webhook-topic", "event:klaviyo.sent_sms"),
    _object("data-source", "DS", title="Shop", visibility="private", description="", namespace="custom-objects"),
]

STYLE = {
    "color": "#000000",
    "font_size": 14,
    "font_style": "normal",
    "font_family": "Arial",
    "font_weight": 400,
    "letter_spacing": 0,
    "text_decoration": "none",
}

# Told from revision 2026-10-15 on.
OBJECTS += [
    _object(
        "billing-usage",
        "email",
        usage_used=1200.5,
        usage_max=15_000,
        unit="messages",
        period_start=EARLY,
        period_end=LATE,
        as_of=LATE,
    ),
    _object(
        "text-messaging-sender",
        "SENDER",
        to={"text-messaging-sender-registration": "REG1"},
        sender_type="toll_free",
        sender_details={"country": "US"},
        status="active",
        created_at=EARLY,
        forwarding_number=None,
        sender_identifier="+15555550100",
    ),
    _object(
        "text-messaging-sender-registration",
        "REG1",
        to={"text-messaging-sender": "SENDER"},
        status="in_review",
        failures=[],
        created_at=EARLY,
        updated_at=LATE,
        submitted_at=EARLY,
        decided_at=None,
    ),
    _object("brand-color", "COLOURS", name="Sage", colors=[{"name": "sage", "hex": "#aabbcc"}]),
    _object("brand-button", "BUTTON", name="Round", is_primary=True, style=None, border=None, spacing=None, text=None),
    _object(
        "brand-logo",
        "LOGO",
        to={"image": None},
        width=120,
        height=40,
        alt_text="",
        link_url=None,
        name="Logo",
    ),
    _object("brand-social-group", "SOCIAL", name="All", social_links=[{"type": "web", "url": "https://example.com"}]),
    _object(
        "brand-email-default",
        "STYLES",
        to={"brand-button": "BUTTON", "brand-logo": "LOGO", "brand-social-group": None},
        body={
            "background_color": "#ffffff",
            "body_background_color": "#eeeeee",
            **dict.fromkeys(("text", "h1_text", "h2_text", "h3_text", "h4_text"), STYLE),
            "link_text": STYLE,
        },
        header={"background_color": "#ffffff", "links": [], "link_text": STYLE, "logo_max_width": None},
        footer={"background_color": "#ffffff", "text": STYLE, "link_text": STYLE, "social_group_color": "black"},
    ),
    _object(
        "translation",
        "GREETING",
        to={
            "campaign-variation": None,
            "flow-message": None,
            "template": "TPL",
            "template-universal-content": None,
            "consent-page": None,
        },
        values=[{"id": "1", "source_text": "Hello", "translations": {"de": "Grüß Gott"}}],
        source_locale="en",
        target_locales=["de"],
        fallback_locale="en",
        channel="email",
        metadata=None,
        created=EARLY,
        updated=LATE,
    ),
]
