"""What is scheduled, whoever schedules it: load, verify and build the marts, each a step of its own.

Steps import what they need: schedulers read the files that name them again and again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypedDict

from rich.console import Console

from pipelines.errors import ConfigurationError, NeedsAPerson, RunError
from pipelines.progress import FILE_WIDTH, quiet_dlt

if TYPE_CHECKING:
    from pipelines.runs import Run
    from pipelines.warehouse import Warehouse

NAME: Final = "klaviyo_etl"
SLOT: Final = "klaviyo"
HOURLY: Final = "7 * * * *"
"""Not on the hour, when everybody else asks."""

RETRIES: Final = 3
PAUSE: Final = timedelta(minutes=1)
"""Before the first retry; twice as long before each further one. Requests are retried by the run itself."""

DIFFERENCES: Final = "at {at} the warehouse differed from Klaviyo's own counts: {dataset}.etl_verifications says where"


class Table(TypedDict):
    """What a step did to a table."""

    status: str
    loaded: int
    vanished: int
    rows: int
    """That Klaviyo shows, as the table now holds."""


class Ended(TypedDict):
    """How a step ended that others may follow. Plain data, so that it can go from one task to another."""

    exit: int
    said: str
    """What needs a person, even where an earlier run has said so, too."""
    tables: dict[str, Table]


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to load, and where to; all else is in the settings, as for the command line."""

    destination: str = "duckdb"
    account: str = ""
    """Which one, where several are configured."""
    select: str = ""

    @property
    def name(self) -> str:
        return "_".join(filter(None, (NAME, self.account)))

    @property
    def slot(self) -> str:
        """What steps take while they work: Klaviyo's limits are an account's, and one run makes full use of them."""
        return "_".join(filter(None, (SLOT, self.account)))

    @contextmanager
    def at_work(self) -> Iterator[Warehouse]:
        """Within, settings are the account's. Raises ConfigurationError where it should be named, and is not."""
        quiet_dlt()
        from pipelines.accounts import chosen, of_account
        from pipelines.warehouse import Warehouse

        accounts = chosen(self.account)
        if len(accounts) > 1:
            raise ConfigurationError(f"several accounts are configured: name one of {', '.join(accounts)} in each job")
        with of_account(*accounts or [""]):
            yield Warehouse(self.destination)

    def load(self, *, start: str = "", end: str = "", full_refresh: str = "", select: str = "") -> Ended:
        """Load what is due, or the range that is named, and look for what is gone. Raises RunError."""
        with self.at_work() as warehouse:
            from pipelines.job import requested, run_job
            from pipelines.notices import read_notices
            from pipelines.settings import read_settings

            with read_notices().about(f"{self.name}: run into {self.destination}") as ending:
                settings = read_settings()
                request = requested(settings, select or self.select, start, end, full_refresh)
                ran = run_job(printing(), settings, warehouse, request, with_marts=False)
                ending.code = ran.exit
            if not ran.exit.goes_on:
                raise RunError(ran.message)
            return Ended(exit=int(ran.exit), said=ran.message, tables=tables_of(warehouse, ran.runs))

    def verify(self) -> Ended:
        """Hold what is loaded against Klaviyo's own counts, unless that was done today. Raises RunError."""
        with self.at_work() as warehouse:
            from pipelines.job import verify_when_due
            from pipelines.lock import run_lock
            from pipelines.settings import read_settings
            from pipelines.signals import stopping_in_order
            from pipelines.verify import last_verification

            with run_lock(warehouse), stopping_in_order():
                code = verify_when_due(printing(), read_settings(), warehouse)
                with warehouse.tables() as tables:
                    last = last_verification(tables)
            said = DIFFERENCES.format(dataset=warehouse.dataset, at=last.at) if last and last.differs else ""
            return Ended(exit=int(code), said=said, tables={})

    def build(self) -> str:
        """Build and test the marts that depend on what has changed. What was built, in words. Raises RunError."""
        with self.at_work() as warehouse:
            from pipelines.lock import run_lock
            from pipelines.transform import refresh

            with run_lock(warehouse):
                return refresh(warehouse)

    @property
    def dataset(self) -> str:
        with self.at_work() as warehouse:
            return warehouse.dataset

    def tables(self) -> dict[str, str]:
        """The tables that a load fills, and what a row of each is. Raises ConfigurationError."""
        with self.at_work() as warehouse:
            from pipelines.job import names
            from pipelines.load import named
            from pipelines.reports import report_names
            from pipelines.settings import enabled_reports, enabled_resources, pinned_revision

            selected = names(self.select)
            grains = {one.name: one.grain for one in named(selected or enabled_resources(), pinned_revision())}
            reports = report_names(selected) if selected else enabled_reports()
            return {
                f"{warehouse.dataset}.{name}": grain
                for name, grain in {**grains, **dict.fromkeys(reports, "a report")}.items()
            }


def printing() -> Console:
    """Prints where a scheduler collects what its tasks print, a line per stage."""
    logging.getLogger(NAME).setLevel(logging.INFO)
    return Console(width=FILE_WIDTH, force_terminal=False, markup=False)


def settle(*steps: Ended) -> None:
    """Raises NeedsAPerson where a step was done, but left something to one: its followers have been."""
    if open_ends := [step["said"] for step in steps if step["exit"]]:
        raise NeedsAPerson("; ".join(open_ends))


def tables_of(warehouse: Warehouse, runs: Sequence[Run]) -> dict[str, Table]:
    """What runs did to each table of the dataset, by its name there."""
    from pipelines.status import count

    with warehouse.tables() as there:
        return {
            f"{warehouse.dataset}.{name}": Table(
                status=tally.status,
                loaded=tally.rows[name],
                vanished=sum(run.vanished.get(name, 0) for run in runs),
                rows=(count(there, name) or (0, 0))[0],
            )
            for tally in runs[0].tallies
            for name in tally.tables
        }
