"""What the warehouse should hold of an account, worked out from the account itself, apart from the code under test.

Reads only the sandbox's objects and the rules that the docs give users: `__` for nested objects of fixed shape, `<relation>_id`
for to-one relations, UTC instants, free-form JSON whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
from dlt.common.normalizers.naming.snake_case import NamingConvention

from sandbox.account import Account, Object
from sandbox.omni import SINCE, told

Row = dict[str, Any]
Rows = list[Row]


def column(relation: str) -> str:
    return f"{relation.replace('-', '_')}_id"


TABLES = {
    "accounts": "account",
    "tracking_settings": "tracking-setting",
    "data_sources": "data-source",
    "webhooks": "webhook",
    "webhook_topics": "webhook-topic",
    "metrics": "metric",
    "metric_properties": "metric-property",
    "custom_metrics": "custom-metric",
    "mapped_metrics": "mapped-metric",
    "profiles": "profile",
    "conversations": "conversation",
    "push_tokens": "push-token",
    "lists": "list",
    "segments": "segment",
    "profile_bulk_import_jobs": "profile-bulk-import-job",
    "import_errors": "import-error",
    "profile_suppression_bulk_create_jobs": "profile-suppression-bulk-create-job",
    "profile_suppression_bulk_delete_jobs": "profile-suppression-bulk-delete-job",
    "campaigns": "campaign",
    "campaign_messages": "campaign-message",
    "flows": "flow",
    "flow_actions": "flow-action",
    "flow_messages": "flow-message",
    "templates": "template",
    "template_universal_content": "template-universal-content",
    "images": "image",
    "web_feeds": "web-feed",
    "tags": "tag",
    "tag_groups": "tag-group",
    "forms": "form",
    "form_versions": "form-version",
    "catalog_items": "catalog-item",
    "catalog_variants": "catalog-variant",
    "catalog_categories": "catalog-category",
    "coupons": "coupon",
    "coupon_codes": "coupon-code",
    "reviews": "review",
    "object_types": "object-type",
    "schema_versions": "object-schema",
    "object_records": "object-record",
    "object_ingestion_logs": "object-ingestion-log",
    **{
        f"{thing}_bulk_{act}_jobs": f"{thing.replace('_', '-')}-bulk-{act}-job"
        for thing in ("catalog_item", "catalog_variant", "catalog_category", "coupon_code")
        for act in ("create", "update", "delete")
        if thing != "coupon_code" or act == "create"
    },
}
OMNI_TABLES = {
    "campaign_audiences": "campaign-audience",
    "campaign_variations": "campaign-variation",
    "billing_usage": "billing-usage",
    "text_messaging_senders": "text-messaging-sender",
    "text_messaging_sender_registrations": "text-messaging-sender-registration",
    "brand_colors": "brand-color",
    "brand_buttons": "brand-button",
    "brand_logos": "brand-logo",
    "brand_social_groups": "brand-social-group",
    "brand_email_defaults": "brand-email-default",
    "translations": "translation",
}
SHORTENED = NamingConvention(63)
"""PostgreSQL keeps so many characters of a name; dlt shortens longer ones."""
WITHHELD = {
    "profile": {"predictive_analytics"},
    "template": {"definition"},
    "flow": {"definition"},
    "form": {"definition"},
    "translation": {"values"},
}
"""Attributes that are given only when asked for, and have a table of their own."""
UNLINKED = {"coupon-code": {"profile"}, "object-schema": {"source-mapping"}}
UNLINKED_IN_OMNI = {
    "campaign-message": {"template", "image"},
    "campaign-variation": {"image", "translation"},
    "translation": {"consent-page"},
}
"""Relations that Klaviyo does not link in the documents that we ask for: there, their ids are null."""
PARTS = {
    "profile_predictions": ("profile", "predictive_analytics"),
    "template_definitions": ("template", "definition"),
    "flow_definitions": ("flow", "definition"),
    "form_definitions": ("form", "definition"),
    "translation_values": ("translation", "values"),
}
"""Tables of a single attribute."""
HELD = {
    "schema_versions": ("object-type", "schema-versions"),
    "object_records": ("object-type", "object-records"),
    "import_errors": ("profile-bulk-import-job", "import-errors"),
}
"""Tables of what does not say itself to which object it belongs: the object, and its relation."""
LINKED = {
    **{f"{kind}_tags": (kind, "tags", "tag") for kind in ("campaign", "flow", "list", "segment")},
    **{f"{kind}_flow_triggers": (kind, "flow-triggers", "flow") for kind in ("metric", "list", "segment")},
    "custom_metric_metrics": ("custom-metric", "metrics", "metric"),
    "catalog_category_items": ("catalog-category", "items", "catalog-item"),
    "review_events": ("review", "events", "event"),
    "webhook_subscriptions": ("webhook", "webhook-topics", "webhook-topic"),
    "profile_bulk_import_job_lists": ("profile-bulk-import-job", "lists", "list"),
    "profile_bulk_import_job_profiles": ("profile-bulk-import-job", "profiles", "profile"),
}
"""Tables of links: from which objects, by which relation, to what."""
KEYS: dict[str, tuple[str, ...]] = {
    **{name: (column(holder), column(target)) for name, (holder, _, target) in LINKED.items()},
    **{f"{kind}_memberships": (column(kind), "profile_id") for kind in ("list", "segment")},
    "profile_suppressions": ("profile_id", "reason"),
    "profile_list_suppressions": ("profile_id", "list_id", "reason"),
}
"""The keys of tables whose rows have no id."""


def truth(account: Account, now: datetime, revision: str = "2026-07-15") -> dict[str, Rows]:
    """The rows of every table, as far as Klaviyo shows them at this time and revision."""
    account = told(account, revision)
    unlinked = UNLINKED | (UNLINKED_IN_OMNI if revision >= SINCE else {})
    tables = {
        name: [flat(thing, unlinked.get(kind, ())) for thing in account.objects.get(kind, {}).values()]
        for name, kind in (TABLES | (OMNI_TABLES if revision >= SINCE else {})).items()
    }
    for name, (kind, attribute) in PARTS.items():
        things = account.objects.get(kind, {}).values()
        tables[name] = [{"id": thing.id, attribute: thing.attributes.get(attribute)} for thing in things]
    for name, array in (("profile_suppressions", "suppression"), ("profile_list_suppressions", "list_suppressions")):
        tables[name] = [
            {"profile_id": thing.id, **suppression}
            for thing in account.objects.get("profile", {}).values()
            for suppression in marketing(thing).get(array) or ()
        ]
    for name, (holder, relation) in HELD.items():
        parents = {
            held: thing.id
            for thing in account.objects.get(holder, {}).values()
            for held in thing.relationships[relation] or ()
        }
        tables[name] = [row | {column(holder): parents[row["id"]]} for row in tables[name]]
    for name, (holder, relation, target) in LINKED.items():
        tables[name] = [
            {column(holder): thing.id, column(target): linked}
            for thing in account.objects.get(holder, {}).values()
            for linked in thing.relationships.get(relation) or ()
        ]
    for kind, groups in (("list", account.list_members), ("segment", account.segment_members)):
        tables[f"{kind}_memberships"] = [
            {f"{kind}_id": group, "profile_id": profile, "joined_group_at": joined}
            for group, members in groups.items()
            for profile, joined in members.items()
        ]
        tables[f"{kind}_profile_counts"] = [
            {"id": group, "profile_count": len(groups.get(group, ()))} for group in account.objects.get(kind, {})
        ]
    events = [account.events.at(place) for place in range(len(account.events))]
    shown = [event for event in events if event.second < now.timestamp()]
    tables["events"] = [
        {
            "id": event.id,
            "metric_id": event.metric_id,
            "profile_id": event.profile_id,
            "timestamp": event.second,
            "datetime": event.datetime,
            "uuid": event.uuid,
            "event_properties": event.properties,
        }
        for event in shown
    ]
    tables["event_attributions"] = [
        {"id": attribution.id, "event_id": event.id}
        | {relation.replace("-", "_") + "_id": target for relation, target in attribution.relationships.items()}
        for event in shown
        for attribution in event.attributions
    ]
    return tables


def marketing(profile: Object) -> dict[str, Any]:
    """What is said of a profile's e-mail marketing."""
    found: dict[str, Any] = ((profile.attributes.get("subscriptions") or {}).get("email") or {}).get("marketing") or {}
    return found


