"""What the models cost: a build by dbt, and each model's own statement run by hand, beside it.

    python -m benchmarks.models warehouse.duckdb

takes a DuckDB file that has been loaded, and works on copies of it. One thread everywhere; CPU seconds.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import duckdb

PROJECT: Final = Path(__file__).parents[1] / "transforms"
DBT: Final = str(Path(sys.executable).with_name("dbt"))
SHOWN: Final = 12


def build(database: Path, folder: Path, *options: str) -> float:
    """CPU seconds of dbt, its start included."""
    before = used()
    places = {"project-dir": PROJECT, "profiles-dir": PROJECT, "target-path": folder, "log-path": folder}
    arguments = ["build", "--quiet", "--threads", "1", "--exclude-resource-type", "unit_test", *options]
    arguments += [text for name, place in places.items() for text in (f"--{name}", str(place))]
    environment = {**os.environ, "KLAVIYO_DUCKDB_PATH": str(database), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    subprocess.run([DBT, *arguments], env=environment, check=True)  # noqa: S603 - our own command
    return used() - before


def used() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


def by_hand(database: Path, manifest: Path) -> Iterator[tuple[str, float, int]]:
    """Each model that is a table: CPU seconds of its statement, and its rows."""
    nodes = json.loads(manifest.read_text())["nodes"].values()
    with duckdb.connect(str(database), config={"threads": 1}) as connection:
        for node in nodes:
            if node["resource_type"] == "model" and node["config"]["materialized"] in ("table", "incremental"):
                began = time.process_time()
                connection.execute(f"create or replace table measured as {node['compiled_code']}")
                took = time.process_time() - began
                (count,) = connection.execute("select count(*) from measured").fetchall()[0]
                yield node["name"], took, count


def main(database: Path) -> None:
    with TemporaryDirectory(dir=database.parent) as name:
        folder = Path(name)
        copy = Path(shutil.copy(database, folder))
        first = build(copy, folder, "--full-refresh")
        tables = sorted(by_hand(copy, folder / "manifest.json"), key=lambda one: -one[1])
        again = build(copy, folder)
        untested = build(copy, folder, "--full-refresh", "--exclude-resource-type", "test")
    print(f"first build {first:.1f} s, again {again:.1f} s, full refresh without tests {untested:.1f} s")
    print(f"all {len(tables)} tables by hand {sum(took for _, took, _ in tables):.1f} s")
    for model, took, count in tables[:SHOWN]:
        print(f"{model:30} {took:7.2f} s {count:>10,} rows")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
