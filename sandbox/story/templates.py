"""The templates: how messages look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.story.spelling import DAY, instant, short_id
from sandbox.story.words import SHOP, THEMES

if TYPE_CHECKING:
    from sandbox.account import Object
    from sandbox.story.draft import Draft

EDITORS = (("SYSTEM_DRAGGABLE", 6), ("USER_DRAGGABLE", 2), ("CODE", 2))
LIBRARY = (
    "Base Layout", "Plain Text", "Welcome 1", "Welcome 2", "Welcome 3", "Cart 1", "Cart 2", "Checkout 1", "Browse 1",
    "Thank You", "Review Request", "Winback 1", "Winback 2", "Back in Stock", "VIP Invitation", "Birthday",
    "Sale Banner", "Gift Guide", "Two Columns", "Product Grid", "Announcement", "Receipt",
)  # fmt: skip


def write_library(draft: Draft) -> list[str]:
    created = draft.start
    return [write_template(draft, name, created + number * DAY).id for number, name in enumerate(LIBRARY)]


def write_template(draft: Draft, name: str, created: int) -> Object:
    subject = draft.dice.choice(THEMES)
    editor = draft.pick(EDITORS)
    identity = short_id(draft.dice)
    return draft.add(
        "template",
        identity,
        {
            "name": name,
            "editor_type": editor,
            "html": f"<html><body><h1>{subject.subject}</h1><p>{subject.preview}</p>{{% unsubscribe %}}</body></html>",
            "text": f"{subject.subject}\n\n{subject.preview}\n\n{SHOP}" if draft.chance(0.7) else None,
            "amp": "<!doctype html><html ⚡4email></html>" if draft.chance(0.04) else None,
            "created": instant(created),
            "updated": instant(min(created + draft.dice.randrange(90 * DAY), draft.now)),
            "definition": None if editor == "CODE" else _definition(identity, subject.subject),
        },
    )


def _definition(identity: str, title: str) -> dict[str, Any]:
    text = {
        "content_type": "block",
        "type": "text",
        "data": {"content": f"<h1>{title}</h1>", "display_options": {}, "styles": {}},
    }
    return {
        "id": f"def-{identity}",
        "template_id": identity,
        "body": {
            "id": "bodyTable",
            "properties": {"id": "bodyTable", "css_class": "root-container"},
            "styles": {"background_color": "#F7F5F0", "width": 600},
            "sections": [
                {
                    "id": f"{identity}-1",
                    "content_type": "section",
                    "type": "section",
                    "data": {
                        "properties": {"is_ai_generated": False},
                        "display_options": {"show_on": "all"},
                        "styles": {"background_color": "#FFFFFF", "stack_on_mobile": True},
                    },
                    "rows": [
                        {
                            "id": f"{identity}-1-1",
                            "data": {"styles": {"column_layout": "1-column-full-width"}},
                            "columns": [{"id": f"{identity}-1-1-1", "blocks": [text]}],
                        }
                    ],
                }
            ],
        },
        "styles": [
            {
                "id": f"{identity}-text",
                "style_type": "text-styles",
                "styles": {"color": "#222427", "font_family": "Georgia", "font_size": 16, "line_height": 1.5},
            }
        ],
    }
