"""Whether a system has every event and profile once: ids held against the account, which computes them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from sandbox.account import Account

AT_A_TIME: Final = 10_000


@dataclass
class Found:
    """The ids of one type, as a system has them."""

    rows: int = 0
    lost: int = 0
    doubled: int = 0
    strange: int = 0

    def __add__(self, other: Found) -> Found:
        return Found(
            self.rows + other.rows,
            self.lost + other.lost,
            self.doubled + other.doubled,
            self.strange + other.strange,
        )


def compare(account: Account, events: Iterable[str], profiles: Iterable[str] | None) -> Found:
    """Hold ids against the account's events, and its profiles unless they were not asked for."""
    found = _compare(events, len(account.events), lambda id_: account.events.get(id_) is not None)
    if profiles is None:
        return found
    people = account.objects["profile"]
    return found + _compare(profiles, len(people), people.__contains__)


def _compare(ids: Iterable[str], expected: int, exists: object) -> Found:
    assert callable(exists)
    seen: set[str] = set()
    rows = strange = 0
    for id_ in ids:
        rows += 1
        if id_ not in seen:
            seen.add(id_)
            strange += not exists(id_)
    return Found(rows, expected - (len(seen) - strange), rows - len(seen), strange)


def in_table(database: Path, table: str) -> Iterator[str]:
    with duckdb.connect(str(database), read_only=True) as connection:
        connection.execute(f"select id from {table}")  # noqa: S608 - names are ours
        while rows := connection.fetchmany(AT_A_TIME):
            yield from (row[0] for row in rows)


def in_messages(path: Path, stream: str) -> Iterator[str]:
    """The ids in what an Airbyte source said."""
    with path.open() as lines:
        for line in lines:
            message = json.loads(line)
            if message["type"] == "RECORD" and message["record"]["stream"] == stream:
                yield message["record"]["data"]["id"]
