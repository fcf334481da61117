"""Kill loads at random moments, or let everything go wrong, and hold what is in the end against the account.

    python -m benchmarks.kills --kills 100 --scale 0.05
    python -m benchmarks.kills --resets 30 --errors 30 --truncated 30 --expired 30

Each case is a load of its own into an empty DuckDB file. One line per case: what happened, what was read in all against
what there is, and every difference of a value. The exit code is 1 if there was any, or if a kill cost more than it may.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import duckdb
import msgspec

from sandbox.account import Account
from sandbox.faults import Fault
from sandbox.reads import Reader
from sandbox.server import Sandbox
from sandbox.story import synthesize
from sources.klaviyo.lanes import PAGES_WAITING
from sources.klaviyo.resources import select
from tests.conftest import KEY, Cli
from tests.pipelines.truth import assert_equal
from tests.pipelines.warehouse import rows

LATENCY: Final = 0.03
"""Seconds before each answer: a load is then long enough to be killed in the middle."""
LARGEST_PAGE: Final = 1_000
PATIENCE: Final = 300.0
KILLS_IN_A_ROW: Final = 6
WINDOWED: Final = ("/api/events", "/api/profiles")
"""The collections that packages cut; all others are small, and read whole by every run."""


class Document(msgspec.Struct):
    data: list[msgspec.Raw]


@dataclass
class Counting:
    """Reads as the sandbox does, and counts the objects that are sent, by path."""

    reader: Reader
    sent: Counter[str]

    def document(self, match: Any, base: str, address: str, *query: Any) -> dict[str, Any] | bytes:  # noqa: ANN401 - passed on
        made = self.reader.document(match, base, address, *query)
        data = made["data"] if isinstance(made, dict) else msgspec.json.decode(made, type=Document).data
        self.sent[address.removeprefix(base).rstrip("/")] += len(data)
        return made

    def forget(self) -> None:
        self.reader.forget()


@dataclass
class Case:
    kind: str
    number: int
    home: Path
    sandbox: Sandbox
    chance: random.Random
    package_rows: int
    lanes: int
    sent: Counter[str] = field(default_factory=Counter)
    """Objects that the sandbox has sent, by path."""
    runs: int = 0
    kills: int = 0
    dearest: int = 0
    """The most objects of one collection that were sent twice on account of one kill."""

    def __post_init__(self) -> None:
        self.cli = Cli(
            self.home,
            {
                "SOURCES__KLAVIYO__API_KEY": KEY,
                "SOURCES__KLAVIYO__BASE_URL": self.sandbox.url,
                "SOURCES__KLAVIYO__PACKAGE_ROWS": str(self.package_rows),
                "SOURCES__KLAVIYO__MAX_LANES": str(self.lanes),
                "DESTINATION__DUCKDB__CREDENTIALS": str(self.home / "warehouse.duckdb"),
            },
        )
        api = self.sandbox.api
        api.faults.ordered.clear()
        api.requests.clear()
        api.reader = Counting(getattr(api.reader, "reader", api.reader), self.sent)  # type: ignore[assignment]  # in its place

    def start(self) -> subprocess.Popen[str]:
        self.runs += 1
        return self.cli.start("run", "--no-transform")

    def wait_for_the_first_request(self, process: subprocess.Popen[str]) -> None:
        """What comes before it is no load."""
        asked = self.sandbox.api.requests
        before = len(asked)
        while len(asked) == before and process.poll() is None:
            time.sleep(0.005)

    def finish(self, process: subprocess.Popen[str]) -> str:
        """What is wrong with how the run ended; nothing if it ended well."""
        try:
            out, err = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return f"did not end within {PATIENCE:.0f} s"
        return "" if process.returncode == 0 else f"exit code {process.returncode}: {(err + out)[-600:]}"

    def differences(self) -> str:
        try:
            assert_equal(
                self.sandbox.account,
                datetime.now(UTC),
                partial(rows, self.cli),
                [resource.name for resource in select(None)],
            )
        except AssertionError as error:
            return str(error)
        return self.open_windows()

    def open_windows(self) -> str:
        """Whether each resource's windows, as committed, are one from the beginning on."""
        with duckdb.connect(str(self.cli.database), read_only=True) as database:
            parts = database.sql("select resource, count(*) from klaviyo.etl_windows group by 1").fetchall()
        broken = [f"{resource} in {count} windows" for resource, count in parts if count != 1]
        missing = sorted({"events", "profiles"} - {resource for resource, _ in parts})
        return "; ".join([*broken, *(f"no window of {resource}" for resource in missing)])


def held(account: Account) -> dict[str, int]:
    return {"/api/events": len(account.events), "/api/profiles": len(account.objects["profile"])}