def flat(thing: Object, unlinked: Container[str] = ()) -> Row:
    shown = {name: value for name, value in thing.attributes.items() if name not in WITHHELD.get(thing.type, ())}
    if thing.type == "campaign":
        shown |= shown.pop("definition", {})
    one = {
        name: None if name in unlinked else target
        for name, target in thing.relationships.items()
        if not isinstance(target, list)
    }
    return {"id": thing.id} | {column(name): target for name, target in one.items()} | shown


def differences(expected: Rows, loaded: Rows, key: tuple[str, ...]) -> Iterator[str]:
    """Every way in which the loaded rows are not the expected ones: missing, extra, doubled, other values."""
    found: dict[tuple[Any, ...], Row] = {}
    for row in loaded:
        identity = tuple(row[name] for name in key)
        if identity in found:
            yield f"{identity} is there twice"
        found[identity] = row
    wanted = {tuple(row[name] for name in key): row for row in expected}
    yield from (f"{identity} is missing" for identity in wanted.keys() - found.keys())
    yield from (f"{identity} should not be there" for identity in found.keys() - wanted.keys())
    for identity, row in wanted.items():
        if identity in found:
            yield from (f"{identity}: {text}" for text in unlike(row, found[identity]))


def unlike(wanted: Row, found: Row) -> Iterator[str]:
    """The values of one row that differ. A nested object may be one JSON column or several flat ones."""
    for full_name, value in wanted.items():
        name = full_name if full_name in found else SHORTENED.normalize_path(full_name)
        if name in found:
            if not same(value, found[name]) and not same(value, found.get(f"{name}__v_json")):
                yield f"{name} is {found[name]!r:.120}, not {value!r:.120}"
        elif isinstance(value, dict):
            yield from unlike({f"{name}__{inner}": part for inner, part in value.items()}, found)
        elif value is None:
            nested = [column for column in found if column.startswith(f"{name}__")]
            if not nested:
                yield f"{name} has no column"
            yield from (f"{column} is not null" for column in nested if found[column] is not None)
        else:
            yield f"{name} has no column"


