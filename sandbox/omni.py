"""The account's campaigns as revision 2026-10-15 tells them: campaigns, audiences, messages and variations.

The account holds them as 2026-07-15 does. Both tell the same truth, so one is worked out from the other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from sandbox.account import Account, Linkage, Object

Json = dict[str, Any]

SINCE: Final = "2026-10-15"

STATUSES: Final = {
    "Draft": "draft",
    "Scheduled": "scheduled",
    "Preparing to schedule": "scheduled",
    "Queued without Recipients": "scheduled",
    "Adding Recipients": "sending",
    "Preparing to send": "sending",
    "Sending": "sending",
    "Sending Segments": "sending",
    "Variations Sent": "sending",
    "Sent": "sent",
}
STRATEGIES: Final = {
    "static": "static",
    "immediate": "static",
    "throttled": "throttled",
    "smart_send_time": "send_time_optimization",
    "ab_test_campaign": "content_variation",
}
BADGES: Final = {"set_count": "set-count", "increment_one": "increment-one", "set_property": "set-property"}


def told(account: Account, revision: str) -> Account:
    """The account as the revision tells it."""
    if revision < SINCE:
        return account
    campaigns = account.objects.get("campaign", {})
    messages = account.objects.get("campaign-message", {})
    owned = {id_: _messages_of(campaign) for id_, campaign in campaigns.items()}
    found = [
        *(_campaign(campaign, owned[campaign.id]) for campaign in campaigns.values()),
        *(_audience(campaign, owned[campaign.id]) for campaign in campaigns.values()),
        *(
            _message(message, campaigns.get(str(message.relationships.get("campaign"))))
            for message in messages.values()
        ),
        *(_variation(message) for message in messages.values()),
    ]
    objects: dict[str, dict[str, Object]] = {
        kind: {} for kind in ("campaign", "campaign-audience", "campaign-message", "campaign-variation")
    }
    for one in found:
        objects[one.type][one.id] = one
    return replace(account, objects=account.objects | objects)


def audience_id(campaign: str) -> str:
    return f"{campaign}A"


def variation_id(message: str) -> str:
    return f"{message}V"


def _messages_of(campaign: Object) -> list[str]:
    found = campaign.relationships.get("campaign-messages")
    return found if isinstance(found, list) else [found] if found else []


def _campaign(campaign: Object, messages: list[str]) -> Object:
    was = campaign.attributes
    strategy = was.get("send_strategy") or {}
    definition = {
        "name": was["name"],
        "builder": "wizard",
        "archived": was["archived"],
        "color": None,
        "description": None,
        "send_settings": {
            "send_timezone": "UTC",
            "send_strategy": _strategy(strategy),
            "send_passed_rltz_immediately": (strategy.get("options") or {}).get("send_past_recipients_immediately"),
            "exit_condition_enabled": False,
            "exit_condition_conversion_metric_id": None,
        },
    }
    attributes = {"created_at": was["created_at"], "updated_at": was["updated_at"], "definition": definition}
    links: dict[str, Linkage] = {
        "campaign-audiences": [audience_id(campaign.id)],
        "campaign-messages": messages,
        "tags": campaign.relationships.get("tags") or [],
    }
    return Object("campaign", campaign.id, attributes, links)


def _audience(campaign: Object, messages: list[str]) -> Object:
    audiences = campaign.attributes.get("audiences") or {}
    definition = {
        "name": "Audience 1",
        "included": audiences.get("included") or [],
        "excluded": audiences.get("excluded") or [],
        "priority": 0,
    }
    links: dict[str, Linkage] = {"campaign": campaign.id, "campaign-messages": messages}
    return Object("campaign-audience", audience_id(campaign.id), _stamped(campaign, definition), links)


def _message(message: Object, campaign: Object | None) -> Object:
    of = campaign.attributes if campaign else {}
    tracking = of.get("tracking_options") or {}
    strategy = of.get("send_strategy") or {}
    definition = {
        "name": message.attributes["definition"].get("label") or of.get("name"),
        "status": STATUSES.get(of["status"], "cancelled") if "status" in of else None,
        "tracking_options": {
            "is_add_utm": tracking.get("add_tracking_params"),
            "is_tracking_clicks": tracking.get("is_tracking_clicks"),
            "is_tracking_opens": tracking.get("is_tracking_opens"),
        },
        "send_options": {
            "send_time": of.get("send_time"),
            "send_times": None,
            "send_strategy": _strategy(strategy),
            "recipient_percentage": strategy.get("throttle_percentage"),
            "throttling_type": "throttle-for-campaigns" if strategy.get("method") == "throttled" else "none",
            "throttle_unit": "hour" if strategy.get("method") == "throttled" else None,
            "is_ignoring_unsubscribes": False,
        },
        "ab_test": None,
    }
    links = message.relationships | {
        "campaign-audience": audience_id(campaign.id) if campaign else None,
        "campaign-variations": [variation_id(message.id)],
        "tags": [],
    }
    return Object("campaign-message", message.id, _stamped(message, definition), links)


def _strategy(strategy: Json) -> str | None:
    if (strategy.get("options") or {}).get("is_local"):
        return "local_timezone"
    return STRATEGIES.get(strategy.get("method", ""))


def _variation(message: Object) -> Object:
    was = message.attributes["definition"]
    details = DETAILS[was["channel"]](message)
    links: dict[str, Linkage] = {
        "campaign-message": message.id,
        "image": message.relationships.get("image"),
        "translation": None,
    }
    attributes = _stamped(message, {"name": was.get("label"), "details": details})
    return Object("campaign-variation", variation_id(message.id), attributes, links)


def _stamped(holder: Object, definition: Json) -> Json:
    return {
        "created": holder.attributes["created_at"],
        "updated": holder.attributes["updated_at"],
        "definition": definition,
    }


def _email(message: Object) -> Json:
    content = message.attributes["definition"].get("content") or {}
    names = ("from_label", "from_email", "reply_to_email", "cc_email", "bcc_email", "subject", "preview_text")
    # Where 2026-07-15 has null, this has an empty text.
    texts = {name: content.get(name) or "" for name in names}
    return {"channel": "email", "template_id": message.relationships.get("template")} | texts


def _sms(message: Object) -> Json:
    definition = message.attributes["definition"]
    options = definition.get("render_options") or {}
    return {
        "channel": "sms",
        "template_id": None,
        "cost": None,
        "mms_static_image_asset_id": None,
        "shorten_links": options.get("shorten_links"),
        "include_contact_card": False,
        "body": (definition.get("content") or {}).get("body") or "",
        "add_org_prefix": options.get("add_org_prefix"),
        "add_info_link": options.get("add_info_link"),
        "add_opt_out_language": options.get("add_opt_out_language"),
        "mms_dynamic_image_template": "",
        "text_message_type": "SMS",
        "message_hierarchy": None,
    }


def _push(message: Object) -> Json:
    definition = message.attributes["definition"]
    content, options = definition.get("content") or {}, definition.get("options") or {}
    opened, badge = options.get("on_open") or {}, options.get("badge") or {}
    badge_options = badge.get("badge_options") or {}
    return {
        "channel": "push",
        "title": content.get("title") or "",
        "body": content.get("body") or "",
        "badge": bool(badge.get("display")),
        "badge_config": BADGES.get(badge_options.get("badge_config", ""), "increment-one"),
        "badge_value": badge_options.get("value") or "1",
        "sound_file_name": "",
        "static_asset_id": None,
        "sound": bool(options.get("play_sound")),
        "open_action": ("open_app", "deep_link", "open_web_url").index(opened.get("type", "open_app")),
        "dynamic_media_template": content.get("dynamic_image") or "",
        "kv_pairs": definition.get("kv_pairs"),
        "push_type": definition.get("notification_type", "standard"),
        "ios_deep_link": opened.get("ios_deep_link"),
        "android_deep_link": opened.get("android_deep_link"),
        "web_url": opened.get("web_url"),
        "content_available": None,
        "mutable_content": None,
        "video_asset_id": None,
        "action_buttons": content.get("action_buttons"),
    }


DETAILS: Final = {"email": _email, "sms": _sms, "mobile_push": _push}
