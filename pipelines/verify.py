"""Is anything missing? Klaviyo's own counts of events beside the warehouse's, by metric and day; what differs is read again.

A day that differs is counted by the hour, and only the hours that differ are read again. Both counts, the repair and what
is left of the difference go to the table `etl_verifications`, and what has been verified to `etl_verified_windows`.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

import dlt
import pendulum
from pendulum import DateTime

from pipelines.comparisons import VERIFICATIONS, Comparison, Comparisons, verification_rows
from pipelines.errors import ConfigurationError, Exit, RunError
from pipelines.journal import Entries, write
from pipelines.load import Request, load
from pipelines.member_counts import MemberCounts
from pipelines.progress import Watch
from pipelines.runs import WINDOWS, window_rows
from pipelines.settings import Settings
from pipelines.warehouse import Tables, Warehouse, destination_errors
from sources.klaviyo import contract
from sources.klaviyo.account import Account
from sources.klaviyo.aggregates import LONGEST, Counts, Interval, event_counts
from sources.klaviyo.errors import BadRequest, KlaviyoError
from sources.klaviyo.resources import EVENTS, RESOURCES
from sources.klaviyo.tables import DELETED_AT, Column
from sources.klaviyo.tally import Tally
from sources.klaviyo.windows import BEGINNING, Window, gaps, intersection, stamp, union

log = logging.getLogger(__name__)

VERIFIED_WINDOWS: Final = "etl_verified_windows"

SETTLED: Final = timedelta(days=14)
"""How long after it a day is verified again: events arrive late."""
SAMPLE: Final = timedelta(days=30)
"""How much of what was verified long ago is looked at again each time, in turns."""
MOST_REQUESTS: Final = 1_000
EACH_DAY: Final = timedelta(hours=20)
"""How long after the last one a daily verification is due: schedules drift by some hours."""
ARRIVING: Final = timedelta(hours=24)
"""How long Klaviyo may take to show an event that it counts already."""
STEP: Final[dict[Interval, timedelta]] = {"hour": timedelta(hours=1), "day": timedelta(days=1)}

Place = tuple[str, DateTime]
"""A metric, and an hour or a day."""

WINDOW_COLUMNS: Final = (
    Column("verified_at", "timestamp"),
    Column("window_start", "timestamp"),
    Column("window_end", "timestamp"),
)


@dataclass(kw_only=True)
class Verification(Comparisons):
    """Metrics by day, compared."""

    at: DateTime
    asked: list[Window]
    """What this vouches for."""
    windows: list[Window]
    """The parts of it in which there is anything."""
    read_again: list[Window] = field(default_factory=list)


@dataclass(kw_only=True)
class Verifier:
    """Compares, narrows down, reads again and compares once more."""

    settings: Settings
    warehouse: Warehouse
    watch: Watch
    most_requests: int = MOST_REQUESTS
    repair: bool = True
    members: MemberCounts | None = None
    """What is counted afterwards, within the same bound."""
    now: DateTime = field(default_factory=lambda: pendulum.now("UTC").replace(microsecond=0))

    def __post_init__(self) -> None:
        settings = self.settings
        self.contract = contract.load(settings.revision)
        self.client = settings.client()
        self.tally = Tally("metric_aggregates")
        self.account = Account(self.client, self.contract, self.tally)
        self.refused: set[str] = set()
        """Metrics that Klaviyo does not count."""
        self.beside = 0
        """Requests that are kept for the members."""

    def verify(self, start: DateTime | None = None, end: DateTime | None = None) -> Verification:
        """Verify a range; by default what is not verified yet, and a part of the rest. Raises RunError."""
        try:
            with self.warehouse.onlooker() as pipeline, pipeline.sql_client() as client:
                tables = Tables(client)
                asked = self.due(pipeline, tables, start, end)
                windows = self.inhabited(tables, asked)
                found = Verification(at=self.now, asked=asked, windows=windows, tally=self.tally)
                self.state_cost(windows)
                counted = self.count(self.metrics, windows, "day")
                before = held(tables, windows, "day")
                suspect = self.narrow(tables, differing(counted, before, self.refused))
            if suspect and self.repair:
                found.read_again = union(Window(hour, hour + STEP["hour"]) for _, hour in suspect)
                self.read_again(found.read_again)
                counted |= self.count_again({metric for metric, _ in suspect}, whole_days(found.read_again, windows))
            with self.warehouse.tables() as tables:
                after = held(tables, windows, "day")
        except KlaviyoError as error:
            raise RunError(str(error)) from error
        found.made = [*self.compare(counted, before, after)]
        self.record(found)
        return found

    def verify_all(
        self, start: DateTime | None = None, end: DateTime | None = None
    ) -> tuple[Verification, Comparisons | None]:
        """The same, and then the members. Raises RunError."""
        found = self.verify(start, end)
        return found, self.members.verify(self.most_requests - self.tally.requests) if self.members else None

    # --- what to verify ------------------------------------------------------------------------------------------

    def due(self, pipeline: dlt.Pipeline, tables: Tables, start: DateTime | None, end: DateTime | None) -> list[Window]:
        """Whole windows of what the warehouse claims to hold of events, in order."""
        read = [
            Window(row["window_start"], row["window_end"])
            for row in window_rows(pipeline)
            if row["resource"] == EVENTS.name
        ]
        if not read:
            raise ConfigurationError(f"no events have been loaded into {self.warehouse.place}: run first, then verify")
        if start or end:
            asked = intersection(read, [Window(start or BEGINNING, end or read[-1].end)])
            if not asked:
                raise ConfigurationError("nothing of that range has been loaded: run it first, then verify")
            return asked
        settled = [
            Window(pendulum.instance(start), min(pendulum.instance(end), pendulum.instance(at) - SETTLED))
            for start, end, at in tables.rows(
                f"SELECT window_start, window_end, verified_at FROM {tables.name(VERIFIED_WINDOWS)}"  # noqa: S608 - names are ours
            )
        ]
        fresh = [gap for window in read for gap in gaps(window, settled)]
        return union([*fresh, *intersection(read, self.sample(tables, settled))])

    def sample(self, tables: Tables, settled: Sequence[Window]) -> list[Window]:
        """A part of what is verified: that which was longest ago, and the days before it on which there was nothing to compare."""
        if not (until := union(settled)):
            return []
        compared = f"FROM {tables.name(VERIFICATIONS)} WHERE day < %s"
        oldest = tables.rows(
            f"SELECT day, max(verified_at) {compared} GROUP BY day ORDER BY 2, 1 LIMIT 1", until[-1].end.date()
        )
        found = []
        for day, _ in oldest:
            ((before,),) = tables.rows(f"SELECT max(day) {compared}", day)
            start = midnight(before).add(days=1) if before else BEGINNING
            found.append(Window(start, midnight(day) + SAMPLE))
        return found

    def inhabited(self, tables: Tables, windows: Sequence[Window]) -> list[Window]:
        """The parts in which the warehouse or Klaviyo has any event, each up to a year long.

        Events may be dated decades back; the years between need no counting.
        """
        found = []
        for window in windows:
            start = window.start
            while (first := self.first_event(tables, Window(start, window.end))) is not None:
                begin = max(first.start_of("day"), window.start)
                start = min(begin + LONGEST, window.end)
                found.append(Window(begin, start))
        return union(found)

    def first_event(self, tables: Tables, window: Window) -> DateTime | None:
        """When the first event happened that is held or listed."""
        if window.empty:
            return None
        after, before = (f"{operator}(datetime,{stamp(bound)})" for operator, bound in
                         (("greater-or-equal", window.start), ("less-than", window.end)))  # fmt: skip
        listed = self.account.first_page(
            "/api/events",
            {"filter": f"{after},{before}", "sort": "datetime", "page[size]": "10", "fields[event]": "datetime"},
        )
        held = tables.rows(
            f"SELECT min(datetime) FROM {tables.name(EVENTS.name)} "  # noqa: S608 - names are ours
            f"WHERE {DELETED_AT} IS NULL AND datetime >= %s AND datetime < %s",
            window.start,
            window.end,
        )
        theirs = [datetime.fromisoformat(event["attributes"]["datetime"]) for event in listed]
        firsts = [pendulum.instance(one).in_timezone("UTC") for one in (*theirs, *(row[0] for row in held)) if one]
        return min(firsts, default=None)

    @property
    def metrics(self) -> set[str]:
        return {str(metric["id"]) for metric in self.account.metrics}

    def state_cost(self, windows: Sequence[Window]) -> None:
        """Say what it will take; refuse what is beyond the bound. Narrowing down stays within it, too."""
        requests = cost(self.metrics, windows)
        spelled = ", ".join(f"{window.start:%Y-%m-%d} to {window.end:%Y-%m-%d}" for window in windows)
        self.beside = self.members.within(self.most_requests - requests) if self.members else 0
        log.info(
            "verifying %d metrics, %s: %d requests, and %d for members of lists and segments; %d at most where counts differ",
            len(self.metrics), spelled or "no events", requests, self.beside, self.most_requests,
        )  # fmt: skip
        if requests > self.most_requests:
            raise ConfigurationError(
                f"verifying this takes {requests} requests, more than the {self.most_requests} allowed: "
                "give a shorter range (--start, --end), or allow more (--max-requests)"
            )

    # --- counting ------------------------------------------------------------------------------------------------

    def count(self, metrics: Iterable[str], windows: Sequence[Window], interval: Interval) -> dict[Place, int]:
        """Klaviyo's counts; metrics that it does not count are noted."""
        found: dict[Place, int] = {}
        for metric in sorted(metrics):
            for window in windows:
                for piece in pieces(window):
                    for start, number in self.ask(metric, piece, interval).items():
                        place = (metric, start.start_of(interval))
                        found[place] = found.get(place, 0) + number
        return found

    def count_again(self, metrics: set[str], days: Sequence[Window]) -> dict[Place, int]:
        """What arrived while it was read again is counted, too, as far as the bound allows."""
        requests = cost(metrics, days)
        if self.tally.requests + self.beside + requests > self.most_requests:
            log.info(
                "what was read again is held against the counts of before: %d more requests are too many", requests
            )
            return {}
        return self.count(metrics, days, "day")

    def ask(self, metric: str, window: Window, interval: Interval) -> Counts:
        if metric in self.refused:
            return {}
        try:
            return event_counts(self.client, self.contract, metric, window, self.tally, interval)
        except BadRequest as error:
            log.info("metric %s is not counted: %s", metric, error)
            self.refused.add(metric)
            return {}

    def narrow(self, tables: Tables, days: Sequence[Place]) -> list[Place]:
        """The hours that differ; whole days where counting by the hour would take too many requests."""
        by_metric: dict[str, list[Window]] = {}
        for metric, day in days:
            by_metric.setdefault(metric, []).append(Window(day, day + STEP["day"]))
        hours: list[Place] = []
        again = cost(by_metric, union(window for windows in by_metric.values() for window in windows))
        for metric, windows in by_metric.items():
            spans = union(windows)
            if self.tally.requests + self.beside + cost([metric], spans) + again > self.most_requests:
                hours += [(metric, hour) for window in spans for hour in steps(window, "hour")]
                continue
            counted = self.count([metric], spans, "hour")
            ours = {place: number for place, number in held(tables, spans, "hour").items() if place[0] == metric}
            hours += differing(counted, ours, self.refused)
        return hours

    # --- mending and telling -------------------------------------------------------------------------------------

    def read_again(self, windows: Sequence[Window]) -> None:
        log.info("reading %d windows of events again", len(windows))
        of_events = tuple(one for one in RESOURCES if one.host is EVENTS)
        run = load(
            self.settings,
            self.warehouse,
            Request(resources=of_events, reports=(), again=tuple(windows), now=self.now),
            self.watch,
        )
        if run.exit is Exit.FAILED:
            raise RunError(f"what differs could not be read again: {run.message}")

    def compare(
        self, counted: Mapping[Place, int], before: Mapping[Place, int], after: Mapping[Place, int]
    ) -> Iterator[Comparison]:
        for metric, day in sorted({*counted, *before, *after}, key=lambda place: (place[1], place[0])):
            place = (metric, day)
            count = None if metric in self.refused or not metric else counted.get(place, 0)
            held_now = after.get(place, 0)
            yield Comparison(
                resource=EVENTS.name,
                metric=metric,
                day=day,
                counted=count,
                held_before=before.get(place, 0),
                held=held_now,
                explanation=self.explain(metric, day, count, held_now),
            )

    def explain(self, metric: str, day: DateTime, counted: int | None, held_now: int) -> str:
        if counted is None:
            return "Klaviyo does not count this metric" if metric else "Klaviyo names no metric for these events"
        if counted == held_now or not self.repair:
            return ""
        if self.now - day < STEP["day"] + ARRIVING:
            return "still arriving: Klaviyo may count events before it lists them, or list them before it counts them"
        if counted > held_now:
            return "Klaviyo counts events that it does not list, as those of deleted profiles"
        return "Klaviyo lists events that it does not count"

    def record(self, found: Verification) -> None:
        windows = [
            {"verified_at": found.at, "window_start": window.start, "window_end": window.end} for window in found.asked
        ]
        with destination_errors(self.warehouse):
            write(
                self.warehouse.pipeline(),
                verification_rows(found.at, found.made),
                Entries(VERIFIED_WINDOWS, WINDOW_COLUMNS, windows),
            )


