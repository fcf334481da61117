"""Results as a table: how many times ours each took, what a row costs, and what was lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from benchmarks.scenarios import Result

HEAD: Final = (
    "scenario", "system", "CPU, ours = 1", "time, ours = 1", "events + profiles", "CPU s / 100,000 rows", "rows/s",
    "seconds", "CPU s", "peak MB", "requests (429)", "lost", "doubled", "sandbox CPU s",
)  # fmt: skip


def table(results: Sequence[Result]) -> str:
    """In Markdown."""
    lines = [HEAD, ("---",) * len(HEAD), *(_row(result, _ours(result, results)) for result in results)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _row(result: Result, ours: Result | None) -> tuple[str, ...]:
    reads = bool(result.handled)
    return (
        f"{result.scenario}, limits {result.limits}, {result.latency:g} s"
        + (f", exit {result.code}" * bool(result.code)),
        result.system,
        _ratio(result, ours, lambda one: one.cpu),
        # The floor has a latency of its own.
        _ratio(result, ours, lambda one: one.wall) if ours and ours.latency == result.latency else "",
        f"{result.events:,} + {result.profiles:,}",
        f"{result.cpu_of_100k:.1f}" if reads else "",
        f"{result.rows_a_second:,.0f}" if reads else "",
        f"{result.wall:.1f}",
        f"{result.cpu:.1f}",
        f"{result.peak_mb:,.0f}",
        f"{result.requests:,} ({result.throttled})",
        "" if result.lost is None else f"{result.lost:,}",
        "" if result.doubled is None else f"{result.doubled:,}",
        f"{result.sandbox_cpu:.1f}",
    )


def _ours(result: Result, results: Sequence[Result]) -> Result | None:
    """Our run of the same."""
    ours = (one for one in results if one.system.startswith("ours"))
    same = (one for one in ours if (one.scenario, one.limits) == (result.scenario, result.limits))
    return next(same, None)


def _ratio(result: Result, ours: Result | None, cost: Callable[[Result], float]) -> str:
    """How many times ours this cost: a row, or where there is none to read, a run."""
    if ours is None:
        return ""
    return f"{cost(result) / max(result.handled, 1) / (cost(ours) / max(ours.handled, 1)):.2f}"
