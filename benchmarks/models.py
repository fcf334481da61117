"""What the models cost: a first build, the refresh after a small load, and each model's own statement run by hand.

    python -m benchmarks.models                          # a shop of 67,000 events: some minutes
    python -m benchmarks.models --scale 15 --folder big  # of a million; loaded once, and kept in the folder

All is measured on an almost empty account as well, as what dbt costs whatever there is. CPU seconds; one thread of dbt,
and one of DuckDB where a statement is run by hand.
"""

from __future__ import annotations

import argparse
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import duckdb

ALMOST_EMPTY: Final = 0.01
ANEW: Final = 0.005
"""Of the events, how many are loaded again: the latest. Half a percent is five thousand of a million."""
SHOWN: Final = 20
NODES: Final = ("models", "tests")
STEPS: Final = (
    "our imports",
    "dbt's imports",
    "reading what has changed",
    "dbt until its first model",
    *NODES,
    "the rest",
)
KEPT: Final = ("table", "incremental")


@dataclass
class Build:
    """What a build of the pipeline's took, in a process of its own."""

    steps: dict[str, float] = field(default_factory=dict)
    built: dict[str, float] = field(default_factory=dict)
    """By model."""
    tests: int = 0
    statements: dict[str, str] = field(default_factory=dict)
    """Of the models that are tables."""
    until: float = 0.0

    @property
    def total(self) -> float:
        return sum(self.steps.values())

    def note(self, step: str) -> float:
        """What has been used since the last note."""
        took, self.until = time.process_time() - self.until, time.process_time()
        self.steps[step] = self.steps.get(step, 0.0) + took
        return took

    def heard(self, event: Any) -> None:  # noqa: ANN401 - dbt's own has no types
        if event.info.name == "NodeStart":
            self.note("the rest" if self.built else "dbt until its first model")
        elif event.info.name == "NodeFinished" and event.data.node_info.resource_type == "test":
            self.note("tests")
            self.tests += 1
        elif event.info.name == "NodeFinished":
            self.built[event.data.node_info.node_name] = self.note("models")


@dataclass
class Runner:
    """In the place of dbt's own."""

    of: Callable[..., Any]
    noted: Build

    def invoke(self, args: Sequence[str]) -> Any:  # noqa: ANN401 - as above
        self.noted.note("reading what has changed")
        outcome = self.of(callbacks=[self.noted.heard]).invoke([*args, "--threads", "1"])
        models = [ran.node for ran in outcome.result if ran.node.resource_type == "model"]
        self.noted.statements = {one.name: one.compiled_code for one in models if one.config.materialized in KEPT}
        return outcome


@dataclass
class Measured:
    """What there is to know of the models of one account."""

    events: int
    first: Build
    again: Build
    by_hand: dict[str, float]


def measure(loaded: Path, folder: Path) -> Measured:
    copy = Path(shutil.copy(loaded, folder / f"copy_of_{loaded.name}"))
    first = in_a_process(copy, "transform")
    by_hand = run_by_hand(copy, first.statements)
    events = load_again(copy)
    return Measured(events, first, in_a_process(copy, "refresh"), by_hand)


def in_a_process(database: Path, how: str) -> Build:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(build, database, how).result()


def build(database: Path, how: str) -> Build:
    """As the pipeline does it, in this process, which has done nothing else yet."""
    os.environ |= {"DESTINATION__DUCKDB__CREDENTIALS": str(database), "DLT_DATA_DIR": str(database.parent)}
    noted = Build()
    from pipelines import transform
    from pipelines.warehouse import Warehouse

    noted.note("our imports")
    from dbt.cli import main as dbt

    noted.note("dbt's imports")
    dbt.dbtRunner = partial(Runner, dbt.dbtRunner, noted)  # type: ignore[misc,assignment]  # in this process only
    getattr(transform, how)(Warehouse("duckdb"))
    noted.note("the rest")
    return noted


def run_by_hand(database: Path, statements: Mapping[str, str]) -> dict[str, float]:
    """CPU seconds of each model's statement, as a table of its own."""
    took = {}
    with duckdb.connect(str(database), config={"threads": 1}) as connection:
        for name, statement in statements.items():
            began = time.process_time()
            connection.execute(f"create or replace table measured as {statement}")
            took[name] = time.process_time() - began
        connection.execute("drop table measured")
    return took


def load_again(database: Path) -> int:
    """As a load of the latest events leaves the raw tables, with nothing about them changed. How many events there are."""
    with duckdb.connect(str(database)) as connection:
        ((events,),) = connection.execute("select count(*) from klaviyo.events").fetchall()
        latest = f"select id from klaviyo.events order by datetime desc limit {int(events * ANEW)}"
        for table, key in (("events", "id"), ("event_attributions", "event_id")):
            connection.execute(f"update klaviyo.{table} set _dlt_load_id = '{time.time()}' where {key} in ({latest})")
    return int(events)


def load(scale: float, path: Path) -> Path:
    """The raw tables of a synthetic shop, if they are not there yet."""
    if path.exists():
        return path
    os.environ |= {"DESTINATION__DUCKDB__CREDENTIALS": str(path), "DLT_DATA_DIR": str(path.parent)}
    from rich.console import Console

    from pipelines.job import run_job
    from pipelines.load import Request, named
    from pipelines.settings import Settings
    from pipelines.warehouse import Warehouse
    from sandbox.server import Sandbox
    from sandbox.story import synthesize

    with Sandbox(synthesize(scale=scale), limits="off") as sandbox:
        settings = Settings(api_key="pk_sandbox", base_url=sandbox.url)
        run_job(Console(), settings, Warehouse("duckdb"), Request(resources=named(None)), with_marts=False)
    return path


def show(empty: Measured, full: Measured) -> None:
    def line(name: str, *figures: float) -> None:
        print(f"{name:44}", *(f"{figure:12,.2f}" for figure in figures))

    print(f"{'CPU seconds':44} {empty.events:>12,} {full.events:>12,} events")
    for what, builds in (
        (f"first build, {full.first.tests} tests", (empty.first, full.first)),
        (f"again after {ANEW:.1%} loaded anew, {full.again.tests} tests", (empty.again, full.again)),
    ):
        line(what, *(one.total for one in builds))
        for step in STEPS:
            line(f"  {step}", *(one.steps.get(step, 0.0) for one in builds))
    whole, slowest = sum(full.by_hand.values()), max(full.by_hand.values())
    line(f"{len(full.by_hand)} statements by hand", sum(empty.by_hand.values()), whole)
    line("  the slowest of them", max(empty.by_hand.values()), slowest)
    print(f"  all are {whole / slowest:.2f} times the slowest\n")
    print(f"{'model':34} {'by hand':>10} {'first build':>12} {'again':>10}")
    for model, took in sorted(full.by_hand.items(), key=lambda one: -one[1])[:SHOWN]:
        print(f"{model:34} {took:10.2f} {full.first.built[model]:12.2f} {full.again.built.get(model, 0.0):10.2f}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--scale", type=float, default=1.0, help="size of the shop; 1 is about 67,000 events")
    options.add_argument("--folder", type=Path, help="where loaded databases are kept for the next time")
    given = options.parse_args()
    with TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        kept = given.folder or folder
        loaded = [load(scale, (kept / f"shop_{scale:g}.duckdb").resolve()) for scale in (ALMOST_EMPTY, given.scale)]
        show(*(measure(one, folder) for one in loaded))


if __name__ == "__main__":
    main()
