"""Results as a table: what a row costs, and how often ours goes into that of the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from benchmarks.scenarios import Result

HEAD: Final = (
    "scenario", "system", "events + profiles", "CPU of ours", "CPU s / 100,000 rows", "rows/s", "seconds", "CPU s",
    "peak MB", "requests (429)", "lost", "doubled", "sandbox CPU s",
)  # fmt: skip


def table(results: Sequence[Result]) -> str:
    """In Markdown."""
    lines = [HEAD, ("---",) * len(HEAD), *(_row(result, results) for result in results)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _row(result: Result, results: Iterable[Result]) -> tuple[str, ...]:
    reads = bool(result.handled)
    return (
        f"{result.scenario}, limits {result.limits}, {result.latency:g} s"
        + (f", exit {result.code}" * bool(result.code)),
        result.system,
        f"{result.events:,} + {result.profiles:,}",
        _ratio(result, results),
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


def _ratio(result: Result, results: Iterable[Result]) -> str:
    """How many times ours this took, a row or, where there is none, a run."""
    for ours in results:
        if ours.system == "ours" and ours.limits == result.limits and _same(ours, result):
            if ours.handled and result.handled:
                return f"{result.cpu_of_100k / ours.cpu_of_100k:.2f} x"
            return f"{result.cpu / ours.cpu:.2f} x"
    return ""


def _same(ours: Result, result: Result) -> bool:
    """The floor is a part of a first load."""
    return ours.scenario == ("first load" if result.scenario == "floor" else result.scenario)
