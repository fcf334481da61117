"""What a run would take, told before it from a few cheap requests.

windows      which the run would read: its own planning, from the state that the warehouse holds
→ survey     how many rows lie where in them: a few pages of each query, and Klaviyo's own counts for events
→ rehearsal  the run's own lanes and limiter over these rows, on a clock of their own: requests and minutes
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.pipeline.state_sync import load_pipeline_state_from_destination
from rich.console import Console

from pipelines.identity import refused
from pipelines.load import Request, extract, inquire
from pipelines.rehearsal import Rehearsal, Stage, at_full_rate, per_minute
from pipelines.report import table
from pipelines.reports import Inquiry, inquiries, spent_cells
from pipelines.schedule import Turn, turns
from pipelines.scout import Scout
from pipelines.settings import Settings
from pipelines.warehouse import PIPELINE, SCHEMA, Warehouse
from sources.klaviyo import contract
from sources.klaviyo.errors import KlaviyoError
from sources.klaviyo.extraction import Extraction, forget_other_revisions
from sources.klaviyo.held import Nothing
from sources.klaviyo.limits import Limiter
from sources.klaviyo.sweeping import is_swept
from sources.klaviyo.tally import Status, Tally


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What a run would take for one resource. Figures are None where they belong to the resource whose pages bring it."""

    resource: str
    status: Status
    rows: int = 0
    """That Klaviyo would send, of which those that the warehouse has just so are not loaded again."""
    requests: int | None = None
    minutes: float | None = None
    quota: float | None = None
    """Requests as a share of what the endpoint allows everybody in a minute."""
    exact: bool = False
    """Whether the rows have been counted rather than estimated."""
    how: str = ""


@dataclass(frozen=True, kw_only=True)
class Use:
    """What a run would ask of one endpoint."""

    endpoint: str
    requests: int
    allowed: int
    """Requests in a minute, for everybody."""
    minutes: float

    @property
    def quota(self) -> float:
        return self.requests / self.allowed


@dataclass(frozen=True)
class Prospect:
    """The whole run."""

    outlooks: list[Outlook]
    uses: list[Use]
    tallies: list[Tally]
    """What planning has asked itself."""
    inquiries: list[Inquiry] = field(default_factory=list)
    """Of reports, which come after everything else."""
    report_minutes: float = 0.0
    """The most that a run spends on them."""
    sweeps: list[Turn] = field(default_factory=list)
    """Those that are due, after that."""

    @property
    def rows(self) -> int:
        return sum(one.rows for one in self.outlooks)

    @property
    def requests(self) -> int:
        return sum(one.requests or 0 for one in self.outlooks)

    @property
    def minutes(self) -> float:
        """All collections are read at once, and after them all reports."""
        reports = max((one.minutes for one in self.inquiries), default=0.0)
        return max((use.minutes for use in self.uses), default=0.0) + min(reports, self.report_minutes)

    @property
    def asked(self) -> int:
        return sum(tally.requests for tally in self.tallies)


def plan(settings: Settings, warehouse: Warehouse, request: Request) -> Prospect:
    """Ask and reckon; nothing is loaded, locked or written. Raises RunError."""
    warehouse = replace(warehouse, read_only=True)
    state = committed(warehouse)
    sweeps = [] if request.start or request.end else due_sweeps(settings, warehouse, request, state)
    forget_other_revisions(state, settings.revision)
    states = state.get("resources", {})
    extraction = extract(settings, request, Nothing())
    scouts = [Scout(extraction, walk, states.get(walk.host.name, {})) for walk in extraction.walks]
    try:
        with ThreadPoolExecutor(max(len(scouts), 1)) as pool:
            deque(pool.map(Scout.look, scouts), maxlen=0)
        reports = inquire(settings, request, extraction.client, Nothing())
        due = inquiries(reports, states)
    except KlaviyoError as error:
        raise refused(error) from error
    rehearsed = [*zip(scouts, rehearse(extraction, scouts), strict=True)]
    outlooks = [outlook for scout, rehearsal in rehearsed for outlook in outlooks_of(scout, rehearsal)]
    uses = used(extraction.client.limiter, [rehearsal for _, rehearsal in rehearsed])
    tallies = [*extraction.tallies, *reports.tallies]
    return Prospect(outlooks, uses, tallies, due, settings.asking.minutes, sweeps)


def due_sweeps(settings: Settings, warehouse: Warehouse, request: Request, state: Mapping[str, Any]) -> list[Turn]:
    """What the run then looks for that is gone."""
    resources = [one for one in request.resources if is_swept(one)]
    if not state or not resources:
        return []
    with warehouse.tables() as tables:
        found = turns(
            tables,
            state.get("resources", {}),
            resources,
            contract.load(settings.revision),
            settings.sweeps,
        )
    return [turn for turn in found if turn.is_due(request.now)]


def rehearse(extraction: Extraction, scouts: Sequence[Scout]) -> list[Rehearsal]:
    """All walks at once, as a run has them."""
    stage = Stage(extraction.client)
    rehearsals = [scout.rehearsal(stage) for scout in scouts]
    for rehearsal in rehearsals:
        rehearsal.begin()
    stage.perform()
    return rehearsals


