"""What SIGTERM and Ctrl-C do to a run: the first ends it in good order, a second one at once."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from sources.klaviyo.stopping import STOP

log = logging.getLogger(__name__)


@contextmanager
def stopping_in_order() -> Iterator[None]:
    """Within, the first signal stops the reading of Klaviyo; what has been read is still loaded and committed."""
    if threading.current_thread() is not threading.main_thread():
        # Only the main thread is told of signals; who runs us in another one sees to them.
        yield
        return
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.getsignal(number) for number in numbers}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def stop(number: int, _frame: FrameType | None) -> None:
        restore()
        log.warning(
            "%s: loading what has been read, then stopping; once more to stop at once", signal.Signals(number).name
        )
        STOP.set()

    for number in numbers:
        signal.signal(number, stop)
    try:
        yield
    finally:
        restore()
