"""Measure us beside what a user would pick instead: `python -m benchmarks --quick`."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from benchmarks.report import table
from benchmarks.scenarios import SCENARIOS, Bench, Options


def main() -> None:
    options = _options()
    results = []
    with Bench(options) as bench, options.results.open("a") as file:
        for name in options.scenarios:
            for result in SCENARIOS[name](bench):
                results.append(result)
                file.write(json.dumps(asdict(result)) + "\n")
                file.flush()
                print(result, flush=True)
    print(table(results))


def _options() -> Options:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--profiles", type=int, default=20_000)
    parser.add_argument("--latency", type=float, default=0.25, help="seconds before each answer of the sandbox")
    parser.add_argument("--trailing", type=int, default=50_000, help="events that the re-read asks for again")
    parser.add_argument("--default-format-events", type=int, default=50_000, help="at most, for dlt's default format")
    parser.add_argument("--airbyte-events", type=int, default=20_000, help="at most, for Airbyte's source")
    parser.add_argument("--gzip", choices=("on", "off"), default="on")
    parser.add_argument("--systems", default="ours,dlt-parquet,dlt-default,airbyte,floor", help="comma-separated")
    parser.add_argument("--scenarios", default="loads,strict,airbyte,floor", help=f"of {','.join(SCENARIOS)}")
    parser.add_argument("--timeout", type=float, default=3_600.0, help="seconds for one measurement")
    parser.add_argument("--results", type=Path, default=Path(__file__).with_name("results.jsonl"))
    parser.add_argument("--quick", action="store_true", help="small, and a tenth of a second: a few minutes")
    given = vars(parser.parse_args())
    if given.pop("quick"):
        given |= {"events": 20_000, "profiles": 2_000, "trailing": 5_000, "latency": 0.1}
        given |= {"default_format_events": 2_000, "airbyte_events": 5_000}
    for name in ("systems", "scenarios"):
        given[name] = tuple(given[name].split(","))
    return Options(**given)


if __name__ == "__main__":
    main()