def is_due(warehouse: Warehouse) -> bool:
    """Whether events have been read, and the last verification was not today."""
    with warehouse.tables() as tables:
        if not tables.count(WINDOWS, f"resource = '{EVENTS.name}'"):
            return False
        last = last_verification(tables)
    return last is None or pendulum.now("UTC") - last.at >= EACH_DAY


@dataclass(frozen=True)
class Last:
    """The last verification, and how much of it still differed."""

    at: DateTime
    differs: int


def last_verification(tables: Tables) -> Last | None:
    newest = tables.rows(f"SELECT max(verified_at) FROM {tables.name(VERIFIED_WINDOWS)}")  # noqa: S608 - names are ours
    if not newest or newest[0][0] is None:
        return None
    differing = tables.rows(
        f"SELECT count(*) FROM {tables.name(VERIFICATIONS)} WHERE status = 'differs' AND verified_at = %s",  # noqa: S608 - names are ours
        newest[0][0],
    )
    return Last(pendulum.instance(newest[0][0]).in_timezone("UTC"), int(differing[0][0]))


def held(tables: Tables, windows: Sequence[Window], interval: Interval) -> dict[Place, int]:
    """The warehouse's counts, by metric and UTC hour or day; an event without a metric counts for the metric ''."""
    found: dict[Place, int] = {}
    for window in windows:
        for metric, start, number in tables.rows(
            f"SELECT metric_id, {tables.start_of(interval, 'datetime')}, count(*) "  # noqa: S608 - names are ours
            f"FROM {tables.name(EVENTS.name)} WHERE {DELETED_AT} IS NULL AND datetime >= %s AND datetime < %s GROUP BY 1, 2",
            window.start,
            window.end,
        ):
            place = (metric or "", pendulum.instance(start, tz="UTC"))
            found[place] = found.get(place, 0) + int(number)
    return found


