"""The table of resources: every collection we load, one entry each."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sources.klaviyo.errors import UnknownResource
from sources.klaviyo.spec import Cursor, Resource

# Klaviyo leaves archived things out unless they are asked for, and lists campaigns one channel at a time.
ARCHIVED: Final = {"listed": "", "archived": "equals(archived,true)"}
CAMPAIGN_QUERIES: Final = {
    f"{channel} {state}": ",".join(filter(None, [f'equals(messages.channel,"{channel}")', condition]))
    for channel in ("email", "sms", "mobile_push")
    for state, condition in ARCHIVED.items()
}

EVENTS: Final = Resource(
    name="events",
    grain="one row per event",
    # Events arrive days after they happened, and attribution attaches without a mark of change.
    cursor=Cursor(field="datetime", lookback=timedelta(days=7), marks_change=False),
    clustered_by=("metric_id",),
)
# Nothing says that a change of a message, an action or a tag moves the `updated` of what it hangs from:
# whatever hangs from a campaign or a flow is read whole, in a walk of its own.
CAMPAIGN_MESSAGES: Final = Resource(
    name="campaign_messages",
    grain="one row per message of a campaign",
    path="/api/campaigns",
    partitions=CAMPAIGN_QUERIES,
    include="campaign-messages",
)
FLOW_ACTIONS: Final = Resource(
    name="flow_actions",
    grain="one row per action (step) of a flow",
    path="/api/flows",
    partitions=ARCHIVED,
    include="flow-actions",
)
LISTS: Final = Resource(name="lists", grain="one row per list")
SEGMENTS: Final = Resource(name="segments", grain="one row per segment")

RESOURCES: Final = (
    # --- account ---------------------------------------------------------------------------------------------
    Resource(name="accounts", grain="one row per Klaviyo account the key can see"),
    Resource(
        name="metrics",
        grain="one row per metric (kind of event)",
        types={"created": "timestamp", "updated": "timestamp"},
    ),
    # --- audience --------------------------------------------------------------------------------------------
    Resource(
        name="profiles",
        grain="one row per profile (person)",
        cursor=Cursor(field="updated", first_load="created"),
        additional_fields=("subscriptions",),
    ),
    LISTS,
    Resource(name="list_tags", grain="one row per list and tag", along=LISTS, include="tags", links=True),
    SEGMENTS,
    Resource(name="segment_tags", grain="one row per segment and tag", along=SEGMENTS, include="tags", links=True),
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
        name="segment_memberships",
        grain="one row per segment and member",
        per=SEGMENTS,
        path="/api/segments/{id}/profiles",
        links=True,
        fields=("joined_group_at",),
        cursor=Cursor(field="joined_group_at"),
    ),
    # --- messaging -------------------------------------------------------------------------------------------
    Resource(
        name="campaigns",
        grain="one row per campaign",
        cursor=Cursor(field="updated_at"),
        partitions=CAMPAIGN_QUERIES,
    ),
    CAMPAIGN_MESSAGES,
    Resource(
        name="campaign_tags", grain="one row per campaign and tag", along=CAMPAIGN_MESSAGES, include="tags", links=True
    ),
    Resource(name="flows", grain="one row per flow", cursor=Cursor(field="updated"), partitions=ARCHIVED),
    FLOW_ACTIONS,
    Resource(name="flow_tags", grain="one row per flow and tag", along=FLOW_ACTIONS, include="tags", links=True),
    Resource(name="templates", grain="one row per template", cursor=Cursor(field="updated")),
    Resource(name="tags", grain="one row per tag", linked=("tag-group",)),
    Resource(name="tag_groups", grain="one row per group of tags"),
    # --- activity --------------------------------------------------------------------------------------------
    EVENTS,
    Resource(
        name="event_attributions",
        grain="one row per event and message it is attributed to",
        along=EVENTS,
        include="attributions",
    ),
)

NAMES: Final = tuple(resource.name for resource in RESOURCES)


def select(names: list[str] | None) -> tuple[Resource, ...]:
    """The named resources in the table's order; all that are not optional when none is named. Raises UnknownResource."""
    unknown = sorted(set(names or ()) - set(NAMES))
    if unknown:
        raise UnknownResource(f"no resource named {', '.join(unknown)}; there are: {', '.join(NAMES)}")
    return tuple(one for one in RESOURCES if (one.name in names if names else not one.optional))
