"""How well a collection is read: whether lanes stay busy, and how much of the rate limit is taken.

    python -m benchmarks.reading events --limits off
    python -m benchmarks.reading profiles --limits strict

Pages are read and made into rows as in any load; the rows are dropped. A lane is busy while it has a range to read.
The allowance is what our share of the limit by the minute lets pass in the whole minutes that the reading takes.
"""

from __future__ import annotations

import argparse
import os
import threading
import time
from dataclasses import dataclass, field
from typing import Final

import pendulum

from benchmarks.scenarios import PORT
from benchmarks.served import Served
from benchmarks.usage import peak_mb
from sources.klaviyo import REVISION, contract
from sources.klaviyo.client import Client
from sources.klaviyo.limits import Limiter
from sources.klaviyo.reading import Plan, Reading
from sources.klaviyo.resources import RESOURCES
from sources.klaviyo.walk import Walk
from sources.klaviyo.windows import BEGINNING, Window

BY: Final = {"events": "datetime", "profiles": "created"}
EVERY: Final = 0.01


@dataclass
class Sampled:
    """Lanes there are and lanes at work, looked at a hundred times a second."""

    reading: Reading
    there: int = 0
    at_work: int = 0
    most: int = 0
    in_minutes: int = 0
    """Requests sent in the minutes that are over."""
    minutes: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        lanes = self.reading.lanes
        began = time.monotonic()
        while not self.ended.wait(EVERY):
            with lanes.changed:
                there, at_work = max(lanes.lanes, self.most), len(lanes.busy)
            self.there += there
            self.at_work += at_work
            self.most = max(self.most, there)
            if time.monotonic() - began >= (self.minutes + 1) * 60:
                self.minutes += 1
                self.in_minutes = self.reading.walk.tally.requests

    @property
    def busy(self) -> float:
        return self.at_work / max(self.there, 1)


def main() -> None:
    options = _options()
    arguments: dict[str, object] = {"events": options.events, "profiles": options.profiles}
    with Served(arguments, host="127.0.0.1", port=PORT) as served:
        served.set(latency=options.latency, limits=options.limits)
        host = next(resource for resource in RESOURCES if resource.name == options.collection)
        facts = contract.load(REVISION)
        walk = Walk(host, [resource for resource in RESOURCES if resource.host is host], facts)
        limiter = Limiter(options.share)
        client = Client("pk_sandbox", served.url, REVISION, limiter)
        plan = Plan(BY[options.collection], [Window(BEGINNING, pendulum.now("UTC"))])
        reading = Reading(walk, plan, client, options.lanes, now=pendulum.now("UTC"))
        sampled = Sampled(reading)
        watching = threading.Thread(target=sampled.watch)
        watching.start()
        began, cpu = time.monotonic(), time.process_time()
        rows = sum(sum(table.num_rows for table in delivery.rows.tables.values()) for delivery in reading.deliveries)
        seconds = time.monotonic() - began
        sampled.ended.set()
        watching.join()
        asked = served.asked()
        allowed = limiter.rate(walk.endpoint) * 60 * sampled.minutes
        taken = (
            f"{sampled.in_minutes / allowed:.1%} of the {allowed:,.0f} allowed" if allowed else "over within a minute"
        )
        print(
            f"{options.collection}: {rows:,} rows, {sum(asked.values()):,} requests in {seconds:.1f} s "
            f"({time.process_time() - cpu:.1f} s of CPU, the sandbox {served.cpu:.1f}; {peak_mb(os.getpid()):.0f} MB at most); {sampled.most} lanes, busy {sampled.busy:.1%}; "
            f"{asked[200] / seconds:.1f} pages a second, {taken}; "
            f"refused {asked[429]} ({asked[429] / max(sum(asked.values()), 1):.2%})"
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reading", description=__doc__)
    parser.add_argument("collection", choices=BY)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--profiles", type=int, default=100_000)
    parser.add_argument("--latency", type=float, default=0.25)
    parser.add_argument("--limits", choices=("strict", "off"), default="off")
    parser.add_argument("--share", type=float, default=0.9, help="of the limits that we may take")
    parser.add_argument("--lanes", type=int, default=24, help="at most")
    return parser.parse_args()


if __name__ == "__main__":
    main()
