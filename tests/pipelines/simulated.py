"""Simulated days: one account, a Klaviyo whose clock stands where we put it, and runs of the main job at that time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from sandbox.account import Attribution
from sources.klaviyo.windows import moment
from tests.conftest import Job
from tests.pipelines.warehouse import rows
from tests.sandbox.tiny import PlainEvent

EVENTS = ("events", "event_attributions")


@dataclass
class Days:
    """Runs at times of our choosing."""

    job: Job

    def event(self, id_: str, at: str, *campaigns: str) -> PlainEvent:
        """An event that Klaviyo shows from now on, attributed to campaigns."""
        event = PlainEvent(id_, int(moment(at).timestamp()), attributions=attributions(id_, campaigns))
        self.job.sandbox.account.events.add(event)
        self.job.sandbox.changed()
        return event

    def attribute(self, event: PlainEvent, *campaigns: str) -> None:
        """Let Klaviyo change its mind of what an event is due to."""
        event.attributions = attributions(event.id, campaigns)
        self.job.sandbox.changed()

    def run(self, at: str, *select: str, **options: Any) -> list[dict[str, Any]]:
        """A run at a time. Its requests for events."""
        api = self.job.sandbox.api
        api.settings = replace(api.settings, now=moment(at))
        api.requests.clear()
        self.last = self.job.load(*(select or EVENTS), now=at, **options)
        return [one for one in api.requests if one["path"] == "/api/events"]

    def rows(self, table: str) -> dict[str, dict[str, Any]]:
        return {row["id"]: row for row in rows(self.job, table)}


def attributions(event: str, campaigns: Sequence[str]) -> tuple[Attribution, ...]:
    return tuple(Attribution(f"{event}-{campaign}", {"campaign": campaign}) for campaign in campaigns)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture
def days(job: Job, monkeypatch: pytest.MonkeyPatch) -> Days:
    """Days on which only what is named is loaded: no empty tables of the rest, which would take most of the time."""
    monkeypatch.setattr("pipelines.load.every_table", lambda _revision: {})
    return Days(job)
