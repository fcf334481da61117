"""How results are printed for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from pipelines import drift
from pipelines.comparisons import STATUSES, Comparisons
from pipelines.doctor import Finding, Origin
from pipelines.forgetting import Forgetting
from pipelines.lateness import ENOUGH_DAYS, ENOUGH_REREADS, Band, Lateness
from pipelines.reports import spent_cells
from pipelines.runs import Run
from pipelines.schedule import Turn
from pipelines.status import Status
from pipelines.sweep import Outcome
from sources.klaviyo.rereads import DAY, HOUR, Tier
from sources.klaviyo.windows import BEGINNING


def table(headings: Iterable[str], rows: Iterable[Sequence[Any]]) -> Table:
    """A plain table: numbers to the right, thousands apart, nothing for null."""
    rows = [*rows]
    built = Table(box=None, pad_edge=False, header_style="bold")
    for place, heading in enumerate(headings):
        numeric = any(isinstance(row[place], int | float) for row in rows)
        built.add_column(heading, justify="right" if numeric else "left")
    for row in rows:
        built.add_row(*map(cell, row))
    return built


def cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
    return value.strftime("%Y-%m-%d %H:%M:%S") if hasattr(value, "strftime") else str(value)


def print_run(console: Console, run: Run) -> None:
    """One line for each collection, and a last one for the run."""
    console.print(
        table(
            ("collection", "status", "requests", "retries", "received", "unchanged", "loaded", "vanished"),
            (
                (
                    tally.resource,
                    tally.status,
                    tally.requests,
                    tally.retries,
                    tally.received,
                    tally.unchanged,
                    sum(tally.rows.values()),
                    sum(run.vanished.get(name, 0) for name in tally.tables),
                )
                for tally in run.tallies
            ),
        )
    )
    for tally in run.tallies:
        if tally.error:
            console.print(f"{tally.resource}: {tally.error}", style="red", highlight=False)
        if tally.note:
            console.print(f"{tally.resource}: {tally.note}", style="yellow", highlight=False)
    for change in run.changes:
        console.print(drift.spelled(change), style="yellow", highlight=False)
    requests, loaded = sum(t.requests for t in run.tallies), sum(sum(t.rows.values()) for t in run.tallies)
    console.print(f"{loaded:,} rows loaded with {requests:,} requests in {run.seconds:.1f} s")


def print_sweeps(console: Console, found: Outcome) -> None:
    """One line for each sweep, and a last one for what they took."""
    if found.swept:
        console.print(
            table(
                ("sweep of", "status", "seen", "held", "not seen", "shown after all", "marked", "missed"),
                (
                    (one.resource, one.status, one.seen, one.held, one.absent, one.overlooked, one.marked, one.missed)
                    for one in found.swept
                ),
            )
        )
    for one in found.swept:
        for refusal in one.refusals:
            console.print(refusal, style="red", highlight=False)
    for tally in found.run.tallies:
        if tally.error or tally.note:
            console.print(f"{tally.resource}: {tally.error or tally.note}", style="yellow", highlight=False)
    if found.merges:
        console.print(f"{len(found.merges):,} of the profiles that are gone were merged into others")
    requests = sum(tally.requests for tally in found.run.tallies)
    console.print(f"swept with {requests:,} requests in {found.run.seconds:.1f} s")


def print_verification(console: Console, found: Comparisons, members: Comparisons | None = None) -> None:
    """What differed, and a last line for all that was compared."""
    told = [*found.having("differs"), *found.having("repaired")]
    if told:
        console.print(
            table(
                ("day", "metric", "counted", "held before", "held", "status", "explanation"),
                (
                    (
                        f"{one.day:%Y-%m-%d}",
                        one.metric,
                        one.counted,
                        one.held_before,
                        one.held,
                        one.status,
                        one.explanation,
                    )
                    for one in told
                ),
            )
        )
    figures = {status: len(found.having(status)) for status in STATUSES}
    console.print(
        f"{len(found.made):,} metrics and days compared with {found.tally.requests:,} requests: "
        + ", ".join(f"{number:,} {status.replace('_', ' ')}" for status, number in figures.items()),
        highlight=False,
    )
    if members and members.made:
        print_members(console, members)


def print_members(console: Console, found: Comparisons) -> None:
    told = [*found.having("differs"), *found.having("repaired")]
    if told:
        console.print(
            table(
                ("members of", "", "counted", "held before", "held", "status", "explanation"),
                (
                    (one.resource, one.parent, one.counted, one.held_before, one.held, one.status, one.explanation)
                    for one in told
                ),
            )
        )
    console.print(
        f"{len(found.made):,} lists and segments compared with {found.tally.requests:,} requests: "
        f"{len(found.having('repaired')):,} repaired, {len(found.having('differs')):,} differ still",
        highlight=False,
    )


def print_examination(console: Console, origins: Sequence[Origin], findings: Sequence[Finding]) -> None:
    """Where settings came from, and what was found."""
    console.print(table(("setting", "value", "from"), ((one.name, one.value, one.source) for one in origins)))
    console.print()
    console.print(table(("looked at", "", "found"), ((one.about, one.state, one.detail) for one in findings)))


def print_status(console: Console, place: str, status: Status, tiers: Sequence[Tier]) -> None:
    console.print(f"warehouse: {place}\n", highlight=False)
    if not status.tables:
        console.print("nothing has been loaded yet: klaviyo-etl run")
        return
    console.print(table(("table", "rows", "vanished"), status.tables))
    console.print()
    console.print(table(("read completely", "from", "to"), map(window_row, status.windows)))
    console.print()
    if status.spending:
        console.print(table(("report", "requests in a day", "allowed", "goes on"), map(spent_cells, status.spending)))
        for report, note in status.waiting:
            console.print(f"{report}: {note}", highlight=False)
        console.print()
    if status.verified:
        told = f"{status.verified.differs:,} days of a metric differ" if status.verified.differs else "nothing differs"
        console.print(f"verified at {cell(status.verified.at)}: {told}\n", highlight=False)
    if status.lateness:
        print_lateness(console, status.lateness, tiers)
    if status.sweeps:
        console.print(
            table(("swept", "last", "status", "marked", "missed", "next", "requests"), map(turn_row, status.sweeps))
        )
        for turn in status.sweeps:
            if turn.last and turn.last.note:
                console.print(turn.last.note, style="red", highlight=False)
        console.print()
    if status.changes:
        console.print(table(("last schema changes", "resource", "attribute", "what", "detail"), status.changes))
        console.print()
    console.print(table(("last runs", "finished", "exit", "why", "received", "requests"), status.runs))


def turn_row(turn: Turn) -> tuple[object, ...]:
    last = turn.last
    told = (last.finished_at, last.status, last.marked, last.missed) if last else (None, "not yet", None, None)
    due = "never" if turn.due_at is None else "at once" if turn.due_at <= BEGINNING else turn.due_at
    return turn.resource, *told, "under way" if turn.under_way else due, turn.requests


def print_lateness(console: Console, found: Lateness, tiers: Sequence[Tier]) -> None:
    """How late events came, and how far each tier should reach."""
    console.print(
        table(
            ("events that came late by", "read again", "new", "changed", "no later"),
            (
                (
                    spelled(band),
                    band.held,
                    band.new,
                    band.changed,
                    f"{found.share_until(band):.1%}" if found.late else None,
                )
                for band in found.bands
            ),
        )
    )
    if (recommended := found.recommended()) is None:
        console.print(
            f"measured over {found.days:.0f} days by {found.rereads:,} runs; after {ENOUGH_DAYS} and {ENOUGH_REREADS}, "
            "a reach is recommended for each tier\n"
        )
        return
    reaches = {tier.name: tier.reach for tier in tiers}
    told = (
        f"{name} {reach / DAY:g}"
        + ("" if reaches.get(name) == reach else f" (now {reaches.get(name, 0 * DAY) / DAY:g})")
        for name, reach in recommended.items()
    )
    console.print(f"measured over {found.days:.0f} days, recommended reread_days: {', '.join(told)}\n", highlight=False)


def spelled(band: Band) -> str:
    if band.late_to is None:
        return f"more than {band.late_from / DAY:g} days"
    if band.late_to <= DAY:
        return f"up to {band.late_to / HOUR:g} hours"
    return f"up to {band.late_to / DAY:g} days"


def window_row(row: Sequence[Any]) -> tuple[str, Any, Any]:
    resource, start, end = row
    return resource, "the beginning" if start <= BEGINNING else start, end


def print_forgetting(console: Console, done: Forgetting, *, dry: bool = False) -> None:
    would = "would be " if dry else ""
    for what, counts in (("deleted", done.deleted), ("rewritten", done.rewritten)):
        for table, count in counts.items():
            console.print(f"{table}: {count:,} rows {would}{what}", highlight=False)
    console.print(f"{done.people:,} people {would}forgotten", highlight=False)
    if done.unknown:
        console.print(f"{done.unknown:,} of the names are those of no profile that is here", highlight=False)
