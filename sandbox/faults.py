"""Faults on demand: what goes wrong between Klaviyo and a client, as often as asked for."""

from __future__ import annotations

import random
from fnmatch import fnmatchcase
from typing import Final, Literal

import msgspec

from sandbox.answer import Answer
from sandbox.errors import ApiError, invalid_cursor, throttled

CHALLENGE: Final = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body></body></html>"


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """One thing that goes wrong, and when."""

    kind: Literal["status", "reset", "truncated", "html", "slow", "expired_cursor"]
    path: str = "*"
    """A path below which slashes at the end do not count, or a pattern such as `/api/lists/*`."""
    after: int = 0
    """So many matching requests pass first."""
    times: int | None = None
    """It strikes so often in all; without end if None."""
    every: int | None = None
    """Only each so-manieth matching request."""
    probability: float | None = None
    """Only with this chance."""

    status: int | None = None
    """For `status` (503 if not given) and `html` (403)."""
    retry_after: int | None = None
    """Seconds in the header of that name, for `status`."""
    how: Literal["length", "chunked", "gzip", "json"] = "length"
    """Where `truncated` cuts: before the announced length, in a chunked body, or (unnoticed by HTTP) in its content."""
    seconds: float = 2.0
    """How long a `slow` body takes."""

    seen: int = 0
    struck: int = 0


class Faults:
    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)
        self.ordered: list[Fault] = []

    def strike(self, path: str, query: str) -> Fault | None:
        """The fault that befalls this request, if any."""
        return next((fault for fault in self.ordered if self._strikes(fault, path, query)), None)

    def _strikes(self, fault: Fault, path: str, query: str) -> bool:
        if not fnmatchcase(path.rstrip("/"), fault.path.rstrip("/")):
            return False
        if fault.kind == "expired_cursor" and "page%5Bcursor%5D=" not in query and "page[cursor]=" not in query:
            return False
        if fault.times is not None and fault.struck >= fault.times:
            return False
        fault.seen += 1
        turn = fault.seen - fault.after
        if turn <= 0 or turn % (fault.every or 1):
            return False
        if fault.probability is not None and self._random.random() >= fault.probability:
            return False
        fault.struck += 1
        return True


def instead(fault: Fault | None) -> ApiError | Answer | None:
    """What is answered in place of the truth; None where only the delivery fails."""
    if fault is None:
        return None
    if fault.kind == "expired_cursor":
        return invalid_cursor()
    if fault.kind == "html":
        headers = {"Content-Type": "text/html; charset=UTF-8", "cf-mitigated": "challenge"}
        return Answer(fault.status or 403, CHALLENGE, headers)
    if fault.kind == "status":
        return _failure(fault.status or 503, fault.retry_after)
    return None


def _failure(status: int, retry_after: int | None) -> ApiError:
    if status == throttled(1).status:
        return throttled(retry_after or 1)
    error = ApiError(status, "error", "A server error occurred.", "A server error occurred.")
    if retry_after is not None:
        error.headers["Retry-After"] = str(retry_after)
    return error
