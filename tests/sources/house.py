"""A warehouse that the source fills from a sandbox."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import dlt
import duckdb

from sandbox.account import Account, Events, Object
from sandbox.server import Sandbox
from sources.klaviyo import klaviyo
from tests.sandbox.tiny import PlainEvent
from tests.sources.filters import Condition, conditions

Rows = list[tuple[Any, ...]]


class House:
    """A DuckDB file, the pipeline that fills it, and the Klaviyo that it is filled from."""

    def __init__(self, home: Path, sandbox: Sandbox) -> None:
        self.file = str(home / "warehouse.duckdb")
        self.sandbox = sandbox
        self.home = home
        self.second = 0

    def load(self, *names: str, **settings: Any) -> None:
        settings = {"api_key": "pk_sandbox", "base_url": self.sandbox.url, **settings}
        self.wait_for_the_next_second()
        source = klaviyo(select=[*names] or None, **settings)
        self.second = int(time.time())
        self.pipeline().run(source)

    def wait_for_the_next_second(self) -> None:
        """Of two runs in one second, the second has nothing to ask."""
        while int(time.time()) <= self.second:
            time.sleep(0.01)

    def pipeline(self) -> dlt.Pipeline:
        return dlt.pipeline(
            "klaviyo_test",
            destination=dlt.destinations.duckdb(self.file),
            dataset_name="klaviyo",
            pipelines_dir=str(self.home / "pipelines"),
        )

    def rows(self, statement: str) -> Rows:
        with duckdb.connect(self.file, read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'; USE klaviyo")
            return connection.execute(statement).fetchall()

    def asked(self, path: str) -> list[list[Condition]]:
        """The filters of the requests for a collection."""
        queries = [parse_qs(request["query"]) for request in self.sandbox.api.requests if request["path"] == path]
        return [conditions(query["filter"][0]) for query in queries]

    def forget_requests(self) -> None:
        self.sandbox.api.requests.clear()


def account(events: Sequence[PlainEvent] = (), *objects: Object) -> Account:
    by_type: dict[str, dict[str, Object]] = {}
    for one in objects:
        by_type.setdefault(one.type, {})[one.id] = one
    return Account(objects=by_type, events=Events([*events]))


def second(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def person(id_: str = "P1", **attributes: Any) -> Object:
    known = {
        "email": "anna@example.com",
        "created": "2019-01-01T00:00:00+00:00",
        "updated": "2025-01-01T00:00:00+00:00",
    }
    return Object("profile", id_, {**known, **attributes})
