"""One run at a time for each destination."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import filelock

from pipelines.errors import LockedError
from pipelines.warehouse import Warehouse


@contextmanager
def run_lock(warehouse: Warehouse) -> Iterator[None]:
    """Hold the destination for this run. Raises LockedError at once when another run on this machine has it."""
    path = warehouse.workspace.with_name(f"{warehouse.writer}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise LockedError(f"another run is loading {warehouse.name} at {warehouse.place}; it holds {path}") from None
    try:
        yield
    finally:
        lock.release()