def outlooks_of(scout: Scout, rehearsal: Rehearsal) -> Iterator[Outlook]:
    """One for each resource; what the walk takes is said of the first, in whose pages the others come."""
    tally, (first, *others) = scout.walk.tally, scout.walk.resources
    if tally.status != "complete":
        yield from (Outlook(resource=name, status=tally.status, how=tally.error) for name in tally.tables)
        return
    yield Outlook(
        resource=first.name,
        status="complete",
        rows=scout.rows(first),
        requests=rehearsal.requests + scout.listing,
        minutes=rehearsal.seconds / 60,
        quota=rehearsal.requests / per_minute(scout.walk.endpoint),
        exact=scout.exact(first),
        how=scout.how,
    )
    for other in others:
        how = f"in the pages of {first.name}"
        yield Outlook(resource=other.name, status="complete", rows=scout.rows(other), exact=scout.exact(other), how=how)


def used(limiter: Limiter, rehearsals: Sequence[Rehearsal]) -> list[Use]:
    """What each endpoint is asked by all walks together: those of one endpoint share its limit."""
    by_path: dict[str, list[Rehearsal]] = {}
    for rehearsal in rehearsals:
        by_path.setdefault(rehearsal.endpoint.path, []).append(rehearsal)
    uses = []
    for path, sharing in by_path.items():
        endpoint, requests = sharing[0].endpoint, sum(one.requests for one in sharing)
        seconds = max(at_full_rate(limiter, endpoint, requests), *(one.seconds for one in sharing))
        uses.append(Use(endpoint=path, requests=requests, allowed=per_minute(endpoint), minutes=seconds / 60))
    return uses


def committed(warehouse: Warehouse) -> dict[str, Any]:
    """What the warehouse says has been read, as dlt's state of the source: without a lock, a write, or a trace in the runs' working folder."""
    if warehouse.written and not warehouse.written.exists():
        return {}
    with warehouse.aside() as pipeline, pipeline.destination_client() as client:
        known: Any = client
        try:
            state: Any = load_pipeline_state_from_destination(PIPELINE, known)
        except DatabaseUndefinedRelation:
            state = None
    source: dict[str, Any] = (state or {}).get("sources", {}).get(SCHEMA, {})
    return source


# --- how it is said ------------------------------------------------------------------------------------------------


def print_prospect(console: Console, prospect: Prospect) -> None:
    """One line for each resource, one for each endpoint, one for each report, and a last one for the run."""
    if prospect.outlooks:
        headings: tuple[str, ...] = ("resource", "rows", "requests", "minutes", "quota", "rows are", "by")
        console.print(table(headings, map(cells, prospect.outlooks)))
        console.print()
        uses = ((use.endpoint, use.requests, use.allowed, f"{use.quota:.0%}", use.minutes) for use in prospect.uses)
        console.print(table(("endpoint", "requests", "a minute's limit", "share of it", "minutes"), uses))
        console.print()
    if prospect.inquiries:
        headings = ("report", "requests in a day", "allowed", "goes on", "questions due", "minutes", "")
        console.print(table(headings, map(inquiry_cells, prospect.inquiries)))
        console.print()
    if prospect.sweeps:
        due = ((turn.resource, turn.requests, per_minute(turn.endpoint)) for turn in prospect.sweeps)
        console.print(table(("sweep that is due", "requests", "a minute's limit"), due))
        console.print()
    questions = sum(inquiry.questions for inquiry in prospect.inquiries)
    asked = f"{prospect.requests:,} requests" + (f" and {questions:,} questions" if prospect.inquiries else "")
    sweeps = f", then sweeps with {sum(turn.requests for turn in prospect.sweeps):,}" if prospect.sweeps else ""
    console.print(
        f"about {prospect.rows:,} rows with {asked} in {prospect.minutes:.1f} minutes, "
        f"and what the warehouse needs to load them{sweeps}; told by {prospect.asked} requests",
        highlight=False,
    )


def cells(outlook: Outlook) -> tuple[str | float | None, ...]:
    if outlook.status != "complete":
        return outlook.resource, None, None, None, None, outlook.status.replace("_", " "), outlook.how
    quota = None if outlook.quota is None else f"{outlook.quota:.0%}"
    return (
        outlook.resource,
        outlook.rows,
        outlook.requests,
        outlook.minutes,
        quota,
        "exact" if outlook.exact else "estimated",
        outlook.how,
    )


def inquiry_cells(inquiry: Inquiry) -> tuple[str | float | None, ...]:
    told = spent_cells(inquiry.spending)
    if inquiry.status != "complete":
        return *told, None, None, f"{inquiry.status.replace('_', ' ')}: {inquiry.error}"
    return *told, inquiry.questions, inquiry.minutes, "at least a request each"


def log_prospect(log: logging.Logger, prospect: Prospect) -> None:
    """One event for each resource, and one for the run."""
    for outlook in prospect.outlooks:
        log.info("planned %s", outlook.resource, extra={"facts": {"event": "planned", **asdict(outlook)}})
    for inquiry in prospect.inquiries:
        facts = {"event": "planned_report", **inquiry.facts}
        log.info("planned %s", inquiry.spending.report, extra={"facts": facts})
    for turn in prospect.sweeps:
        facts = {"event": "planned_sweep", "resource": turn.resource, "requests": turn.requests}
        log.info("planned a sweep of %s", turn.resource, extra={"facts": facts})
    facts = {
        "event": "plan",
        "rows": prospect.rows,
        "requests": prospect.requests,
        "minutes": prospect.minutes,
        "asked": prospect.asked,
    }
    log.info("planned a run", extra={"facts": facts})
