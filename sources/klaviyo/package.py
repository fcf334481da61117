"""How much a load package may hold: each is loaded and committed by itself, together with what has then been read."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from sources.klaviyo.rows import Rows


@dataclass
class Package:
    """Full when any of its bounds is reached. A walk that is under way then goes on in the next package."""

    rows: int = 200_000
    megabytes: int = 384
    """Of rows in memory; files and the warehouse hold them several times smaller."""
    minutes: float = 10
    held_rows: int = field(default=0, init=False)
    held_bytes: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.lock = threading.Lock()
        self.begin()

    def begin(self) -> None:
        """Start an empty package."""
        with self.lock:
            self.held_rows = self.held_bytes = 0
            self.began = time.monotonic()

    def filled_by(self, rows: Rows) -> bool:
        """Count rows that have been handed over. Whether the package is full with them."""
        with self.lock:
            self.held_rows += sum(table.num_rows for table in rows.tables.values())
            self.held_bytes += sum(table.nbytes for table in rows.tables.values())
            return (
                self.held_rows >= self.rows
                or self.held_bytes >= self.megabytes * 1_000_000
                or time.monotonic() - self.began >= self.minutes * 60
            )
