"""Is everything in place for a run? Settings and where they come from, Klaviyo, the key's scopes, warehouse, clock and disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final, Literal

import pendulum
import requests
from dlt.common.configuration.utils import get_resolved_traces

from pipelines.errors import Exit, RunError
from pipelines.lifetime import notice
from pipelines.notices import read_notices
from pipelines.settings import Settings, read_settings
from pipelines.warehouse import Warehouse
from sources.klaviyo import contract
from sources.klaviyo.errors import KlaviyoError, NotPermitted
from sources.klaviyo.extraction import SETTLING
from sources.klaviyo.resources import select
from sources.klaviyo.rows import PageReader
from sources.klaviyo.walk import Walk

State = Literal["ok", "warning", "wrong"]

SECRETS: Final = frozenset(
    {"api_key", "client_secret", "hash_key", "credentials", "password", "webhook_url", "ping_url"}
)
"""Settings that are never shown."""
SCARCE: Final = 2 * 1024**3
"""Bytes of disk that a first load may need beside the warehouse."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    about: str
    state: State
    detail: str


@dataclass(frozen=True)
class Origin:
    """A setting that is not left at its default."""

    name: str
    value: str
    source: str


def examine(destination: str) -> Iterator[Finding]:
    """Look at one thing after the other; nothing is loaded."""
    warehouse: Warehouse | None = None
    try:
        warehouse = Warehouse(destination)
        yield reached(warehouse)
        yield disk(warehouse)
    except RunError as error:
        yield Finding("destination", "wrong", str(error))
    try:
        settings, _ = read_settings(), read_notices()
    except RunError as error:
        yield Finding("settings", "wrong", str(error))
        return
    yield Finding("settings", "ok", "read and understood")
    yield revision(settings)
    yield clock(settings)
    yield from klaviyo(settings)


def worst(findings: list[Finding]) -> Exit:
    """What the findings add up to."""
    return Exit.FAILED if any(one.state == "wrong" for one in findings) else Exit.DONE


def reached(warehouse: Warehouse) -> Finding:
    with warehouse.tables() as tables:
        tables.execute("SELECT 1")
    return Finding("destination", "ok", warehouse.place)


def disk(warehouse: Warehouse) -> Finding:
    """Where loads are prepared, and where a file of ours lies."""
    places = {existing(warehouse.workspace), *([existing(warehouse.path)] if warehouse.path else [])}
    free = {place: shutil.disk_usage(place).free for place in places}
    detail = ", ".join(f"{left / 1024**3:.1f} GiB free at {place}" for place, left in sorted(free.items()))
    return Finding("disk", "ok" if min(free.values()) >= SCARCE else "warning", detail)


def existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    return next(place for place in (path, *path.parents) if place.exists())


def revision(settings: Settings) -> Finding:
    end = contract.retirement(settings.revision)
    told = notice(settings.revision, pendulum.now("UTC").date())
    return Finding("revision", "warning" if told else "ok", told or f"{settings.revision}, served until {end}")


def clock(settings: Settings) -> Finding:
    """Ours beside Klaviyo's: ranges of time end behind ours, and must not end before Klaviyo's."""
    try:
        answer = requests.head(settings.base_url, timeout=(10, 30), allow_redirects=False)
        theirs = parsedate_to_datetime(answer.headers["Date"])
    except (requests.RequestException, KeyError, ValueError) as error:
        return Finding("clock", "warning", f"Klaviyo's is not known: {type(error).__name__}")
    ahead = (datetime.now(UTC) - theirs).total_seconds()
    detail = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} Klaviyo's"
    if ahead < SETTLING.total_seconds():
        return Finding("clock", "ok", detail)
    return Finding("clock", "wrong", f"{detail}: rows that arrive meanwhile would be found late; set the clock")


def klaviyo(settings: Settings) -> Iterator[Finding]:
    """Whether the key is accepted, and what it may read: a page of one collection for each scope that a run needs."""
    client = settings.client(attempts=3)
    facts = contract.load(settings.revision)
    needing: dict[str, list[str]] = {}
    asked: dict[str, Walk] = {}
    for resource in select(None, settings.revision):
        endpoint = facts.collection(resource.host.endpoint)
        for scope in endpoint.scopes:
            needing.setdefault(scope, []).append(resource.name)
            if len(endpoint.scopes) == 1 and not resource.host.per:
                asked.setdefault(scope, Walk(resource.host, [resource.host], facts))
    for scope, walk in asked.items():
        try:
            next(walk.follow(client, PageReader(walk.tables), walk.ranges([None])[0]))
        except NotPermitted:
            yield Finding(scope, "warning", f"not permitted: a run leaves out {', '.join(needing[scope])}")
        except KlaviyoError as error:
            yield Finding("Klaviyo", "wrong", str(error))
            return
        else:
            yield Finding(scope, "ok", f"{walk.host.name} answers")
    if unasked := sorted(needing.keys() - asked.keys()):
        yield Finding("other scopes", "ok", f"not tried, as each is asked for what another lists: {', '.join(unasked)}")


def origins() -> list[Origin]:
    """The settings that have been looked up and are set somewhere, and where."""
    found: dict[str, Any] = {}
    for trace in get_resolved_traces().resolved_traces:
        if trace.sections and trace.sections[0] in ("sources", "destination", "notifications"):
            found.setdefault(".".join([*trace.sections, trace.key]), trace)
    return [
        Origin(
            name,
            "…" if SECRETS.intersection(name.split(".")) or hasattr(trace.value, "password") else str(trace.value),
            trace.provider_name,
        )
        for name, trace in sorted(found.items())
        if trace.value is not None
    ]