def killed(case: Case, seconds: float, unharmed: Counter[str]) -> str:
    """Kill a load at a random moment, and the next ones sometimes; then let one end.

    `unharmed` is what a load is sent that nothing happens to: lanes that take from each other share a page now and then.
    """
    while case.kills == 0 or (case.kills < KILLS_IN_A_ROW and case.chance.random() < 0.5):  # noqa: PLR2004 - even
        process = case.start()
        case.wait_for_the_first_request(process)
        time.sleep(case.chance.uniform(0, seconds))
        ended = process.poll() is not None
        process.kill()
        process.communicate()
        if ended:
            break
        case.kills += 1
    wrong = case.finish(case.start())
    # What a kill may cost: the package it was in, and what lanes had ahead of it.
    bound = case.package_rows + (case.lanes + PAGES_WAITING + 1) * LARGEST_PAGE
    for path, count in held(case.sandbox.account).items():
        shared = max(unharmed[path] - count, 0) * case.runs
        cost = (case.sent[path] - count - shared) / max(case.kills, 1)
        case.dearest = max(case.dearest, round(cost))
        if cost > bound and not wrong:
            wrong = f"{path}: {cost:.0f} objects were read again for each kill, more than {bound}"
    return wrong or case.differences()


def faulty(case: Case, fault: Fault) -> str:
    case.sandbox.api.faults.ordered.append(fault)
    wrong = case.finish(case.start())
    case.kills = fault.struck
    return wrong or case.differences()


def faults(kind: str, chance: random.Random) -> Fault:
    if kind == "resets":
        return Fault(kind="reset", probability=chance.uniform(0.02, 0.15))
    if kind == "errors":
        return Fault(kind="status", status=chance.choice([500, 502, 503, 504]), probability=0.05)
    if kind == "truncated":
        return Fault(kind="truncated", how=chance.choice(["length", "chunked", "gzip", "json"]), probability=0.08)
    return Fault(
        kind="expired_cursor", after=chance.randrange(4), every=chance.randrange(1, 4), times=chance.randrange(1, 4)
    )


def cases(options: argparse.Namespace, sandbox: Sandbox) -> Iterator[tuple[Case, Callable[[Case], str]]]:
    chance = random.Random(options.seed)  # noqa: S311 - reproducible, not secret

    def case(kind: str, number: int) -> Case:
        home = Path(tempfile.mkdtemp(prefix=f"klaviyo-etl-{kind}-"))
        return Case(kind, number, home, sandbox, chance, options.package_rows, options.lanes)

    seconds, sent = 0.0, Counter[str]()

    def unharmed(one: Case) -> str:
        nonlocal seconds
        process = one.start()
        one.wait_for_the_first_request(process)
        began = time.monotonic()
        wrong = one.finish(process)
        seconds = time.monotonic() - began
        sent.update(one.sent)
        return wrong or one.differences()

    yield case("plain", 0), unharmed
    for number in range(options.kills):
        yield case("kill", number), lambda one: killed(one, seconds, sent)
    for kind in ("resets", "errors", "truncated", "expired"):
        for number in range(getattr(options, kind)):
            yield case(kind, number), lambda one, kind=kind: faulty(one, faults(kind, chance))  # type: ignore[misc]  # bound here


def main() -> None:
    options = _options()
    totals: Counter[str] = Counter()
    failures = 0
    with Sandbox(synthesize(scale=options.scale), limits="off") as sandbox:
        sandbox.api.settings = replace(sandbox.api.settings, latency=LATENCY)
        there = held(sandbox.account)
        print(f"the account: {there}; packages of {options.package_rows} rows, {options.lanes} lanes", flush=True)
        for case, do in cases(options, sandbox):
            began = time.monotonic()
            wrong = do(case)
            failures += bool(wrong)
            totals.update({case.kind: 1, f"{case.kind} struck": case.kills, f"{case.kind} failed": bool(wrong)})
            totals["dearest kill"] = max(totals["dearest kill"], case.dearest)
            again = ", ".join(f"{path[5:]} {case.sent[path] / count:.2f}" for path, count in there.items())
            print(
                f"{case.kind} {case.number}: {case.runs} runs, struck {case.kills} times, sent {again} times, "
                f"{time.monotonic() - began:.1f} s: {wrong or 'equal'}",
                flush=True,
            )
            if not wrong or not options.keep:
                subprocess.run(["rm", "-rf", str(case.home)], check=True)  # noqa: S603, S607 - our own folder
    print(dict(totals))
    sys.exit(1 if failures else 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills", description=__doc__)
    for kind in ("kills", "resets", "errors", "truncated", "expired"):
        parser.add_argument(f"--{kind}", type=int, default=0, help="cases of this kind")
    parser.add_argument("--scale", type=float, default=0.05, help="of the account; 1 is about 60,000 events")
    parser.add_argument("--package-rows", type=int, default=500)
    parser.add_argument("--lanes", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="keep the folders of cases that failed")
    return parser.parse_args()


if __name__ == "__main__":
    main()
