"""The table of resources: every collection we load, one entry each."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sources.klaviyo.contract import REVISION
from sources.klaviyo.errors import UnknownResource
from sources.klaviyo.spec import Cursor, Resource, Versioned

# Klaviyo leaves archived things out unless they are asked for, and lists campaigns one channel at a time.
ARCHIVED: Final = {"listed": "", "archived": "equals(archived,true)"}
CAMPAIGN_QUERIES: Final = {
    f"{channel} {state}": ",".join(filter(None, [f'equals(messages.channel,"{channel}")', condition]))
    for channel in ("email", "sms", "mobile_push")
    for state, condition in ARCHIVED.items()
}

OMNI: Final = "2026-10-15"
"""The revision from which a campaign has several messages, each with an audience and variations, and says little itself."""

AUDIENCES: Final = ("audiences__included", "audiences__excluded")
SCREENSHOT: Final = ("screenshot_status", "screenshot_url")
"""Addresses that Klaviyo signs anew for each day."""

ACCOUNTS: Final = Resource(name="accounts", grain="one row per Klaviyo account the key can see")
EVENTS: Final = Resource(
    name="events",
    grain="one row per event",
    # Events arrive days after they happened, and attribution attaches without a mark of change: rereads.py says what is read again.
    cursor=Cursor(field="datetime", marks_change=False),
    # A merge of profiles gives the events of one to the other, and nothing else may tell of it.
    moves=("profile_id",),
    note="`_former_profile_id` is whose the event was when it was first seen, where it has come to another profile since",
    clustered_by=("metric_id",),
)
# Nothing says that a change of an action or a tag moves the `updated` of what it hangs from: campaigns and flows are read
# whole, with what hangs from them. That takes no more requests than to ask first what of them has changed.
CAMPAIGNS: Final = Resource(
    name="campaigns",
    grain="one row per campaign",
    partitions=CAMPAIGN_QUERIES,
    versioned=Versioned(unordered=AUDIENCES),
    until=OMNI,
)
# Status, times and audiences hang from it: one walk reads it whole, with all of them.
OMNI_CAMPAIGNS: Final = Resource(
    name="campaigns",
    grain="one row per campaign",
    # Whether archived ones are listed unasked is not said.
    partitions={"listed": "equals(archived,false)", "archived": "equals(archived,true)"},
    lifted="definition",
    versioned=Versioned(unordered=AUDIENCES),
    since=OMNI,
)
OMNI_MESSAGES: Final = Resource(
    name="campaign_messages",
    grain="one row per message of a campaign",
    along=OMNI_CAMPAIGNS,
    include="campaign-messages",
    versioned=Versioned(),
    since=OMNI,
)
FLOWS: Final = Resource(
    name="flows",
    grain="one row per flow",
    partitions=ARCHIVED,
    versioned=Versioned(),
)
FLOW_ACTIONS: Final = Resource(
    name="flow_actions",
    grain="one row per action (step) of a flow",
    along=FLOWS,
    include="flow-actions",
    versioned=Versioned(),
)
METRICS: Final = Resource(
    name="metrics",
    grain="one row per metric (kind of event)",
    types={"created": "timestamp", "updated": "timestamp"},
)
CUSTOM_METRICS: Final = Resource(name="custom_metrics", grain="one row per metric that the account defines from others")
MARKETING: Final = "subscriptions.email.marketing"
PROFILES: Final = Resource(
    name="profiles",
    grain="one row per profile (person)",
    # Nothing says that a suppression moves `updated`. Klaviyo takes no other date filter beside that of suppressions.
    cursor=Cursor(
        field="updated",
        first_load="created",
        also=(f"{MARKETING}.suppression.timestamp",),
    ),
    additional_fields=("subscriptions",),
)
LISTS: Final = Resource(name="lists", grain="one row per list", versioned=Versioned())
SEGMENTS: Final = Resource(
    name="segments",
    grain="one row per segment",
    versioned=Versioned(volatile=("is_processing",), unordered=("definition__condition_groups",)),
)
FORMS: Final = Resource(name="forms", grain="one row per form", versioned=Versioned())
CATALOG_ITEMS: Final = Resource(name="catalog_items", grain="one row per item of the catalog")
CATALOG_CATEGORIES: Final = Resource(name="catalog_categories", grain="one row per category of the catalog")
COUPONS: Final = Resource(name="coupons", grain="one row per coupon")
REVIEWS: Final = Resource(name="reviews", grain="one row per review of a product")
IMPORT_JOBS: Final = Resource(name="profile_bulk_import_jobs", grain="one row per bulk import of profiles")
OBJECT_TYPES: Final = Resource(
    name="object_types",
    grain="one row per type of custom object",
    linked=("current-schema", "draft-schema"),
    optional="custom objects are a feature of some plans; elsewhere Klaviyo refuses the request",
)
WEBHOOKS: Final = Resource(
    name="webhooks",
    grain="one row per webhook",
    optional="webhooks are a feature of some plans; elsewhere Klaviyo refuses the request",
)

NEWER_SCOPE: Final = "needs {}, a scope so new that keys made earlier may lack it"
TRANSLATIONS: Final = Resource(
    name="translations",
    grain="one row per translated message, template or block: its locales",
    # Elsewhere, Klaviyo does not say what is translated.
    linked=("campaign-variation", "flow-message", "template", "template-universal-content"),
    optional=NEWER_SCOPE.format("translations:read"),
    since=OMNI,
)
SENDERS: Final = Resource(
    name="text_messaging_senders",
    grain="one row per number or name that text messages are sent from",
    optional=NEWER_SCOPE.format("sender-config:read"),
    since=OMNI,
)

JOBS: Final = tuple(
    f"{thing}_bulk_{act}_jobs"
    for thing, acts in {
        "catalog_item": ("create", "update", "delete"),
        "catalog_variant": ("create", "update", "delete"),
        "catalog_category": ("create", "update", "delete"),
        "coupon_code": ("create",),
    }.items()
    for act in acts
)
"""Logs of what programs have written."""
ONE_BY_ONE: Final = "a request for each {}, 15 a minute"
A_DAY: Final = timedelta(days=1)
A_WEEK: Final = timedelta(days=7)

TABLE: Final = (
    # --- account ---------------------------------------------------------------------------------------------
    ACCOUNTS,
    Resource(name="tracking_settings", grain="one row per account: how links are tagged"),
    Resource(name="data_sources", grain="one row per source of custom objects", optional=OBJECT_TYPES.optional),
    WEBHOOKS,
    Resource(name="webhook_topics", grain="one row per topic that webhooks may be about", optional=WEBHOOKS.optional),
    Resource(
        name="webhook_subscriptions",
        grain="one row per webhook and topic",
        along=WEBHOOKS,
        include="webhook-topics",
        links=True,
        optional=WEBHOOKS.optional,
    ),
    Resource(
        name="billing_usage",
        grain="one row per kind of usage: how much of the plan the current period has used",
        versioned=Versioned(volatile=("as_of",)),
        note="Klaviyo tells of the current period only",
        optional=NEWER_SCOPE.format("usage:read"),
        since=OMNI,
    ),
    SENDERS,
    Resource(
        name="text_messaging_sender_registrations",
        grain="one row per registration of a sender with carriers",
        along=SENDERS,
        include="text-messaging-sender-registration",
        optional=SENDERS.optional,
        since=OMNI,
    ),
    *(
        Resource(name=name, grain=grain, linked=linked, optional=NEWER_SCOPE.format("brands:read"), since=OMNI)
        for name, grain, linked in (
            ("brand_colors", "one row per group of the brand's colours", ()),
            ("brand_buttons", "one row per style of buttons", ()),
            ("brand_logos", "one row per logo", ("image",)),
            ("brand_social_groups", "one row per group of links to social media", ()),
            (
                "brand_email_defaults",
                "one row per set of styles that new e-mails begin with",
                ("brand-button", "brand-logo", "brand-social-group"),
            ),
        )
    ),
    # --- metrics ---------------------------------------------------------------------------------------------
    METRICS,
    Resource(
        name="metric_flow_triggers",
        grain="one row per metric and flow that it triggers",
        along=METRICS,
        include="flow-triggers",
        links=True,
    ),
    Resource(
        name="metric_properties",
        grain="one row per property seen on events of a metric",
        per=METRICS,
        path="/api/metrics/{id}/metric-properties",
        revisit=A_WEEK,
        additional_fields=("sample_values",),
        optional=ONE_BY_ONE.format("metric"),
    ),
    CUSTOM_METRICS,
    Resource(
        name="custom_metric_metrics",
        grain="one row per custom metric and metric that it is made from",
        along=CUSTOM_METRICS,
        include="metrics",
        links=True,
    ),
    Resource(
        name="mapped_metrics",
        grain="one row per role, such as revenue, and the metric that plays it",
        linked=("metric", "custom-metric"),
    ),
    # --- audience --------------------------------------------------------------------------------------------
    PROFILES,
    Resource(
        name="profile_suppressions",
        grain="one row per profile and reason why it is sent no e-mail marketing",
        along=PROFILES,
        each=f"{MARKETING}.suppression",
        key=("reason",),
        types={"timestamp": "timestamp"},
    ),
    Resource(
        name="profile_list_suppressions",
        grain="one row per profile, list and reason why it is sent no e-mail marketing for that list",
        along=PROFILES,
        each=f"{MARKETING}.list_suppressions",
        # Unlike other suppressions, these can be asked for by their own time only for one list at a time.
        key=("list_id", "reason"),
        types={"timestamp": "timestamp"},
    ),
    Resource(
        name="conversations",
        grain="one row per conversation of a profile on a channel",
        along=PROFILES,
        include="conversations",
        optional="needs conversations:read for all pages of profiles, and tells no more than the channel",
    ),
    Resource(
        name="profile_predictions",
        grain="one row per profile: what Klaviyo expects of it",
        path="/api/profiles",
        fields=("predictive_analytics",),
        additional_fields=("predictive_analytics",),
        versioned=Versioned(),
        note="Read once a week, it keeps a version of every profile whose predictions have moved since",
        optional="predictions change without a mark: every profile is read each time, 15,000 a minute",
    ),
    Resource(
        name="push_tokens",
        grain="one row per device token of a profile",
        linked=("profile",),
        optional="tokens are secrets of a kind, and have no mark of change: all are read each time, 15,000 a minute",
    ),
    LISTS,
    Resource(name="list_tags", grain="one row per list and tag", along=LISTS, include="tags", links=True),
    Resource(
        name="list_flow_triggers",
        grain="one row per list and flow that it triggers",
        along=LISTS,
        include="flow-triggers",
        links=True,
    ),
    Resource(
        name="list_memberships",
        grain="one row per list and member",
        per=LISTS,
        path="/api/lists/{id}/profiles",
        links=True,
        fields=("joined_group_at",),
        cursor=Cursor(field="joined_group_at"),
    ),
    Resource(
        name="list_profile_counts",
        grain="one row per list: how many members it has",
        per=LISTS,
        path="/api/lists/{id}",
        fields=("profile_count",),
        additional_fields=("profile_count",),
        optional=ONE_BY_ONE.format("list"),
    ),
    SEGMENTS,
    Resource(name="segment_tags", grain="one row per segment and tag", along=SEGMENTS, include="tags", links=True),
    Resource(
        name="segment_flow_triggers",
        grain="one row per segment and flow that it triggers",
        along=SEGMENTS,
        include="flow-triggers",
        links=True,
    ),
    Resource(
        name="segment_memberships",
        grain="one row per segment and member",
        per=SEGMENTS,
        path="/api/segments/{id}/profiles",
        links=True,
        fields=("joined_group_at",),
        cursor=Cursor(field="joined_group_at"),
    ),
    Resource(
        name="segment_profile_counts",
        grain="one row per segment: how many members it has",
        per=SEGMENTS,
        path="/api/segments/{id}",
        fields=("profile_count",),
        additional_fields=("profile_count",),
        optional=ONE_BY_ONE.format("segment"),
    ),
    IMPORT_JOBS,
    Resource(
        name="profile_bulk_import_job_lists",
        grain="one row per bulk import and list that it fills",
        per=IMPORT_JOBS,
        path="/api/profile-bulk-import-jobs/{id}/relationships/lists",
        links=True,
        optional="a request for each bulk import, 150 a minute",
    ),
    Resource(
        name="profile_bulk_import_job_profiles",
        grain="one row per bulk import and profile",
        per=IMPORT_JOBS,
        path="/api/profile-bulk-import-jobs/{id}/relationships/profiles",
        links=True,
        optional="a request for each bulk import and each 100 of its profiles, 150 a minute",
    ),
    Resource(
        name="import_errors",
        grain="one row per profile that a bulk import could not take",
        per=IMPORT_JOBS,
        path="/api/profile-bulk-import-jobs/{id}/import-errors",
        optional="a request for each bulk import, 150 a minute",
    ),
    Resource(name="profile_suppression_bulk_create_jobs", grain="one row per bulk suppression of profiles"),
    Resource(name="profile_suppression_bulk_delete_jobs", grain="one row per bulk lifting of suppressions"),
    # --- messaging -------------------------------------------------------------------------------------------
    CAMPAIGNS,
    Resource(
        name="campaign_messages",
        grain="one row per message of a campaign",
        per=CAMPAIGNS,
        path="/api/campaigns/{id}/campaign-messages",
        # Elsewhere, Klaviyo does not say which template and image.
        linked=("template", "image"),
        revisit=A_DAY,
        versioned=Versioned(),
        until=OMNI,
    ),
    Resource(
        name="campaign_tags",
        grain="one row per campaign and tag",
        along=CAMPAIGNS,
        include="tags",
        links=True,
        until=OMNI,
    ),
    OMNI_CAMPAIGNS,
    OMNI_MESSAGES,
    Resource(
        name="campaign_tags",
        grain="one row per campaign and tag",
        along=OMNI_CAMPAIGNS,
        include="tags",
        links=True,
        since=OMNI,
    ),
    Resource(
        name="campaign_audiences",
        grain="one row per audience of a campaign",
        along=OMNI_CAMPAIGNS,
        include="campaign-audiences",
        versioned=Versioned(unordered=("definition__included", "definition__excluded")),
        since=OMNI,
    ),
    Resource(
        name="campaign_variations",
        grain="one row per variation of a campaign's message",
        per=OMNI_MESSAGES,
        path="/api/campaign-messages/{id}/campaign-variations",
        revisit=A_DAY,
        versioned=Versioned(),
        since=OMNI,
    ),
    FLOWS,
    Resource(
        name="flow_definitions",
        grain="one row per flow: its triggers, filters and steps as one document",
        per=FLOWS,
        path="/api/flows/{id}",
        fields=("definition",),
        additional_fields=("definition",),
        revisit=A_WEEK,
        # Klaviyo lists the steps in any order, and groups of conditions are sets.
        versioned=Versioned(
            unordered=("definition__actions", "definition__triggers", "definition__profile_filter__condition_groups")
        ),
    ),
    FLOW_ACTIONS,
    Resource(name="flow_tags", grain="one row per flow and tag", along=FLOWS, include="tags", links=True),
    Resource(
        name="flow_messages",
        grain="one row per message of a flow",
        per=FLOW_ACTIONS,
        path="/api/flow-actions/{id}/flow-messages",
        revisit=A_WEEK,
        versioned=Versioned(unordered=("definition__additional_filters__condition_groups",)),
    ),
    Resource(
        name="templates",
        grain="one row per template",
        cursor=Cursor(field="updated"),
        versioned=Versioned(volatile=SCREENSHOT),
    ),
    Resource(
        name="template_definitions",
        grain="one row per template: its blocks and styles, where it was made with the editor",
        path="/api/templates",
        fields=("definition",),
        additional_fields=("definition",),
        versioned=Versioned(),
        optional="large documents, read whole: a request for each 10 templates",
    ),
    Resource(
        name="template_universal_content",
        grain="one row per block that templates share",
        cursor=Cursor(field="updated"),
        versioned=Versioned(volatile=SCREENSHOT),
    ),
    Resource(name="images", grain="one row per uploaded image", cursor=Cursor(field="updated_at")),
    Resource(name="web_feeds", grain="one row per feed that templates draw from"),
    Resource(name="tags", grain="one row per tag", linked=("tag-group",)),
    Resource(name="tag_groups", grain="one row per group of tags"),
    TRANSLATIONS,
    Resource(
        name="translation_values",
        grain="one row per translation: its texts by locale as one document",
        per=TRANSLATIONS,
        path="/api/translations/{id}",
        fields=("values",),
        additional_fields=("values",),
        revisit=A_WEEK,
        optional=f"a request for each translation, 150 a minute; {TRANSLATIONS.optional}",
        since=OMNI,
    ),
    # --- forms -----------------------------------------------------------------------------------------------
    FORMS,
    Resource(
        name="form_versions",
        grain="one row per version of a form",
        per=FORMS,
        path="/api/forms/{id}/form-versions",
        revisit=A_DAY,
        versioned=Versioned(),
    ),
    Resource(
        name="form_definitions",
        grain="one row per form: its versions and steps as one document",
        per=FORMS,
        path="/api/forms/{id}",
        fields=("definition",),
        revisit=A_WEEK,
        versioned=Versioned(),
        optional="large documents: a request for each form, 60 a minute",
    ),
    # --- shop ------------------------------------------------------------------------------------------------
    CATALOG_ITEMS,
    # In a collection of their own, variants do not say which item they are of.
    Resource(
        name="catalog_variants",
        grain="one row per variant of an item",
        along=CATALOG_ITEMS,
        include="variants",
    ),
    CATALOG_CATEGORIES,
    Resource(
        name="catalog_category_items",
        grain="one row per category and item",
        per=CATALOG_CATEGORIES,
        path="/api/catalog-categories/{id}/relationships/items",
        links=True,
    ),
    COUPONS,
    Resource(
        name="coupon_codes",
        grain="one row per code of a coupon",
        per=COUPONS,
        path="/api/coupon-codes",
        partitions={"all": 'any(coupon.id,["{id}"])'},
        note="Whose a code is, no recorded answer tells: `profile_id` is null unless Klaviyo fills it, and a request for each profile is too many",
    ),
    REVIEWS,
    Resource(
        name="review_events", grain="one row per review and event of it", along=REVIEWS, include="events", links=True
    ),
    # --- custom objects --------------------------------------------------------------------------------------
    OBJECT_TYPES,
    Resource(
        name="schema_versions",
        grain="one row per version of a custom object's schema",
        per=OBJECT_TYPES,
        path="/api/object-types/{id}/schema-versions",
        optional=OBJECT_TYPES.optional,
    ),
    Resource(
        name="object_records",
        grain="one row per custom object",
        per=OBJECT_TYPES,
        path="/api/object-types/{id}/object-records",
        optional=f"{OBJECT_TYPES.optional}; 6,000 objects a minute, each time all",
    ),
    Resource(
        name="object_ingestion_logs",
        grain="one row per custom object that could not be taken, for 14 days",
        per=OBJECT_TYPES,
        path="/api/object-types/{id}/object-ingestion-logs",
        linked=("object-record",),
        optional=f"{OBJECT_TYPES.optional}; 750 rows a minute, each time all",
    ),
    # --- activity --------------------------------------------------------------------------------------------
    EVENTS,
    Resource(
        name="event_attributions",
        grain="one row per event and message it is attributed to",
        along=EVENTS,
        include="attributions",
    ),
    # --- jobs ------------------------------------------------------------------------------------------------
    *(
        Resource(
            name=name,
            grain="one row per job of a program that writes to the account",
            optional="only of use to who writes that program; a request for each 100 jobs",
        )
        for name in JOBS
    ),
)

ALL_NAMES: Final = tuple(dict.fromkeys(resource.name for resource in TABLE))
"""At whatever revision."""


def at(revision: str) -> tuple[Resource, ...]:
    """The table as it is at a revision."""
    return tuple(resource for resource in TABLE if resource.told_at(revision))


RESOURCES: Final = at(REVISION)
NAMES: Final = tuple(resource.name for resource in RESOURCES)

DEFAULT: Final = tuple(resource.name for resource in RESOURCES if not resource.optional)


def select(names: list[str] | None, revision: str = REVISION) -> tuple[Resource, ...]:
    """The named resources in the table's order; all that are not optional when none is named. Raises UnknownResource."""
    there = at(revision)
    known = [resource.name for resource in there]
    unknown = sorted(set(names or ()) - set(known))
    if unknown:
        raise UnknownResource(f"no resource named {', '.join(unknown)}; there are: {', '.join(known)}")
    return tuple(one for one in there if (one.name in names if names else not one.optional))


def told_otherwise(resource: Resource) -> list[Resource]:
    """The entries of the same table at other revisions."""
    return [other for other in TABLE if other.name == resource.name and other is not resource and resource in TABLE]
