"""A run that is told to stop: Klaviyo is asked nothing more, and what has come is committed."""

from __future__ import annotations

import threading
from typing import Final

from sources.klaviyo.errors import Stopped

STOP: Final = threading.Event()
"""Set for the whole process, as signals are."""


def sleep(seconds: float) -> None:
    """Sleep. Raises Stopped as soon as the run is to stop."""
    if STOP.wait(seconds):
        raise Stopped("told to stop; the next run goes on from here")