def differing(counted: Mapping[Place, int], ours: Mapping[Place, int], refused: Iterable[str]) -> list[Place]:
    """Where the counts differ, of what Klaviyo counts."""
    uncounted = {"", *refused}
    return sorted(
        place
        for place in {*counted, *ours}
        if place[0] not in uncounted and counted.get(place, 0) != ours.get(place, 0)
    )


def midnight(day: date) -> DateTime:
    return pendulum.datetime(day.year, day.month, day.day)


def pieces(window: Window) -> Iterator[Window]:
    """The window in parts of at most what one request may span."""
    start = window.start
    while start < window.end:
        end = min(start + LONGEST, window.end)
        yield Window(start, end)
        start = end


def cost(metrics: Collection[str], windows: Iterable[Window]) -> int:
    """The requests that counting takes."""
    return len(metrics) * sum(1 for window in windows for _ in pieces(window))


def steps(window: Window, interval: Interval) -> Iterator[DateTime]:
    start = window.start
    while start < window.end:
        yield start
        start += STEP[interval]


def whole_days(windows: Sequence[Window], within: Sequence[Window]) -> list[Window]:
    """The days that the windows lie in, as far as they were compared."""
    days = (Window(window.start.start_of("day"), window.end.add(days=1).start_of("day")) for window in windows)
    return intersection(union(days), within)
