"""The reference of raw tables, written from the table of resources and the contract.

    python -m sources.klaviyo.reference

writes `docs/resources.md`: what each table holds, how it is read and what that costs; and of every other collection that
Klaviyo lists, where its rows are found or why they are not loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

from sources.klaviyo import REVISION, contract
from sources.klaviyo.aggregates import Aggregate
from sources.klaviyo.contract import Contract, Endpoint
from sources.klaviyo.reports import REPORTS
from sources.klaviyo.resources import RESOURCES, at
from sources.klaviyo.spec import Resource
from sources.klaviyo.tables import Column, table
from sources.klaviyo.walk import Walk

AGGREGATES: Final = Aggregate(metric="any")
PAGE: Final = Path(__file__).parents[2] / "docs" / "resources.md"

ELSEWHERE: Final = {
    "/api/campaign-audiences/{id}/campaign-messages": "campaign_messages",
    "/api/campaign-messages": "campaign_messages",
    "/api/campaigns/{id}/campaign-audiences": "campaign_audiences",
    "/api/campaigns/{id}/campaign-messages": "campaign_messages",
    "/api/campaigns/{id}/tags": "campaign_tags",
    "/api/catalog-categories/{id}/items": "catalog_category_items",
    "/api/catalog-items/{id}/categories": "catalog_category_items",
    "/api/catalog-items/{id}/variants": "catalog_variants",
    "/api/catalog-variants": "catalog_variants",
    "/api/coupons/{id}/coupon-codes": "coupon_codes",
    "/api/custom-metrics/{id}/metrics": "custom_metric_metrics",
    "/api/flows/{id}/flow-actions": "flow_actions",
    "/api/flows/{id}/tags": "flow_tags",
    "/api/lists/{id}/flow-triggers": "list_flow_triggers",
    "/api/lists/{id}/tags": "list_tags",
    "/api/metrics/{id}/flow-triggers": "metric_flow_triggers",
    "/api/profile-bulk-import-jobs/{id}/lists": "profile_bulk_import_job_lists",
    "/api/profile-bulk-import-jobs/{id}/profiles": "profile_bulk_import_job_profiles",
    "/api/profiles/{id}/conversations": "conversations",
    "/api/profiles/{id}/lists": "list_memberships",
    "/api/profiles/{id}/push-tokens": "push_tokens",
    "/api/profiles/{id}/segments": "segment_memberships",
    "/api/segments/{id}/flow-triggers": "segment_flow_triggers",
    "/api/segments/{id}/tags": "segment_tags",
    "/api/tag-groups/{id}/tags": "tags",
    "/api/tags/{id}/relationships/campaigns": "campaign_tags",
    "/api/tags/{id}/relationships/flows": "flow_tags",
    "/api/tags/{id}/relationships/lists": "list_tags",
    "/api/tags/{id}/relationships/segments": "segment_tags",
}
"""Collections whose rows another one gives, in fewer requests or with more of them."""
RELATED_TYPES: Final = (
    "only that one type of custom object may be related to another, by a request for each; no related objects"
)
TAGS_OF_MESSAGES: Final = "tags are the campaign's; of its messages there would be a request for each, 60 a minute"
NOT_LOADED: Final = {
    "/api/campaign-messages/{id}/relationships/tags": TAGS_OF_MESSAGES,
    "/api/campaign-messages/{id}/tags": TAGS_OF_MESSAGES,
    "/api/object-schemas/{id}/relationships/object-schemas": RELATED_TYPES,
    "/api/object-schemas/{id}/relationships/profile-object-schemas": RELATED_TYPES,
    "/api/object-types/{id}/relationships/object-types": RELATED_TYPES,
    "/api/object-types/{id}/relationships/profile-object-types": RELATED_TYPES,
}
"""Collections whose rows are nowhere, and why."""


def where_else(path: str, facts: Contract) -> str:
    """Where the rows of a collection are that no table is read from, or why they are nowhere. Raises KeyError."""
    paths = {resource.endpoint: resource.name for resource in at(facts.revision) if not resource.include}
    whole = path.replace("/relationships/", "/")
    if path in NOT_LOADED:
        return f"not loaded: {NOT_LOADED[path]}"
    if path not in ELSEWHERE and whole != path and whole in paths:
        return f"`{paths[whole]}`"
    return f"`{ELSEWHERE.get(path) or ELSEWHERE[whole]}`"


def reference(facts: Contract) -> Iterator[str]:
    """The lines of the page."""
    yield "# Resources"
    yield ""
    yield f"Every raw table, as of revision {facts.revision}. Written by `python -m sources.klaviyo.reference`; a test keeps it true."
    yield ""
    yield (
        "Each table also has `_dlt_load_id`, which load brought the row; `_row_hash`, 64 bits of what Klaviyo sent of it; "
        "`_first_seen_at` and `_changed_at`, when runs first loaded it, and first loaded it as it is; and `_deleted_at`, when "
        "Klaviyo was first seen not to show it any more. Limits are Klaviyo's own, of which a run takes its share. Rows per request are the most that a page holds."
    )
    yield ""
    resources = at(facts.revision)
    for title, of in (("Loaded by default", False), ("Loaded when named with `--select`", True)):
        yield f"## {title}"
        yield ""
        yield "| table | grain | read | requests for 1,000 rows | limits |"
        yield "|---|---|---|---|---|"
        for resource in resources:
            if bool(resource.optional) == of:
                yield (
                    f"| [`{resource.name}`](#{resource.name}) | {resource.grain} | {how(resource)} | {cost(resource, facts)} "
                    f"| {limits(resource, facts)} |"
                )
        yield ""
    yield "## Table by table"
    yield ""
    for resource in resources:
        yield from section(resource, facts)
    yield from reports(facts)
    yield "## Collections that no table is read from"
    yield ""
    yield from others(unread(facts), facts)
    for revision in contract.revisions():
        if revision > facts.revision:
            yield from changes(contract.load(revision), facts)


def changes(later: Contract, facts: Contract) -> Iterator[str]:
    """What another revision tells otherwise."""
    before = at(facts.revision)
    yield ""
    yield f"## At revision {later.revision}"
    yield ""
    yield "All is as above but for these tables and columns; [revisions.md](revisions.md) says more of campaigns."
    yield ""
    for resource in at(later.revision):
        if resource not in before:
            yield from section(resource, later)
            continue
        there = {column.name for column in table(resource, facts).columns}
        added = tuple(column for column in table(resource, later).columns if column.name not in there)
        if added:
            yield f"### {resource.name} from {later.revision} on"
            yield ""
            yield f"- more columns: {typed(added)}"
            yield ""
    yield f"### Collections of {later.revision} that no table is read from"
    yield ""
    yield from others([path for path in unread(later) if path not in unread(facts)], later)


def section(resource: Resource, facts: Contract) -> Iterator[str]:
    raw, endpoint = table(resource, facts), facts.collection(resource.endpoint)
    yield f"### {resource.name}{f' from {resource.since} on' if resource.since else ''}"
    yield ""
    yield f"{resource.grain[0].upper()}{resource.grain[1:]}."
    if resource.optional:
        yield f"Optional: {resource.optional}."
    if resource.note:
        yield f"{resource.note}."
    if resource.versioned:
        yield "What its rows said before, and until when, is in `versions`."
    yield ""
    yield f"- key: {names(raw.key)}"
    yield f"- from: {source(resource)}"
    yield f"- read: {how(resource)}"
    yield f"- requests for 1,000 rows: {cost(resource, facts)}; limits: {limits(resource, facts)}"
    yield f"- scopes: {names(endpoint.scopes)}"
    yield f"- columns: {typed(raw.columns)}"
    yield ""


def source(resource: Resource) -> str:
    text = f"`GET {resource.endpoint}`"
    if resource.per:
        text += f", for each of `{resource.per.name}`"
    if resource.host is not resource:
        text += f", in the pages of `{resource.host.name}` (`{f'include={resource.include}' if resource.include else resource.each}`)"
    elif resource.include:
        text += f" (`include={resource.include}`)"
    if len(resource.host.partitions) > 1:
        text += f", asked in {len(resource.host.partitions)} parts: {', '.join(resource.host.partitions)}"
    return text


def how(resource: Resource) -> str:
    host = resource.host
    if host.cursor:
        mark = "what changed" if host.cursor.marks_change else "what happened"
        by = " or ".join(f"`{field}`" for field in (host.cursor.field, *host.cursor.also))
        back = span(host.cursor.lookback) if host.cursor.marks_change else "hours, days and weeks in tiers"
        again = f"{mark} by {by}, and the last {back} again"
        return f"{again}; of parents that are gone, rows are marked" if host.per else again
    if host.revisit:
        return f"whole, of parents that changed; of all parents every {span(host.revisit)}"
    return "whole, of all parents" if host.per else "whole"


def span(time: timedelta) -> str:
    days, minutes = time.days, time.seconds // 60
    return f"{minutes} minutes" if not days else "day" if days == 1 else f"{days} days"


def cost(resource: Resource, facts: Contract) -> str:
    host = resource.host
    endpoint = facts.collection(host.endpoint)
    if host is not resource:
        return f"none beyond those of `{host.name}`"
    if host.shows_parent:
        return "1,000"
    pages = -(-1000 // (endpoint.page_size or FIXED.get(host.endpoint, 1000)))
    if host.per:
        return f"{pages}, and at least one for each parent"
    return str(pages) if endpoint.page_size or host.endpoint in FIXED else "1: a single page"


FIXED: Final = {
    "/api/metrics": 200,
    "/api/object-types/{id}/object-ingestion-logs": 50,
    **{
        resource.endpoint: 100
        for resource in RESOURCES
        if resource.name.endswith("_jobs") and resource.name != "profile_bulk_import_jobs"
    },
}
"""Rows of a page whose size is not ours to choose."""


def limits(resource: Resource, facts: Contract) -> str:
    return spelled_limits(Walk(resource.host, [resource], facts).endpoint)


def spelled_limits(endpoint: Endpoint) -> str:
    units = {1: "s", 60: "min", 3600: "h", 86_400: "d"}
    return ", ".join(f"{limit.requests:,}/{units[limit.seconds]}" for limit in endpoint.limits)


def names(of: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in of)


def reports(facts: Contract) -> Iterator[str]:
    """The tables that questions fill."""
    yield "## Reports and metric aggregates"
    yield ""
    yield "Asked for when configuration names them, or `--select`; [reports.md](reports.md) says what they tell and what they cost."
    yield ""
    yield "| table | grain | key | from | scopes | limits |"
    yield "|---|---|---|---|---|---|"
    for one in (*REPORTS, AGGREGATES):
        endpoint, raw = one.endpoint(facts), one.table(facts)
        yield (
            f"| `{raw.name}` | {one.grain} | {names(raw.key)} | `POST {endpoint.path}` | {names(endpoint.scopes)} "
            f"| {spelled_limits(endpoint)} |"
        )
    yield ""
    for one in (*REPORTS, AGGREGATES):
        raw = one.table(facts)
        yield f"- columns of `{raw.name}`: {typed(raw.columns)}"
    yield ""


def typed(columns: tuple[Column, ...]) -> str:
    """The columns but for our own."""
    return ", ".join(f"`{column.name}` {column.type}" for column in columns if column.name[0] != "_")


def others(paths: list[str], facts: Contract) -> Iterator[str]:
    """Other collections, and where their rows are."""
    yield "| collection | its rows are in |"
    yield "|---|---|"
    for path in paths:
        yield f"| `GET {path}` | {where_else(path, facts)} |"


def unread(facts: Contract) -> list[str]:
    """Collections that Klaviyo lists and no resource names."""
    read = {resource.endpoint for resource in at(facts.revision)}
    listed = [endpoint.path for name, endpoint in facts.endpoints.items() if name.startswith("GET") and endpoint.many]
    return [path for path in listed if path not in read]


def main() -> Path:
    PAGE.write_text("\n".join(reference(contract.load(REVISION))) + "\n")
    return PAGE


if __name__ == "__main__":
    print(main())
