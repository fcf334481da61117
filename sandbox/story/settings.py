"""What surrounds the story: the account itself, its forms, and the tags on everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.story.events import Seen
from sandbox.story.spelling import DAY, instant, numeric_id, short_id, tag_id
from sandbox.story.words import DOMAIN, SHOP

if TYPE_CHECKING:
    from sandbox.account import Linkage, Object
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
            {"name": name, "status": status, "ab_test": is_test, **stamps},
            {"form-versions": list(versions)},
        )
    return seen


def write_tags(draft: Draft) -> None:
    """Tags in their groups, and on about a third of all that can be tagged."""
    for group, names in TAG_GROUPS.items():
        identity = tag_id(draft.dice)
        tags = [tag_id(draft.dice) for _ in names]
        attributes = {"name": group, "exclusive": group == "Season", "default": group == "default"}
        draft.add("tag-group", identity, attributes, {"tags": list(tags)})
        for tag, name in zip(tags, names, strict=True):
            links: dict[str, Linkage] = {f"{kind}s": [] for kind in TAGGED}
            draft.add("tag", tag, {"name": name}, {"tag-group": identity, **links})
    for kind in TAGGED:
        for identity in draft.objects[kind]:
            for tag in draft.dice.sample(sorted(draft.objects["tag"]), draft.pick(((0, 65), (1, 25), (2, 10)))):
                link_tag(draft.objects, kind, identity, tag)


def link_tag(objects: dict[str, dict[str, Object]], kind: str, identity: str, tag: str) -> None:
    """Link both ways, as the API shows it."""
    for tags, linked in (
        (objects[kind][identity].relationships["tags"], tag),
        (objects["tag"][tag].relationships[f"{kind}s"], identity),
    ):
        assert isinstance(tags, list)
        tags.append(linked)
