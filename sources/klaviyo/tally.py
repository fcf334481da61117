"""What reading a collection took and gave, counted as it happens."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from sources.klaviyo.drift import Drift
from sources.klaviyo.rereads import Cell
from sources.klaviyo.windows import Window

Status = Literal["pending", "reading", "complete", "unfinished", "not_permitted", "failed"]


@dataclass
class Tally:
    """The account of one walk."""

    resource: str
    tables: tuple[str, ...] = ()
    status: Status = "pending"
    error: str = ""
    note: str = ""
    """Why something is left to another run, and when it goes on."""
    left: int = 0
    """Questions that wait for another run."""
    windows: list[Window] = field(default_factory=list)
    """What was asked for; empty for a collection read whole."""
    again: Sequence[Cell] = ()
    """What of it was read before, for what may have come late."""
    requests: int = 0
    retries: int = 0
    throttled: int = 0
    """Answers of 429."""
    waited: float = 0.0
    """Seconds spent waiting for our own pacing."""
    bytes: int = 0
    pages: int = 0
    received: int = 0
    """Objects that Klaviyo sent."""
    unchanged: int = 0
    """Objects that the warehouse already had just so, and that were not loaded again."""
    gone: int = 0
    """Parents that vanished between their listing and their reading."""
    rows: Counter[str] = field(default_factory=Counter)
    """Rows handed to each table."""
    lanes: int = 0
    """The most lanes at once."""
    drift: Drift = field(default_factory=Drift)
    """What was otherwise than the contract tells."""

    @property
    def ended(self) -> bool:
        return self.status in ("complete", "unfinished", "not_permitted", "failed")

    lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def add(self, other: Tally) -> None:
        """What requests took that were counted apart."""
        self.count(
            requests=other.requests,
            retries=other.retries,
            throttled=other.throttled,
            waited=other.waited,
            bytes=other.bytes,
        )

    def count(self, **amounts: float) -> None:
        """Add to the named figures; lanes count at the same time."""
        with self.lock:
            for name, amount in amounts.items():
                setattr(self, name, getattr(self, name) + amount)
