"""What Klaviyo counts beside what the warehouse holds: the rows of the table `etl_verifications`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from pendulum import DateTime

from pipelines.errors import Exit
from pipelines.journal import Entries
from sources.klaviyo.tables import Column
from sources.klaviyo.tally import Tally

VERIFICATIONS: Final = "etl_verifications"

Status = Literal["equal", "repaired", "differs", "not_counted"]
STATUSES: Final[tuple[Status, ...]] = get_args(Status)

VERIFICATION_COLUMNS: Final = (
    Column("verified_at", "timestamp"),
    Column("resource", "text"),
    Column("parent_id", "text"),
    Column("metric_id", "text"),
    Column("day", "date"),
    Column("counted", "bigint"),
    Column("held_before", "bigint"),
    Column("held", "bigint"),
    Column("status", "text"),
    Column("explanation", "text"),
)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One metric on one UTC day, or the members of one list or segment."""

    resource: str
    parent: str | None = None
    metric: str | None = None
    day: DateTime | None = None
    counted: int | None
    """By Klaviyo; None where it does not count."""
    held_before: int
    held: int
    explanation: str = ""

    @property
    def status(self) -> Status:
        if self.counted is None:
            return "not_counted"
        if self.counted != self.held:
            return "differs"
        return "equal" if self.held == self.held_before else "repaired"


@dataclass
class Comparisons:
    """What was compared, and how it came out."""

    tally: Tally
    made: list[Comparison] = field(default_factory=list)

    def having(self, status: Status) -> list[Comparison]:
        return [one for one in self.made if one.status == status]

    @property
    def exit(self) -> Exit:
        return Exit.NEEDS_A_PERSON if self.having("differs") else Exit.DONE


def verification_rows(at: DateTime, comparisons: Iterable[Comparison]) -> Entries:
    rows = [
        {
            "verified_at": at,
            "resource": one.resource,
            "parent_id": one.parent,
            "metric_id": one.metric or None,
            "day": one.day and one.day.date(),
            "counted": one.counted,
            "held_before": one.held_before,
            "held": one.held,
            "status": one.status,
            "explanation": one.explanation,
        }
        for one in comparisons
    ]
    return Entries(VERIFICATIONS, VERIFICATION_COLUMNS, rows)
