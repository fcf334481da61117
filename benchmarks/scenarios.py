"""What is measured: a first load, a run with nothing new, a re-read, a load at full speed for its memory, and the floor."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Final

from benchmarks import airbyte, usage
from benchmarks.served import ROOT, Served
from benchmarks.truth import Found, compare, in_messages, in_table
from sandbox.account import Account
from sandbox.bulk import bulk
from sandbox.bulk.calendar import HOUR, HOURS

PORT: Final = 8766
YEAR: Final = HOURS * HOUR


@dataclass(frozen=True, kw_only=True)
class Options:
    events: int
    profiles: int
    latency: float
    trailing: int
    default_format_events: int
    airbyte_events: int
    gzip: str
    systems: tuple[str, ...]
    scenarios: tuple[str, ...]
    timeout: float
    results: Path


@dataclass(frozen=True, kw_only=True)
class Result:
    """One measurement. `cpu` is the system's own; `sandbox_cpu` is what answering it took."""

    at: str
    scenario: str
    system: str
    events: int
    profiles: int
    latency: float
    limits: str
    gzip: str
    code: int
    wall: float
    cpu: float
    peak_mb: float
    requests: int
    throttled: int
    refused: int
    sandbox_cpu: float
    handled: int
    """Rows that this run was to read."""
    rows: int | None = None
    lost: int | None = None
    doubled: int | None = None
    strange: int | None = None

    @property
    def cpu_of_100k(self) -> float:
        return self.cpu / max(self.handled, 1) * 100_000

    @property
    def rows_a_second(self) -> float:
        return self.handled / self.wall


@dataclass(frozen=True)
class Size:
    """An account."""

    events: int
    profiles: int
    until: datetime

    @cached_property
    def account(self) -> Account:
        return bulk(self.events, self.profiles, self.until)

    @property
    def arguments(self) -> dict[str, object]:
        return {"events": self.events, "profiles": self.profiles, "until": f"{self.until:%F}"}


@dataclass(frozen=True)
class Job:
    """A system that loads a database of its own."""

    name: str
    folder: Path
    select: str = "events,event_attributions,profiles"
    """The collections that ours loads first."""

    @property
    def events_alone(self) -> bool:
        return self.select == "events"

    @property
    def database(self) -> Path:
        return self.folder / "warehouse.duckdb"

    @property
    def tables(self) -> tuple[str, str]:
        dataset = "klaviyo" if self.name == "ours" else "plain"
        return f"{dataset}.events", f"{dataset}.profiles"

    def command(self, url: str, *, since: float | None, latest: float) -> list[str]:
        """A run of what is due; or, `since` an instant, of the events after it again."""
        if self.name == "ours":
            run = [sys.executable, "-m", "pipelines", "run", "--no-transform", "--select"]
            if since is None:
                return [*run, self.select]
            return [*run, "events,event_attributions", "--start", f"{datetime.fromtimestamp(since, UTC):%FT%TZ}"]
        run = [sys.executable, "-m", "benchmarks.plain_dlt", "--url", url, "--database", str(self.database)]
        lag = ["--select", "events", "--lag", str(latest - since)] if since is not None else []
        return [*run, "--format", self.name.removeprefix("dlt-"), *lag]

    def environment(self, url: str) -> dict[str, str]:
        found = {
            "PYTHONPATH": str(ROOT),
            "DLT_DATA_DIR": str(self.folder / "dlt"),
            "RUNTIME__DLTHUB_TELEMETRY": "false",
        }
        if self.name == "ours":
            found |= {
                "DLT_PROJECT_DIR": str(ROOT),
                "SOURCES__KLAVIYO__API_KEY": "pk_sandbox",
                "SOURCES__KLAVIYO__BASE_URL": url,
                "DESTINATION__DUCKDB__CREDENTIALS": str(self.database),
            }
        return found


@dataclass
class Bench(AbstractContextManager["Bench"]):
    """A folder for everything that is made, and the sizes of account that the systems are measured at."""

    options: Options
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="klaviyo-etl-bench-")))
    until: datetime = field(
        default_factory=lambda: datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    )

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def size(self, at_most: int | None = None) -> Size:
        """The account, with fewer of everything where a system could not cope."""
        events = min(self.options.events, at_most or self.options.events)
        return Size(events, self.options.profiles * events // self.options.events, self.until)

    def jobs(self, names: tuple[str, ...] = ("ours", "dlt-parquet", "dlt-default")) -> Iterator[tuple[Job, Size]]:
        """The loading systems that are asked for, each with an empty folder."""
        for name in names:
            if name in self.options.systems:
                folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))
                yield (
                    Job(name, folder),
                    self.size(self.options.default_format_events if name == "dlt-default" else None),
                )
                shutil.rmtree(folder)

    def serve(self, size: Size) -> Served:
        return Served({**size.arguments, "gzip": self.options.gzip}, host="127.0.0.1", port=PORT)

    def run(
        self,
        job: Job,
        size: Size,
        served: Served,
        scenario: str,
        *,
        limits: str,
        latency: float,
        since: int | None = None,
    ) -> Result:
        """Run a system once, and count."""
        last = size.account.events.at(size.events - 1).second
        command = job.command(served.url, since=since, latest=last)
        system = f"{job.name}, events alone" if job.events_alone else job.name
        measure = Measure(self, served, size, scenario, system, limits, latency)
        with measure:
            used = usage.run(command, job.folder, job.environment(served.url), self.options.timeout)
        events, profiles = job.tables
        listed = None if job.events_alone else in_table(job.database, profiles)
        found = compare(size.account, in_table(job.database, events), listed)
        rows = size.events if job.events_alone else size.events + size.profiles
        handled = {"nothing new": 0, "re-read": size.events - size.account.events.index(since or 0)}
        return measure.result(used, handled.get(scenario, rows), found)


