"""What is gone, and what is missing: the ids that Klaviyo shows beside those that the warehouse holds.

sweep     all ids, into a table beside (`sources/klaviyo/sweeping.py`), in this run or over several
→ absent  held before the sweep began, and not seen by it; too many of them at once are refused
→ asked   for once more, by id
→ marked  with `_deleted_at`, and noted in `etl_absences`
→ missed  seen by the sweep, older than what has been read, and not held: loaded

Every sweep that came to its end is a row of `etl_sweeps`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

import dlt
import pendulum
from dlt.extract import DltResource
from pendulum import DateTime

from pipelines import memberships
from pipelines.absence import PARENT_GONE, absent_profiles, mark, note_returns
from pipelines.balance import Balance
from pipelines.errors import ConfigurationError, Exit, RunError
from pipelines.forgetting import with_tombstones
from pipelines.history import SweepLooking
from pipelines.journal import Entries
from pipelines.load import Request, load, load_packages, outcome
from pipelines.merges import MERGES, Causes, Merge, Merges
from pipelines.progress import Watch
from pipelines.runs import Run, commit, record, states
from pipelines.schedule import SWEEPS, last_sweeps, read_until, turns
from pipelines.settings import Settings
from pipelines.warehouse import Tables, Warehouse, destination_errors
from sources.klaviyo import REVISION, contract
from sources.klaviyo.errors import KlaviyoError
from sources.klaviyo.ledger import State
from sources.klaviyo.package import Package
from sources.klaviyo.resources import EVENTS, PROFILES, at
from sources.klaviyo.spec import Resource
from sources.klaviyo.sweeping import BEGAN, Sweep, Sweeping, began_at, is_swept, shown_after_all
from sources.klaviyo.tables import Column, full_table
from sources.klaviyo.tally import Tally
from sources.klaviyo.walk import Walk, any_of, quoted
from sources.klaviyo.windows import moment, stamp

log = logging.getLogger(__name__)

SWEEP_COLUMNS: Final = (
    Column("run_id", "text"),
    Column("resource", "text"),
    Column("began_at", "timestamp"),
    Column("finished_at", "timestamp"),
    Column("status", "text"),
    Column("seen", "bigint"),
    Column("held", "bigint"),
    Column("absent", "bigint"),
    Column("overlooked", "bigint"),
    Column("marked", "bigint"),
    Column("missed", "bigint"),
    Column("note", "text"),
)

BY_SWEEP: Final = "not seen by a sweep, nor when asked for"
FLOOR: Final = 10
"""So many rows of a table, or of a list, may be gone at once whatever share of it they are."""
AT_ONCE: Final = 1_000
"""Ids in one SQL statement."""

Status = Literal["complete", "refused"]


def sweepable(resources: Sequence[Resource], *, complain: bool = False) -> list[Resource]:
    """Those of which only a sweep can tell what is gone. Raises ConfigurationError, if asked to, for the others."""
    found = [one for one in resources if is_swept(one)]
    if complain and (others := [one.name for one in resources if one not in found]):
        raise ConfigurationError(
            f"not swept: {', '.join(others)}; read whole, or counted by verify; there are: "
            f"{', '.join(one.name for one in at(REVISION) if is_swept(one))}"
        )
    return found


@dataclass
class Swept:
    """How a sweep that came to its end came out."""

    resource: str
    began_at: DateTime
    seen: int = 0
    held: int = 0
    """Live rows that had been loaded before it began."""
    absent: int = 0
    """Of these, not seen."""
    overlooked: int = 0
    """Not seen, but shown when asked for once more."""
    marked: int = 0
    missed: int = 0
    """Seen and not held, or held in an older state."""
    refusals: list[str] = field(default_factory=list)

    @property
    def status(self) -> Status:
        return "refused" if self.refusals else "complete"

    @property
    def note(self) -> str:
        return "; ".join(self.refusals)


@dataclass
class Outcome:
    """All sweeps of a run."""

    run: Run
    swept: list[Swept] = field(default_factory=list)
    merges: Sequence[Merge] = ()


@dataclass(kw_only=True)
class Sweeper:
    """Sweeps, compares, marks and loads."""

    settings: Settings
    warehouse: Warehouse
    watch: Watch
    max_gone: float | None = None
    """The share of a table that may be gone at once; of the settings by default."""
    minutes: float | None = None
    """After which what is left waits for another run."""
    repair: bool = True
    """Whether what was missed is loaded."""
    now: DateTime = field(default_factory=lambda: pendulum.now("UTC"))

    def __post_init__(self) -> None:
        settings = self.settings
        self.unexplained = False
        """Whether there are profiles of which it is not known yet what became of them."""
        self.contract = contract.load(settings.revision)
        self.client = settings.client()

    # --- when ------------------------------------------------------------------------------------------------------

    def due(self, resources: Sequence[Resource]) -> list[Resource]:
        """Those whose last sweep was long enough ago, or is under way still."""
        with self.warehouse.onlooker() as pipeline, pipeline.sql_client() as client:
            swept = sweepable(resources)
            found = turns(Tables(client), states(pipeline), swept, self.contract, self.settings.sweeps)
            self.unexplained = bool(absent_profiles(Tables(client), None))
        due = {turn.resource for turn in found if turn.is_due(self.now)}
        return [one for one in swept if one.name in due]

    # --- what ------------------------------------------------------------------------------------------------------

    def sweep(self, resources: Sequence[Resource], parents: frozenset[str] | None = None) -> Outcome:
        """Sweep what has been loaded of these. Raises RunError.

        With `parents`, only their children are looked at.
        """
        asked = {"sweep": [one.name for one in resources]}
        found = Outcome(Run(asked, self.settings.revision, started_at=self.now))
        pipeline = self.warehouse.pipeline()
        there = states(pipeline)
        sweeps = [Sweep(one, self.contract, some=parents is not None) for one in resources if read_until(there, one)]
        if not sweeps and not self.unexplained:
            raise ConfigurationError(f"nothing to sweep has been loaded into {self.warehouse.place}: run first")
        sweeping = self.read(pipeline, sweeps, found.run, parents)
        missed: list[tuple[Resource, list[str]]] = []
        for sweep, walk in zip(sweeps, sweeping.walks, strict=True):
            if walk.tally.status == "complete":
                try:
                    swept, unread = self.judge(pipeline, sweep, walk, there, found.run)
                except KlaviyoError as error:
                    # What has been seen is kept; another run asks for the rest once more.
                    walk.tally.status, walk.tally.error = "failed", str(error)
                    continue
                found.swept.append(swept)
                missed += [(sweep.of, unread)] if unread and self.repair else []
            elif walk.tally.status == "reading":
                walk.tally.status, walk.tally.note = "unfinished", "its time is up; another run goes on with it"
        for host, ids in missed:
            self.load(host, any_of("id", ids), there)
        if self.repair and read_until(there, PROFILES):
            found.merges = self.explain(self.warehouse.pipeline() if missed else pipeline, found.run, there)
        self.finish(self.warehouse.pipeline() if missed or found.merges else pipeline, found, sweeps)
        return found

    def read(
        self, pipeline: dlt.Pipeline, sweeps: Sequence[Sweep], run: Run, parents: frozenset[str] | None
    ) -> Sweeping:
        """Read what is left of the sweeps, as far as time allows."""
        settings, minutes = self.settings, self.minutes or float("inf")
        self.clear(pipeline, sweeps)
        sweeping = Sweeping(
            self.client,
            [sweep.resource for sweep in sweeps],
            now=self.now,
            max_lanes=settings.max_lanes,
            package=Package(settings.package_rows, settings.package_megabytes, min(settings.package_minutes, minutes)),
            policy=with_tombstones(pipeline, settings.policy),
            changed=frozenset(),
            only=parents,
        )
        run.tallies = sweeping.tallies
        self.watch.reading(run.tallies)
        deadline = time.monotonic() + minutes * 60
        run.first_load_id = load_packages(
            pipeline, self.warehouse, sweeping, enough=lambda: time.monotonic() >= deadline
        )
        return sweeping

    def clear(self, pipeline: dlt.Pipeline, sweeps: Sequence[Sweep]) -> None:
        """Forget what earlier sweeps saw that are over."""
        there, schema = states(pipeline), pipeline.default_schema
        with destination_errors(self.warehouse), pipeline.sql_client() as client:
            tables = Tables(client)
            for name in (sweep.resource.name for sweep in sweeps):
                if BEGAN not in there.get(name, {}) and name in schema.tables:
                    tables.execute(f"DELETE FROM {tables.name(name)}")  # noqa: S608 - names are ours

    # --- how it came out -------------------------------------------------------------------------------------------

    def judge(
        self, pipeline: dlt.Pipeline, sweep: Sweep, walk: Walk, there: Mapping[str, State], run: Run
    ) -> tuple[Swept, list[str]]:
        """Compare, ask again, mark. Put in what was missed, or tell the ids of which there is more to be read."""
        state = states(pipeline)[sweep.resource.name]
        began = str(state[BEGAN])
        with destination_errors(self.warehouse), pipeline.sql_client() as client:
            tables = Tables(client)
            balance = Balance(tables, sweep, walk, began, read_until(there, sweep.of))
            found = Swept(sweep.of.name, moment(state["began_at"]), seen=balance.count())
            last = last_sweeps(tables, only_complete=True).get(sweep.of.name)
            for parent, (held, absent) in sorted(balance.by_parent().items()):
                found.held += held
                found.absent += absent
                if not absent:
                    continue
                if absent > max(FLOOR, self.share * held):
                    found.refusals.append(self.refusal(sweep, parent, held, absent))
                    continue
                missing = balance.absent(parent)
                shown = shown_after_all(walk, self.client, missing, began_at(began)).intersection(missing.ids)
                found.overlooked += len(shown)
                gone = [one for one in missing.ids if one not in shown]
                found.marked += self.mark(tables, sweep, parent, gone, last=last)
            ids = balance.missed()
            found.missed = len(ids)
            if not sweep.whole:
                return found, ids
            if ids:
                balance.put_in(run.first_load_id)
                note_returns(tables, [sweep.table], self.now)
            return found, []

    @property
    def share(self) -> float:
        return self.settings.sweeps.max_gone if self.max_gone is None else self.max_gone

    def refusal(self, sweep: Sweep, parent: str, held: int, absent: int) -> str:
        where = f"{sweep.of.name} of {parent}" if parent else sweep.of.name
        return (
            f"{where}: {absent:,} of {held:,} rows were not seen, more than {self.share:.0%}: none of them was marked; "
            f"if they are gone indeed: klaviyo-etl sweep --select {sweep.of.name} --max-gone {min(absent / held + 0.005, 1):.2f}"
        )

    def mark(self, tables: Tables, sweep: Sweep, parent: str, gone: Sequence[str], *, last: datetime | None) -> int:
        """Mark these, and what rides along with them."""
        table, marked = sweep.table, 0
        *_, id_ = map(tables.column, table.key)
        riders = [full_table(one, self.contract) for one in at(self.settings.revision) if one.along is sweep.of]
        for some in batches(gone):
            of = f" AND {tables.column(table.parent)} = {tables.literal(parent)}" if table.parent else ""
            marked += mark(
                tables, table, f"{id_} IN ({tables.literals(some)}){of}", now=self.now, how=BY_SWEEP, seen_at=last
            )
            for rider in riders:
                if rider.parent and tables.exists(rider.name):
                    condition = f"{tables.column(rider.parent)} IN ({tables.literals(some)})"
                    mark(tables, rider, condition, now=self.now, how=PARENT_GONE, seen_at=last)
        return marked

    def explain(self, pipeline: dlt.Pipeline, run: Run, there: Mapping[str, State]) -> Sequence[Merge]:
        """Find out which of the profiles that are gone were merged, and load what their survivors have now."""
        tally = Tally(MERGES)
        try:
            with self.merges(pipeline, run, tally) as merges:
                found = merges.explain(read_until(there, PROFILES)[""])
        except KlaviyoError as error:
            tally.status, tally.error = "failed", str(error)
            found = Causes()
        if tally.requests:
            tally.status = tally.status if tally.error else "complete"
            run.tallies.append(tally)
        if found.merges:
            self.load(PROFILES, any_of("id", sorted({one.survivor for one in found.merges})), there)
        survivors = sorted({one.survivor for one in found.merges if one.with_events})
        if survivors and (read := read_until(there, EVENTS)):
            bounds = [f"less-than(datetime,{stamp(read[''])})"]
            if self.settings.start_date:
                bounds.append(f"greater-or-equal(datetime,{stamp(self.settings.start_date)})")
            self.load(EVENTS, (",".join([f"equals(profile_id,{quoted(one)})", *bounds]) for one in survivors), there)
        # Last: what is noted is not asked for again, nor what survivors have.
        if found.merges or found.deleted:
            with self.merges(pipeline, run, tally) as merges:
                merges.note(found)
        return found.merges

    @contextmanager
    def merges(self, pipeline: dlt.Pipeline, run: Run, tally: Tally) -> Iterator[Merges]:
        with destination_errors(self.warehouse), pipeline.sql_client() as client:
            yield Merges(
                tables=Tables(client),
                client=self.client,
                contract=self.contract,
                load_id=run.first_load_id,
                now=self.now,
                tally=tally,
            )

    def load(self, host: Resource, where: Iterable[str], there: Mapping[str, State]) -> None:
        """Read what meets one of these conditions, into all tables that the host's walk fills."""
        filled = there[host.name]["windows_read"]
        resources = tuple(one for one in at(self.settings.revision) if one.host is host and one.name in filled)
        request = Request(resources=resources, reports=(), where={host.name: [*where]}, now=self.now)
        run = load(self.settings, self.warehouse, request, self.watch)
        if run.exit is not Exit.DONE:
            raise RunError(f"what a sweep found missing could not be read: {run.message}")

    # --- the record ------------------------------------------------------------------------------------------------

    def finish(self, pipeline: dlt.Pipeline, found: Outcome, sweeps: Sequence[Sweep]) -> None:
        run = found.run
        run.vanished = {one.resource: one.marked for one in found.swept}
        code, message = outcome(run.tallies)
        refusals = [one.note for one in found.swept if one.refusals]
        if refusals and code is Exit.DONE:
            code, message = Exit.NEEDS_A_PERSON, "; ".join(refusals)
        run.finish(code, message)
        over = {one.resource for one in found.swept}
        names = [sweep.resource.name for sweep in sweeps if sweep.of.name in over]
        rows = [row(run, one) for one in found.swept]

        with destination_errors(self.warehouse):
            commit(pipeline, *self.intervals(pipeline, run, [sweep.of for sweep in sweeps if sweep.of.name in over]))
            record(pipeline, run, Entries(SWEEPS, SWEEP_COLUMNS, rows))
            # Last: a sweep that is not recorded yet is not over.
            commit(pipeline, dlt.resource(forget(names), name="sweeps_that_are_over"))
            self.clear(pipeline, sweeps)

    def intervals(self, pipeline: dlt.Pipeline, run: Run, swept: Sequence[Resource]) -> list[DltResource]:
        """What was found ends memberships, and begins others, at once; where any are kept."""
        if not (kept := [one for one in swept if memberships.table_name(one.name) in pipeline.default_schema.tables]):
            return []
        walks = [Walk(one, [one], self.contract) for one in kept]
        for walk in walks:
            walk.tally.status = "complete"
        return memberships.resources(SweepLooking(pipeline, run, walks, run.first_load_id))


def forget(names: Sequence[str]) -> Iterator[Any]:
    """Drop dlt's state of sweeps."""
    for name in names:
        dlt.current.resource_state(name).clear()
    yield from ()


def row(run: Run, one: Swept) -> dict[str, Any]:
    return {
        "run_id": run.id,
        "resource": one.resource,
        "began_at": one.began_at,
        "finished_at": run.finished_at,
        "status": one.status,
        "seen": one.seen,
        "held": one.held,
        "absent": one.absent,
        "overlooked": one.overlooked,
        "marked": one.marked,
        "missed": one.missed,
        "note": one.note or None,
    }


def batches(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), AT_ONCE):
        yield ids[start : start + AT_ONCE]
