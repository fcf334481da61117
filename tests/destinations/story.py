"""What happens to an account, loaded into DuckDB and into another destination side by side."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from pipelines.definitions import VERSIONS
from pipelines.forgetting import Eraser
from pipelines.load import named
from pipelines.progress import LogWatch
from pipelines.settings import Settings
from pipelines.status import status
from pipelines.sweep import Outcome, Sweeper, sweepable
from pipelines.verify import Verification, Verifier
from pipelines.warehouse import Tables, Warehouse
from sandbox.account import Account
from sandbox.server import Sandbox
from sources.klaviyo.pseudonyms import Pseudonyms
from sources.klaviyo.tables import every_table
from sources.klaviyo.windows import moment
from tests.conftest import KEY, Job
from tests.pipelines.warehouse import change
from tests.sandbox.tiny import DAY, EARLY, MONDAY, PlainEvent, tiny_account

LOADED: Final = (
    "events", "event_attributions", "profiles", "profile_suppressions", "campaigns", "campaign_messages",
    "lists", "list_tags", "list_memberships", "segments", "segment_memberships", "metrics", "tags", "templates",
)  # fmt: skip
SWEPT: Final = ("profiles", "list_memberships", "segment_memberships", "templates")
KEPT: Final = (VERSIONS, "list_membership_intervals", "segment_membership_intervals")
TOLD_OF_ABSENCE: Final = ("etl_absences", "profile_merges")
OF_LOADS: Final = frozenset({"_dlt_load_id", "_dlt_id"})

Cell = Any
Row = dict[str, Cell]
Step = Callable[["Story"], None]


def account() -> Account:
    """The tiny one, with values that warehouses like to change."""
    told = tiny_account()
    odd = {
        "quotes": 'O\'Neil "the" \\ back',
        "per cent": "100%s off",
        "lines": "one\ntwo\ttabs",
        "ünïcode": "日本 🛒",
        "long": 1234567890123456789012345678901234567890,
        "exact": 0.1234567890123456789,
        "twice": [],
    }
    told.events.add(PlainEvent("odd-properties", MONDAY + 12 * DAY + 5, "VISIT", properties=odd))
    told.objects["profile"]["ANNA"].attributes |= {"first_name": "O'Neil \\ 100%s\n日本", "properties": odd}
    for one in ("CARL", "DORA"):
        told.objects["profile"][one] = type(told.objects["profile"]["BERT"])(
            "profile",
            one,
            {**told.objects["profile"]["BERT"].attributes, "email": f"{one.lower()}@example.com"},
            {},
        )
    told.list_members["NEWS"]["CARL"] = EARLY
    return told


@dataclass
class Story:
    job: Job
    sandbox: Sandbox
    name: str
    """Of the other destination."""
    proven: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.job.every_table = True

    @property
    def both(self) -> tuple[str, str]:
        return "duckdb", self.name

    def load(self, now: str, *select: str) -> list[Any]:
        return [self.job.load(*(select or LOADED), destination=one, now=now) for one in self.both]

    def settings(self) -> Settings:
        return Settings(api_key=KEY, base_url=self.sandbox.url, revision=self.job.revision)

    def sweep(self, now: str) -> list[Outcome]:
        return [
            Sweeper(settings=self.settings(), warehouse=Warehouse(one), watch=LogWatch(), now=moment(now)).sweep(
                sweepable(named(SWEPT, self.job.revision))
            )
            for one in self.both
        ]

    def verify(self, now: str) -> list[Verification]:
        return [
            Verifier(settings=self.settings(), warehouse=Warehouse(one), watch=LogWatch(), now=moment(now)).verify()
            for one in self.both
        ]

    @contextlib.contextmanager
    def tables(self, name: str) -> Iterator[tuple[Tables, Any]]:
        with Warehouse(name).onlooker() as pipeline, pipeline.sql_client() as client:
            yield Tables(client), pipeline.default_schema

    def rows(
        self, *tables: str, alike: Callable[[Cell], Cell] = lambda cell: cell
    ) -> list[tuple[list[Row], list[Row]]]:
        """Of each table what DuckDB holds and what the other destination does, under the names that DuckDB has, in order."""
        with self.tables("duckdb") as (ours, schema), self.tables(self.name) as (theirs, other):
            named = other.naming.normalize_path
            for table in tables:
                columns = schema.tables[table]["columns"]
                assert other.tables[table]["columns"].keys() == {named(column) for column in columns}
            return [
                (read(ours, table, columns, lambda name: name, alike), read(theirs, table, columns, named, alike))
                for table in tables
                for columns in [schema.tables[table]["columns"]]
            ]

    def theirs(self, table: str) -> list[Row]:
        [(_, rows)] = self.rows(table)
        return rows

    def assert_alike(self, *tables: str, alike: Callable[[Cell], Cell] = lambda cell: cell) -> None:
        for table, (ours, theirs) in zip(tables, self.rows(*tables, alike=alike), strict=True):
            assert len(theirs) == len(ours), f"{table}: {len(theirs)} rows where DuckDB has {len(ours)}"
            for our, their in zip(ours, theirs, strict=True):
                different = {name: (our[name], their[name]) for name in our if our[name] != their[name]}
                assert not different, f"{table}: {different}"


def read(
    tables: Tables, table: str, columns: Any, named: Callable[[str], str], alike: Callable[[Cell], Cell]
) -> list[Row]:
    asked = {name: tables.column(named(name)) for name in columns if name not in OF_LOADS}
    cells = ", ".join(
        tables.text(spelled) if columns[name]["data_type"] == "json" else spelled for name, spelled in asked.items()
    )
    found = tables.rows(f"SELECT {cells} FROM {tables.name(table)}")
    rows = [{name: alike(plain(cell)) for name, cell in zip(asked, row, strict=True)} for row in found]
    return sorted(rows, key=repr)


def plain(cell: Cell) -> Cell:
    """A value as any driver might give it."""
    if isinstance(cell, datetime):
        return cell.astimezone(UTC)
    return int(cell) if isinstance(cell, Decimal) and cell == int(cell) else cell


def to_the_month(cell: Cell) -> Cell:
    """What history says of times depends on how fast a load was."""
    return f"{cell:%Y-%m}" if isinstance(cell, datetime) else cell


# --- the steps, each named as what it proves -------------------------------------------------------------------------


def first_load(story: Story) -> None:
    """First load: every table, column, row and value."""
    story.load("2026-06-14")
    story.assert_alike(*every_table(story.job.revision), *KEPT)
    assert len(story.theirs("events")) == 34


def nothing_new(story: Story) -> None:
    """A run with nothing new loads nothing."""
    before = story.theirs("events")
    _, run = story.load("2026-06-14T01:00:00")
    of_events = next(tally for tally in run.tallies if tally.resource == "events")
    assert of_events.received == of_events.unchanged > 0
    assert story.theirs("events") == before


def late_and_changed_rows(story: Story) -> None:
    """Late and changed rows; first seen and changed times."""
    events = story.sandbox.account.events
    events.add(PlainEvent("late", MONDAY + 9 * DAY, "VISIT"))
    events.remove("zz-visit")
    events.add(PlainEvent("zz-visit", MONDAY + 12 * DAY, "VISIT", "ANNA", properties={"moved": True}))
    at = "2026-06-14T12:00:00+00:00"
    change(story.sandbox, "rename", type="campaign", id="SPRING", name="It's 100% \\ renamed", at=at)
    change(story.sandbox, "edit", type="profile", id="ANNA", attributes={"first_name": "Ann"}, at=at)
    change(story.sandbox, "delete", type="tag", id="T1")
    change(story.sandbox, "delete", type="list", id="NEWS")
    story.load("2026-06-15")
    story.assert_alike(*LOADED, *TOLD_OF_ABSENCE)
    rows = {row["id"]: row for row in story.theirs("events")}
    assert rows["late"]["_first_seen_at"] == moment("2026-06-15")
    moved = rows["zz-visit"]
    assert (moved["_first_seen_at"], moved["_changed_at"]) == (moment("2026-06-14"), moment("2026-06-15"))
    assert (moved["_former_profile_id"], moved["profile_id"]) == ("BERT", "ANNA")


def what_is_gone(story: Story) -> None:
    """Rows that Klaviyo no longer shows are marked."""
    assert [row["id"] for row in story.theirs("lists") if row["_deleted_at"]] == ["NEWS"]
    assert {row["table_name"] for row in story.theirs("etl_absences")} >= {"lists", "tags", "list_memberships"}


def sweeps(story: Story) -> None:
    """Sweeps: deleted people, left memberships, and rows that were missing."""
    change(story.sandbox, "delete", type="profile", id="BERT")
    with story.tables("duckdb") as (ours, _), story.tables(story.name) as (theirs, _):
        for tables in (ours, theirs):
            tables.execute(f"DELETE FROM {tables.name('profiles')} WHERE id = {tables.literal('CARL')}")
            tables.execute(f"DELETE FROM {tables.name('segment_memberships')} WHERE profile_id = 'ANNA'")
    for found in story.sweep("2026-06-17"):
        outcome = {one.resource: (one.marked, one.missed) for one in found.swept}
        assert outcome["profiles"] == (1, 1)
        assert outcome["segment_memberships"] == (0, 1)
    story.assert_alike(*LOADED, *TOLD_OF_ABSENCE)


def verification(story: Story) -> None:
    """Verify: counts by metric and day, and repair of what differs."""
    story.sandbox.account.events.remove("e00007")
    story.sandbox.changed()
    with story.tables("duckdb") as (ours, _), story.tables(story.name) as (theirs, _):
        for tables in (ours, theirs):
            tables.execute(f"DELETE FROM {tables.name('events')} WHERE id IN ('e00027', 'odd-properties')")
    for found in story.verify("2026-06-18"):
        assert len(found.having("repaired")) == 3
        assert not found.having("differs")
    story.assert_alike("events", "event_attributions", "etl_absences")
    rows = {row["id"]: row for row in story.theirs("events")}
    assert rows["e00007"]["_deleted_at"]
    assert rows["e00027"]["_deleted_at"] is None


def history(story: Story) -> None:
    """History: versions of definitions, memberships from when to when."""
    story.assert_alike(*KEPT, alike=to_the_month)
    names = [row["changed"] for row in story.theirs(VERSIONS) if row["id"] == "SPRING"]
    assert sorted(names) == ['["name"]', "[]"]
    assert story.theirs("list_membership_intervals")


def status_of_it(story: Story) -> None:
    """Status: runs, windows, what was found late, sweeps."""
    ours, theirs = (status(Warehouse(name), story.job.revision, 1.0, runs=50) for name in story.both)
    assert theirs.tables == ours.tables
    assert theirs.windows == ours.windows
    assert theirs.lateness == ours.lateness
    assert [run[2:4] for run in theirs.runs] == [run[2:4] for run in ours.runs]
    assert theirs.verified is not None
    assert [one.resource for one in theirs.sweeps] == [one.resource for one in ours.sweeps]


def forgetting(story: Story) -> None:
    """Forget: a person, in all raw tables."""
    for name in story.both:
        Eraser(Warehouse(name), Pseudonyms(b"k" * 32), "purge").forget(["anna@example.com"], "a request")
    assert "anna@example.com" not in repr([story.theirs(table) for table in ("profiles", "events")])
    story.assert_alike(*LOADED, *TOLD_OF_ABSENCE)


STEPS: Final[tuple[Step, ...]] = (
    first_load,
    nothing_new,
    late_and_changed_rows,
    what_is_gone,
    sweeps,
    verification,
    history,
    status_of_it,
    forgetting,
)
