"""How late things come: what each re-read found that was new or had changed, and which tiers that would have taken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from pendulum import DateTime

from pipelines.warehouse import Tables
from sources.klaviyo.rereads import DAY, HOUR, TIERS, Cell
from sources.klaviyo.tables import CHANGED_AT, FIRST_SEEN_AT, Column
from sources.klaviyo.walk import Walk

REREADS: Final = "etl_rereads"
REREAD_COLUMNS: Final = (
    Column("run_id", "text"),
    Column("reread_at", "timestamp"),
    Column("resource", "text"),
    Column("tier", "text"),
    Column("window_start", "timestamp"),
    Column("window_end", "timestamp"),
    Column("late_from_hours", "bigint"),
    Column("late_to_hours", "bigint"),
    Column("held", "bigint"),
    Column("new", "bigint"),
    Column("changed", "bigint"),
)


@dataclass(frozen=True)
class Reread:
    """What was found in a cell."""

    resource: str
    cell: Cell
    held: int
    """Rows that the warehouse now has in it."""
    new: int
    changed: int

    def row(self, run_id: str, at: DateTime) -> dict[str, Any]:
        cell = self.cell
        return {
            "run_id": run_id,
            "reread_at": at,
            "resource": self.resource,
            "tier": cell.tier,
            "window_start": cell.window.start,
            "window_end": cell.window.end,
            "late_from_hours": cell.late_from // HOUR,
            "late_to_hours": None if cell.late_to is None else cell.late_to // HOUR,
            "held": self.held,
            "new": self.new,
            "changed": self.changed,
        }


def measured(tables: Tables, walks: Sequence[Walk], now: DateTime) -> list[Reread]:
    """What this run found where it had read before, of walks that came to their end."""
    return [
        found
        for walk in walks
        if walk.tally.status == "complete" and walk.tally.again
        for found in found_in(tables, walk, walk.tally.again, now)
    ]


def found_in(tables: Tables, walk: Walk, cells: Sequence[Cell], now: DateTime) -> Iterator[Reread]:
    assert walk.host.cursor is not None
    at = tables.column(walk.host.cursor.field)
    which = " ".join(f"WHEN {at} >= '{cell.window.start}' AND {at} < '{cell.window.end}' THEN {place}"
                     for place, cell in enumerate(cells))  # fmt: skip
    counted = tables.rows(
        f"SELECT CASE {which} END, count(*), "  # noqa: S608 - names are ours
        f"count(CASE WHEN {FIRST_SEEN_AT} >= %s THEN 1 END), "
        f"count(CASE WHEN {FIRST_SEEN_AT} < %s AND {CHANGED_AT} >= %s THEN 1 END) "
        f"FROM {tables.name(walk.host.name)} WHERE {at} >= %s AND {at} < %s GROUP BY 1",
        now,
        now,
        now,
        min(cell.window.start for cell in cells),
        max(cell.window.end for cell in cells),
    )
    by_place: Mapping[int | None, Sequence[Any]] = {place: figures for place, *figures in counted}
    for place, cell in enumerate(cells):
        yield Reread(walk.host.name, cell, *map(int, by_place.get(place, (0, 0, 0))))


# --- what it says of the tiers -------------------------------------------------------------------------------------

ENOUGH_DAYS: Final = 28
"""Days over which lateness must have been measured before anything is recommended."""
ENOUGH_REREADS: Final = 14
"""Runs that must have read again: two of them, a month apart, have seen no more than two days."""
SHARES: Final = {"each_run": 0.9, "daily": 0.99, "weekly": 0.999, "monthly": 1.0}
"""How much of all that comes late each tier should find."""
FLOORS: Final = {"each_run": 3 * HOUR, "daily": DAY, "weekly": 7 * DAY, "monthly": 30 * DAY}
"""Reaches that are never recommended to be less: what has not come late yet may do so tomorrow."""


@dataclass(frozen=True)
class Band:
    """What was found so late, in all re-reads."""

    late_from: timedelta
    late_to: timedelta | None
    held: int
    new: int
    changed: int

    @property
    def late(self) -> int:
        return self.new + self.changed


@dataclass(frozen=True)
class Lateness:
    """What all re-reads have found."""

    bands: list[Band]
    days: float
    """From the first of them to the last."""
    rereads: int
    """Runs that have read again."""

    @property
    def late(self) -> int:
        return sum(band.late for band in self.bands)

    def share_until(self, band: Band) -> float:
        """Of all that came late, what was no later than that."""
        return sum(one.late for one in self.bands if one.late_from <= band.late_from) / max(self.late, 1)

    def recommended(self) -> dict[str, timedelta] | None:
        """The reach of each tier that would have found its share; nothing while too little has been measured.

        Where something was found at the very end of what is read again, there may be more beyond: twice as far then.
        """
        if self.days < ENOUGH_DAYS or self.rereads < ENOUGH_REREADS or not self.bands:
            return None
        found = {name: max(self.reach(share), FLOORS[name]) for name, share in SHARES.items()}
        last = max(self.bands, key=lambda band: band.late_from)
        if last.late:
            found["monthly"] = 2 * max(last.late_from, TIERS[-1].reach)
        return found

    def reach(self, share: float) -> timedelta:
        """How late the share of what came late was at most."""
        for band in sorted(self.bands, key=lambda band: band.late_from):
            if self.late and band.late and self.share_until(band) >= share:
                return band.late_to or 2 * band.late_from
        return timedelta()


def lateness(tables: Tables) -> Lateness | None:
    """What the warehouse says of it; nothing before anything was read again."""
    span = tables.rows(f"SELECT min(reread_at), max(reread_at), count(DISTINCT run_id) FROM {tables.name(REREADS)}")  # noqa: S608 - names are ours
    if not span or span[0][0] is None:
        return None
    counted = tables.rows(
        f"SELECT late_from_hours, late_to_hours, sum(held), sum({tables.column('new')}), sum(changed) FROM {tables.name(REREADS)} "  # noqa: S608 - names are ours
        "GROUP BY 1, 2 ORDER BY 1"
    )
    first, last, rereads = span[0]
    bands = [
        Band(from_ * HOUR, None if to is None else to * HOUR, int(held), int(new), int(changed))
        for from_, to, held, new, changed in counted
    ]
    return Lateness(bands, (last - first).total_seconds() / DAY.total_seconds(), int(rereads))
