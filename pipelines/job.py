"""The main job, one step after the other: load, look for what is gone, verify, forget who was deleted, build the marts."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import pendulum
from rich.console import Console

from pipelines.compaction import compact, drop_models
from pipelines.errors import Exit
from pipelines.forgetting import forget_deleted
from pipelines.lifetime import notice
from pipelines.load import Request, load, named
from pipelines.lock import run_lock
from pipelines.member_counts import MemberCounts
from pipelines.progress import watching
from pipelines.report import print_forgetting, print_run, print_sweeps, print_verification
from pipelines.reports import report_names
from pipelines.runs import Run
from pipelines.settings import Settings, instant
from pipelines.signals import stopping_in_order
from pipelines.sweep import Sweeper
from pipelines.transform import environment, refresh
from pipelines.verify import Verifier, is_due
from pipelines.warehouse import Warehouse

log = logging.getLogger("klaviyo_etl")


@dataclass
class Ran:
    """How the main job ended, and the runs that it came to: the load, and the sweep if one was due."""

    exit: Exit
    runs: list[Run]

    def add(self, *runs: Run) -> None:
        self.runs += runs
        self.exit = max([self.exit, *(run.exit for run in runs)])

    @property
    def message(self) -> str:
        return "; ".join(run.message for run in self.runs if run.message)


def run_job(
    console: Console,
    settings: Settings,
    warehouse: Warehouse,
    request: Request,
    *,
    with_sweeps: bool = True,
    with_verification: bool = False,
    with_marts: bool = True,
) -> Ran:
    """One run under the destination's lock."""
    warn_of_the_end(settings.revision)
    if with_marts:
        environment(warehouse)  # refuses what could not be built, before anything is loaded
    with run_lock(warehouse):
        with stopping_in_order():
            with watching(console) as watch:
                loaded = load(settings, warehouse, request, watch)
            print_run(console, loaded)
            ran = Ran(loaded.exit, [loaded])
            if with_sweeps and ran.exit.goes_on and not (request.start or request.end):
                ran.add(*sweep_when_due(console, settings, warehouse, request))
            if with_verification and ran.exit.goes_on:
                ran.exit = max(ran.exit, verify_when_due(console, settings, warehouse))
        if ran.exit.goes_on and settings.on_deletion != "mark":
            with watching(console) as watch:
                watch.stage("forgetting who was deleted")
                gone = forget_deleted(settings, warehouse)
            if gone.people:
                print_forgetting(console, gone)
        if loaded.has_leftovers:
            drop_models(warehouse, warehouse.pipeline())
        if with_marts and ran.exit.goes_on:
            with watching(console) as watch:
                watch.stage("building the marts")
                built = refresh(warehouse)
            console.print(built)
        if loaded.has_leftovers:
            compact(warehouse, warehouse.pipeline())
    return ran


def sweep_when_due(console: Console, settings: Settings, warehouse: Warehouse, request: Request) -> list[Run]:
    with watching(console) as watch:
        sweeper = Sweeper(settings=settings, warehouse=warehouse, watch=watch, minutes=settings.sweeps.minutes)
        due = sweeper.due(request.resources)
        if not due and not sweeper.unexplained:
            return []
        watch.stage("looking for what is gone")
        found = sweeper.sweep(due)
    print_sweeps(console, found)
    return [found.run]


def verify_when_due(console: Console, settings: Settings, warehouse: Warehouse) -> Exit:
    if not is_due(warehouse):
        return Exit.DONE
    with watching(console) as watch:
        watch.stage("verifying")
        members = MemberCounts(Sweeper(settings=settings, warehouse=warehouse, watch=watch))
        found, compared = Verifier(settings=settings, warehouse=warehouse, watch=watch, members=members).verify_all()
    print_verification(console, found, compared)
    return max(found.exit, compared.exit if compared else Exit.DONE)


def requested(settings: Settings, select: str, start: str, end: str, full_refresh: str) -> Request:
    """What the options of a run ask for. Raises ConfigurationError."""
    refreshed, selected = names(full_refresh), names(select)
    chosen = selected or settings.resources
    return Request(
        resources=named([*chosen, *refreshed] if chosen else None, settings.revision),
        reports=report_names([*selected, *refreshed]) if select else None,
        start=instant(start, "--start") if start else None,
        end=instant(end, "--end") if end else None,
        full_refresh=frozenset(
            {*(one.name for one in named(refreshed, settings.revision)), *report_names(refreshed)} if refreshed else ()
        ),
    )


def warn_of_the_end(revision: str) -> None:
    """Say so, if Klaviyo will soon no longer serve the revision."""
    if text := notice(revision, pendulum.now("UTC").date()):
        log.warning("%s", text, extra={"facts": {"event": "revision_ends", "revision": revision}})


def names(text: str) -> list[str]:
    """`"a, b"` as `["a", "b"]`."""
    return [name.strip() for name in text.split(",") if name.strip()]
