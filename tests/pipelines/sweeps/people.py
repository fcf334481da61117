"""An account to sweep, and how tests sweep it."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb

from pipelines.load import named
from pipelines.progress import LogWatch
from pipelines.settings import Settings
from pipelines.sweep import Outcome, Sweeper, Swept, sweepable
from pipelines.warehouse import Warehouse
from sandbox.account import Account, Events, Object
from sandbox.server import Sandbox
from tests.conftest import KEY, Job
from tests.pipelines.warehouse import change, rows
from tests.sandbox.tiny import DAY, EARLY, MONDAY, PlainEvent, tiny_account

PEOPLE = [f"P{number:03}" for number in range(350)]
SMALL = ("templates", "template_universal_content", "images")
MEMBERSHIPS = ("list_memberships", "segment_memberships")
LOADED = ("profiles", "profile_suppressions", *MEMBERSHIPS, *SMALL, "lists", "metrics", "events")
BORN = datetime(2026, 1, 1, tzinfo=UTC)


def people() -> Account:
    """Some people in place of those of the tiny account, all in one list and one segment, three in another list."""
    tiny = tiny_account()
    model = tiny.objects["profile"].pop("ANNA")
    tiny.objects["profile"].clear()
    for number, name in enumerate(PEOPLE):
        person = deepcopy(model)
        person.id = name
        born = (BORN + timedelta(hours=number)).isoformat()
        person.attributes |= {"email": f"{name.lower()}@example.com", "created": born, "updated": born}
        tiny.objects["profile"][name] = person
    tiny.list_members = {"NEWS": dict.fromkeys(PEOPLE, EARLY), "L01": dict.fromkeys(PEOPLE[:3], EARLY)}
    tiny.segment_members = {"VIPS": dict.fromkeys(PEOPLE, EARLY)}
    person = tiny.objects["profile"]["P002"]
    person.attributes["subscriptions"]["email"]["marketing"]["suppression"] = [
        {"reason": "HARD_BOUNCE", "timestamp": EARLY}
    ]
    tiny.objects["profile"]["P040"].attributes["phone_number"] = "+4512345678"
    told = Object("metric", "MERGED", {**tiny.objects["metric"]["VISIT"].attributes, "name": "Merged Profile"})
    tiny.objects["metric"][told.id] = told
    tiny.events = Events(
        [
            PlainEvent("first", MONDAY, profile_id="P010"),
            PlainEvent("last", MONDAY + DAY, profile_id="P010"),
            PlainEvent("other", MONDAY + DAY, profile_id="P099"),
            PlainEvent("redacted", MONDAY, profile_id="P020"),
            PlainEvent("told", MONDAY, "MERGED", "P061", properties={"from": {"id": "P060"}}),
        ]
    )
    return tiny


def sweeper(job: Job, **options: Any) -> Sweeper:
    settings = Settings(api_key=KEY, base_url=job.sandbox.url, revision=job.revision)
    given: dict[str, Any] = {"settings": settings, "warehouse": Warehouse("duckdb"), "watch": LogWatch()}
    return Sweeper(**given | options)


def sweep(job: Job, *names: str, **options: Any) -> Outcome:
    with duckdb.connect(str(job.database)):  # an open file is opened again at once
        return sweeper(job, **options).sweep(sweepable(named(names, job.revision)))


def of_one(job: Job, name: str, **options: Any) -> Swept:
    [found] = sweep(job, name, **options).swept
    return found


def marked(job: Job, table: str, key: str = "id") -> set[str]:
    return {row[key] for row in rows(job, table) if row["_deleted_at"] is not None}


def vanish(sandbox: Sandbox, kind: str, *ids: str) -> None:
    for one in ids:
        change(sandbox, "delete", type=kind, id=one)


class Cut:
    """Reads as the sandbox does, but leaves some objects out of what it lists, though not when asked for by id."""

    def __init__(self, reader: Any, hidden: set[str], unless: str = "any(") -> None:
        self.reader = reader
        self.hidden = hidden
        self.unless = unless

    def __getattr__(self, name: str) -> Any:
        return getattr(self.reader, name)

    def document(self, match: Any, base: str, address: str, query: str, now: Any) -> Any:
        made = self.reader.document(match, base, address, query, now)
        document = made if isinstance(made, dict) else json.loads(made)
        if isinstance(document["data"], list) and (not self.unless or self.unless not in query.replace("%28", "(")):
            document["data"] = [one for one in document["data"] if one["id"] not in self.hidden]
        return document
