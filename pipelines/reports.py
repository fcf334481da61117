"""Reports as a run knows them: which are asked, what is due of them, and what of the day's allowance is spent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import pendulum
from pendulum import DateTime

from pipelines.rehearsal import at_full_rate
from pipelines.settings import Settings
from sources.klaviyo import contract
from sources.klaviyo.aggregates import TABLE as AGGREGATES
from sources.klaviyo.aggregates import Aggregate
from sources.klaviyo.client import Client
from sources.klaviyo.errors import KlaviyoError, NotPermitted, RevisionRetired, Unauthorized
from sources.klaviyo.held import Held
from sources.klaviyo.package import Package
from sources.klaviyo.planner import Budget, Question, State
from sources.klaviyo.reporting import Reading, Reporting, daily_share
from sources.klaviyo.reports import NAMES, REPORTS, Report
from sources.klaviyo.tally import Status

REPORT_NAMES: Final = (*NAMES, AGGREGATES)
"""What may be selected beside resources."""

States = Mapping[str, dict[str, Any]]
"""What dlt's state holds, by resource."""


def report_names(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in REPORT_NAMES if name in names)


def reporting(
    settings: Settings,
    client: Client,
    names: Sequence[str] | None,
    *,
    now: DateTime,
    start: DateTime | None = None,
    end: DateTime | None = None,
    full_refresh: frozenset[str] = frozenset(),
    held: Held,
) -> Reporting:
    """The named reports; where nothing is named, those that the settings name, and all declared aggregates."""
    wanted = {*((*settings.reports, AGGREGATES) if names is None else names), *full_refresh}
    return Reporting(
        client,
        [
            *(report for report in REPORTS if report.name in wanted),
            *(settings.metric_aggregates if AGGREGATES in wanted else ()),
        ],
        settings.asking,
        start_date=settings.start_date,
        start=start,
        end=end,
        full_refresh=full_refresh,
        now=now,
        held=held,
        package=Package(settings.package_rows, settings.package_megabytes, settings.package_minutes),
    )


@dataclass(frozen=True, kw_only=True)
class Spending:
    """Of one report's daily allowance."""

    report: str
    spent: int
    allowed: int | None
    resumes: DateTime | None
    """When there is something left again, where nothing is."""


def spending(report: Report | Aggregate, states: States, revision: str, share: float) -> Spending:
    endpoint = report.endpoint(contract.load(revision))
    state = dict(states.get(report.name, {}))
    budget = Budget(lambda: state, daily_share(endpoint, share))
    return Spending(
        report=report.name,
        spent=budget.spent,
        allowed=budget.allowed,
        resumes=budget.resumes if budget.left == 0 else None,
    )


def all_spending(states: States, revision: str, share: float) -> list[Spending]:
    """Of all reports that have ever been asked."""
    return [spending(report, states, revision, share) for report in REPORTS if report.name in states]


@dataclass(frozen=True, kw_only=True)
class Inquiry:
    """What a run would ask a report."""

    spending: Spending
    status: str
    questions: int = 0
    minutes: float = 0.0
    """Until all are answered, over as many runs and days as it takes."""
    error: str = ""

    @property
    def facts(self) -> dict[str, Any]:
        return {**asdict(self.spending), **asdict(self), "spending": None}


def inquiries(reports: Reporting, states: States) -> list[Inquiry]:
    """What is due of each report, from what the warehouse says has been read. Raises Unauthorized and RevisionRetired."""
    limiter = reports.client.limiter
    found = []
    for reading in reports.readings:
        state = dict(states.get(reading.name, {}))
        spent = spending(reading.report, states, reports.client.revision, limiter.share)
        try:
            due = due_of(reading, state)
        except (Unauthorized, RevisionRetired):
            raise
        except KlaviyoError as error:
            status: Status = "not_permitted" if isinstance(error, NotPermitted) else "failed"
            reading.tally.status, reading.tally.error = status, str(error)
            found.append(Inquiry(spending=spent, status=status, error=str(error)))
            continue
        reading.tally.status = "complete"
        minutes = at_full_rate(limiter, reading.endpoint, len(due)) / 60
        found.append(Inquiry(spending=spent, status="complete", questions=len(due), minutes=minutes))
    return found


def due_of(reading: Reading, state: State) -> list[Question]:
    return reading.due(lambda: state)


def spent_cells(one: Spending) -> tuple[str, int, int | None, str]:
    resumes = one.resumes.strftime("%Y-%m-%d %H:%M UTC") if one.resumes and one.resumes > pendulum.now("UTC") else ""
    return one.report, one.spent, one.allowed, resumes
