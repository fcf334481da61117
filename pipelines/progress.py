"""What a run shows while it goes: a live table on a terminal, a few log lines elsewhere."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table

if TYPE_CHECKING:
    from sources.klaviyo.tally import Tally

log = logging.getLogger("klaviyo_etl")

FILE_WIDTH: Final = 160
"""Columns of what is printed into a file or a pipe."""

DLT_RUNTIME: Final = {
    # dlt remarks on every hint that it keeps; what matters reaches us as exceptions.
    "RUNTIME__LOG_LEVEL": "CRITICAL",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
}

REFRESHES_PER_SECOND: Final = 4
HEADINGS: Final[dict[str, Literal["left", "right"]]] = {
    "collection": "left",
    "status": "left",
    "requests": "right",
    "received": "right",
    "per second": "right",
}


class Watch(Protocol):
    """Told what a run is about to do."""

    def stage(self, what: str) -> None: ...

    def reading(self, tallies: Sequence[Tally]) -> None: ...


class LogWatch:
    """For cron: a line per stage."""

    def stage(self, what: str) -> None:
        log.info(what)

    def reading(self, tallies: Sequence[Tally]) -> None:
        log.info("reading %d collections", len(tallies))


class TerminalWatch:
    """For people: rows and rate of each collection, drawn anew whenever it is shown."""

    def __init__(self) -> None:
        self.tallies: Sequence[Tally] = ()
        self.what = "starting"
        self.started = time.monotonic()

    def stage(self, what: str) -> None:
        self.what = what

    def reading(self, tallies: Sequence[Tally]) -> None:
        self.tallies = tallies
        self.stage("reading from Klaviyo and loading")

    def __rich__(self) -> Table:
        seconds = max(time.monotonic() - self.started, 0.001)
        table = Table(box=None, title=f"{self.what} · {seconds:.0f} s", title_justify="left", pad_edge=False)
        for heading, justify in HEADINGS.items():
            table.add_column(heading, justify=justify)
        for tally in self.tallies:
            rate = f"{tally.received / seconds:,.0f}"
            table.add_row(tally.resource, tally.status, f"{tally.requests:,}", f"{tally.received:,}", rate)
        return table


@contextmanager
def watching(console: Console) -> Iterator[Watch]:
    """A live table where someone can see it, log lines where not."""
    if not console.is_terminal:
        yield LogWatch()
        return
    watch = TerminalWatch()
    with Live(watch, console=console, refresh_per_second=REFRESHES_PER_SECOND, transient=True):
        yield watch


class JsonFormatter(logging.Formatter):
    """One line of JSON per event."""

    def __init__(self, account: str) -> None:
        super().__init__()
        self.account = {"account": account} if account else {}

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        return json.dumps(line | self.account | getattr(record, "facts", {}), ensure_ascii=False, default=str)


def set_up_logging(log_format: str, *, verbose: bool, account: str = "") -> None:
    """Log lines go to standard error: warnings always, the run's stages too unless a terminal shows them."""
    handler = logging.StreamHandler(sys.stderr)
    about = f"{account}: " if account else ""
    handler.setFormatter(
        JsonFormatter(account)
        if log_format == "json"
        else logging.Formatter(f"%(asctime)s %(levelname)s {about}%(message)s")
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("klaviyo_etl").setLevel(logging.INFO if verbose else logging.WARNING)


def quiet_dlt() -> None:
    """To be called before dlt is imported, which reads at once what it may say, and to whom."""
    for name, value in DLT_RUNTIME.items():
        os.environ.setdefault(name, value)