def same(wanted: object, found: object) -> bool:
    """Whether a loaded value is the one that Klaviyo gave, whatever type the warehouse holds it in."""
    wanted = plain(wanted)
    if isinstance(found, datetime):
        return isinstance(wanted, str) and instant(wanted) == found.astimezone(UTC)
    if isinstance(found, date):
        return wanted == found.isoformat()
    if isinstance(wanted, dict | list) or (isinstance(found, str) and not isinstance(wanted, str)):
        return isinstance(found, str) and exact(found) == exact(spelled(wanted))
    if isinstance(found, float) and isinstance(wanted, str | Decimal):
        return found == float(wanted)
    if found is None or wanted is None or isinstance(wanted, bool) or isinstance(found, bool):
        return wanted is found or (isinstance(found, str) and found == "null" and wanted is None)
    return wanted == found


def instant(text: str) -> datetime:
    parsed = datetime.fromisoformat(text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def spelled(value: object) -> str:
    return msgspec.json.encode(value).decode()


def plain(value: object) -> object:
    """A value as JSON has it."""
    return exact(spelled(value)) if isinstance(value, msgspec.Raw | Decimal) else value


def exact(text: str) -> object:
    """JSON with exact numbers and every pair of an object, repeated keys too."""
    return json.loads(text, parse_float=Decimal, parse_int=int, object_pairs_hook=Pairs)


class Pairs(list[tuple[str, Any]]):
    """An object's pairs, equal whatever their order."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pairs) and sorted(self, key=repr) == sorted(other, key=repr)

    __hash__ = None


def assert_equal(
    account: Account,
    now: datetime,
    read: Callable[[str], Rows],
    tables: Sequence[str] = (),
    revision: str = "2026-07-15",
) -> None:
    """The warehouse holds exactly what the account shows; rows marked as vanished do not count as held."""
    expected = truth(account, now, revision)
    for name in tables or expected:
        key = KEYS.get(name, ("id",))
        found = [row for row in read(name) if row["_deleted_at"] is None]
        wrong = list(differences(expected[name], found, key))
        assert not wrong, f"{name}: {len(wrong)} differences, such as {wrong[:3]}"
