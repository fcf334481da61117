"""What surrounds the story: the account itself, its forms, and the tags on everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.story.events import Seen
from sandbox.story.spelling import DAY, instant, numeric_id, short_id, tag_id
from sandbox.story.words import DOMAIN, SHOP

if TYPE_CHECKING:
    from sandbox.story.draft import Draft

FORMS = (
    ("Welcome Popup", "popup", "live", ("A", "B")),
    ("Footer Embed", "embed", "live", ("",)),
    ("Spring Giveaway", "full_page", "live", ("",)),
    ("Exit Flyout", "flyout", "draft", ("",)),
)

TAG_GROUPS = {
    "default": ("newsletter", "sale", "product", "brand"),
    "Season": ("spring", "summer", "autumn", "holiday"),
    "Team": ("retention", "acquisition"),
}

TAGGED = ("campaign", "flow", "list", "segment")


def write_account(draft: Draft) -> None:
    draft.add(
        "account",
        short_id(draft.dice),
        {
            "test_account": False,
            "contact_information": {
                "default_sender_name": SHOP,
                "default_sender_email": f"hello@{DOMAIN}",
                "website_url": f"https://{DOMAIN}",
                "organization_name": SHOP,
                "street_address": {
                    "address1": "12 Mercer Street",
                    "address2": None,
                    "city": "New York",
                    "region": "NY",
                    "country": "US",
                    "zip": "10013",
                },
            },
            "industry": "Home & Garden",
            "timezone": "America/New_York",
            "preferred_currency": "USD",
            "public_api_key": short_id(draft.dice),
            "locale": "en-US",
        },
    )


def write_forms(draft: Draft) -> list[Seen]:
    """The forms; returned are the versions that visitors see."""
    seen = []
    for name, kind, status, variations in FORMS:
        form = short_id(draft.dice)
        created = draft.start + draft.dice.randrange(DAY)
        stamps = {"created_at": instant(created), "updated_at": instant(created + draft.dice.randrange(300 * DAY))}
        versions = [numeric_id(draft.dice) for _ in variations]
        is_test = len(versions) > 1
        for version, variation in zip(versions, variations, strict=True):
            attributes = {
                "form_type": kind,
                "variation_name": f"{name} {variation}".strip(),
                "ab_test": {"variation_name": variation} if is_test else None,
                "status": status,
                **stamps,
            }
            draft.add("form-version", version, attributes, {"form": form})
            if status == "live":
                seen.append(Seen(form, name, version))
        draft.add(
            "form",
            form,
            {"name": name, "status": status, "ab_test": is_test, **stamps, "definition": _form_definition(versions)},
            {"form-versions": list(versions)},
        )
    return seen


def _form_definition(versions: list[str]) -> dict[str, Any]:
    """Each version with one step that asks for nothing but the address."""
    block = {"type": "email", "properties": {"label": "Email", "required": True}}
    row = {"id": "1", "blocks": [block]}
    step = {"id": "1", "name": "Email Opt-In", "columns": [{"id": "1", "rows": [row]}]}
    return {"versions": [{"id": int(version), "steps": [step]} for version in versions]}


def write_tags(draft: Draft) -> None:
    """Tags in their groups, and on about a third of all that can be tagged."""
    tags: list[str] = []
    for group, names in TAG_GROUPS.items():
        attributes = {"name": group, "exclusive": group == "Season", "default": group == "default"}
        identity = draft.add("tag-group", tag_id(draft.dice), attributes).id
        for name in names:
            tags.append(tag_id(draft.dice))
            draft.add("tag", tags[-1], {"name": name}, {"tag-group": identity})
    for kind in TAGGED:
        for tagged in draft.objects[kind].values():
            tagged.relationships["tags"] = draft.dice.sample(tags, draft.pick(((0, 65), (1, 25), (2, 10))))