@dataclass
class Measure:
    """What the sandbox has to say of a run."""

    bench: Bench
    served: Served
    size: Size
    scenario: str
    system: str
    limits: str
    latency: float
    asked: Counter[int] = field(default_factory=Counter)
    cpu: float = 0.0

    def __enter__(self) -> None:
        self.served.set(limits=self.limits, latency=self.latency)
        if self.limits != "off":
            time.sleep(1.0)  # into a fresh window of the burst limit
        self.cpu = self.served.cpu

    def __exit__(self, *_: object) -> None:
        self.cpu = self.served.cpu - self.cpu
        self.asked = self.served.asked()

    def result(self, used: usage.Usage, handled: int, found: Found | None = None) -> Result:
        return Result(
            at=f"{datetime.now(UTC):%FT%TZ}",
            scenario=self.scenario,
            system=self.system,
            events=self.size.events,
            profiles=self.size.profiles,
            latency=self.latency,
            limits=self.limits,
            gzip=self.bench.options.gzip,
            code=used.code,
            wall=round(used.wall, 2),
            cpu=round(used.cpu, 2),
            peak_mb=round(used.peak_mb),
            requests=self.asked.total(),
            throttled=self.asked[429],
            refused=sum(count for status, count in self.asked.items() if status not in (200, 429)),
            sandbox_cpu=round(self.cpu, 2),
            handled=handled,
            **(asdict(found) if found else {}),
        )


def loads(bench: Bench) -> Iterator[Result]:
    """A first load, then a run with nothing new, then the latest events again: limits off, at the latency."""
    for job, size in bench.jobs():
        with bench.serve(size) as served:
            for scenario, since in (("first load", None), ("nothing new", None), ("re-read", trailing(bench, size))):
                yield bench.run(job, size, served, scenario, limits="off", latency=bench.options.latency, since=since)


def trailing(bench: Bench, size: Size) -> int:
    """The second from which on the account has as many events as are to be read again."""
    return size.account.events.at(max(0, size.events - bench.options.trailing)).second


def strict(bench: Bench) -> Iterator[Result]:
    """A first load within Klaviyo's rate limits."""
    for job, size in bench.jobs(("ours", "dlt-parquet")):
        with bench.serve(size) as served:
            yield bench.run(job, size, served, "first load", limits="strict", latency=bench.options.latency)


def memory(bench: Bench) -> Iterator[Result]:
    """A first load with nothing in the way."""
    for job, size in bench.jobs(("ours", "dlt-parquet")):
        with bench.serve(size) as served:
            yield bench.run(job, size, served, "memory", limits="off", latency=0.0)


def airbyte_read(bench: Bench) -> Iterator[Result]:
    """What Airbyte's source takes to read the account, and to print it; it loads nothing."""
    if "airbyte" not in bench.options.systems:
        return
    try:
        airbyte.install()
    except airbyte.Unavailable as reason:
        print(f"airbyte: {reason}")
        return
    size = bench.size(bench.options.airbyte_events)
    folder = Path(tempfile.mkdtemp(prefix="airbyte-", dir=bench.folder))
    # Before all there is: it leaves out profiles, too, that have not changed since.
    start = datetime.fromtimestamp(bench.until.timestamp() - 2 * YEAR, UTC)
    read = airbyte.Read(folder, f"{start:%FT%TZ}")
    read.prepare()
    said = folder / "messages.jsonl"
    arguments = {**size.arguments, "gzip": bench.options.gzip}
    with Served(arguments, host=airbyte.ADDRESS, port=airbyte.PORT, tls=read.tls) as served:
        measure = Measure(bench, served, size, "first load", "airbyte (read only)", "off", bench.options.latency)
        with measure:
            used = usage.run(read.command, folder, {}, bench.options.timeout, said)
        found = compare(size.account, in_messages(said, "events"), in_messages(said, "profiles"))
        yield measure.result(used, size.events + size.profiles, found)


def floor(bench: Bench) -> Iterator[Result]:
    """Events alone: pages fetched by our client and dropped, at once; from disk into the table by DuckDB; and loaded by us."""
    if "floor" not in bench.options.systems:
        return
    size = bench.size()
    folder = Path(tempfile.mkdtemp(prefix="floor-", dir=bench.folder))
    pages, database = folder / "pages", folder / "floor.duckdb"
    pages.mkdir()
    program = [sys.executable, "-m", "benchmarks.floor"]
    environment = {"PYTHONPATH": str(ROOT)}
    with bench.serve(size) as served:
        fetch = [*program, "fetch", "--url", served.url]
        measure = Measure(bench, served, size, "floor", "our client, pages dropped", "off", 0.0)
        with measure:
            used = usage.run(fetch, folder, environment, bench.options.timeout)
        yield measure.result(used, size.events)
        usage.run([*fetch, "--pages", str(pages)], folder, environment, bench.options.timeout)
        load = [*program, "load", "--pages", str(pages), "--database", str(database)]
        measure = Measure(bench, served, size, "floor", "duckdb read_json from disk", "off", 0.0)
        with measure:
            used = usage.run(load, folder, environment, bench.options.timeout)
        yield measure.result(used, size.events, compare(size.account, in_table(database, "events"), None))
        shutil.rmtree(folder)
        if "ours" in bench.options.systems:
            folder.mkdir()
            job = Job("ours", folder, select="events")
            yield bench.run(job, size, served, "floor", limits="off", latency=bench.options.latency)


SCENARIOS: Final[dict[str, Callable[[Bench], Iterator[Result]]]] = {
    "loads": loads,
    "strict": strict,
    "memory": memory,
    "airbyte": airbyte_read,
    "floor": floor,
}
