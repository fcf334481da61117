"""The command line without its own pacing, for a sandbox without limits: `python -m tests.unpaced run`."""

from __future__ import annotations

from pipelines.cli import main
from sources.klaviyo.limits import Window


def unpaced(_window: Window, now: float) -> float:
    """Every request may be sent at once, unless the server asked for a pause."""
    return now


if __name__ == "__main__":
    Window.free_at = unpaced  # type: ignore[assignment, method-assign]  # in this process only
    main()
