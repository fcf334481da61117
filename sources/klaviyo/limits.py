"""Klaviyo's rate limits, kept from our side: one limiter per account, shared by everything that asks it.

Klaviyo counts in fixed windows whose phase we do not know, and each request at some moment between its sending and its answer.
Any span of a window's length, wherever those moments lie, holds at most our share of its allowance, rounded up to a whole
request: within the limit whatever the phase. Longer spans hold no more than the share.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from sources.klaviyo import stopping
from sources.klaviyo.contract import Endpoint, Limit
from sources.klaviyo.errors import QuotaSpent

GLANCE: Final = 0.02
"""Seconds after which to look again where only an answer that is still out makes room."""


@dataclass
class Window:
    """The requests that may have been counted within the last `seconds`, at most `requests` of them."""

    requests: int
    seconds: float
    answered: deque[float] = field(default_factory=deque)
    in_flight: int = 0

    @classmethod
    def share_of(cls, limit: Limit, share: float) -> Window:
        """Our part of a limit: whole requests, in so much longer a span that they are no more than our part of it.

        1.8 requests a minute are 2 in 67 seconds.
        """
        part = limit.requests * share
        return cls(math.ceil(part), limit.seconds * math.ceil(part) / part)

    def free_at(self, now: float) -> float:
        """When one more may be sent, unless an answer comes before."""
        while self.answered and self.answered[0] <= now - self.seconds:
            self.answered.popleft()
        if self.in_flight >= self.requests:
            return now + GLANCE
        if self.in_flight + len(self.answered) < self.requests:
            return now
        return self.answered[self.in_flight - self.requests] + self.seconds


@dataclass
class Bucket:
    windows: list[Window]
    paused_until: float = 0.0

    def free_at(self, now: float) -> float:
        return max(self.paused_until, *(window.free_at(now) for window in self.windows))


class Limiter:
    """Lets requests pass as fast as `share` of each endpoint's limits allows. Thread-safe."""

    def __init__(
        self,
        share: float = 0.9,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = stopping.sleep,
    ) -> None:
        if not 0 < share <= 1:
            raise ValueError(f"rate_limit_share must be above 0 and at most 1, not {share}")
        self.share = share
        self.clock = clock
        self.sleep = sleep
        self.buckets: dict[str, Bucket] = {}
        self.lock = threading.RLock()

    def acquire(self, endpoint: Endpoint, patience: float = math.inf) -> float:
        """Wait until a request to the endpoint may be sent, and count it. The seconds waited.

        Whoever sends it then says when it is `answered`. Raises QuotaSpent where that would take longer than `patience`.
        """
        waited = 0.0
        while pause := self.reserve(endpoint):
            if pause > patience:
                raise QuotaSpent(f"{endpoint.path}: our share of its rate limit is spent for {pause:.0f} s", pause)
            self.sleep(pause)
            waited += pause
        return waited

    def reserve(self, endpoint: Endpoint) -> float:
        """Count a request if one may be sent now; otherwise the seconds until that can be so."""
        with self.lock:
            wait = self.wait(endpoint)
            if wait <= 0:
                for window in self.bucket(endpoint).windows:
                    window.in_flight += 1
            return wait

    def answered(self, endpoint: Endpoint) -> None:
        """A request has come to its end, whatever that was: Klaviyo counts it by now if it ever does."""
        with self.lock:
            for window in self.bucket(endpoint).windows:
                window.in_flight -= 1
                window.answered.append(self.clock())

    def wait(self, endpoint: Endpoint) -> float:
        """Seconds until a request may be sent. Takes nothing."""
        with self.lock:
            now = self.clock()
            return max(self.bucket(endpoint).free_at(now) - now, 0.0)

    def has_room(self, endpoint: Endpoint) -> bool:
        """Whether another request could be sent at once: then one more lane would not merely wait."""
        return self.wait(endpoint) <= 0

    def rate(self, endpoint: Endpoint) -> float:
        """Requests a second that can be kept up."""
        with self.lock:
            return min(window.requests / window.seconds for window in self.bucket(endpoint).windows)

    def pause(self, endpoint: Endpoint, seconds: float) -> None:
        """Hold all requests to the endpoint back: Klaviyo has said when it will answer again."""
        with self.lock:
            bucket = self.bucket(endpoint)
            bucket.paused_until = max(bucket.paused_until, self.clock() + seconds)

    def bucket(self, endpoint: Endpoint) -> Bucket:
        name = endpoint.allowance or endpoint.path
        if name not in self.buckets:
            self.buckets[name] = Bucket([Window.share_of(limit, self.share) for limit in endpoint.limits])
        return self.buckets[name]
