"""Klaviyo's rate limits, kept from our side: one limiter per account, shared by everything that asks it.

Klaviyo counts in fixed windows whose phase we do not know; any span of a window's length holds at most our share of its
allowance, rounded up to a whole request, which is within the limit whatever the phase. Longer spans hold no more than the share.
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

PARTS: Final = 3


@dataclass
class Window:
    """The requests of the last `seconds`, at most `requests` of them."""

    requests: int
    seconds: float
    sent: deque[float] = field(default_factory=deque)

    @classmethod
    def share_of(cls, limit: Limit, share: float) -> Window:
        """Our part of a limit: whole requests, in so much longer a span that they are no more than our part of it.

        1.8 requests a minute are 2 in 67 seconds. Of a burst's second parts are left: requests that are sent a little apart may
        arrive together.
        """
        part = limit.requests * share
        whole = math.floor(part) if limit.seconds == 1 and part >= 1 else math.ceil(part)
        return cls(whole, limit.seconds * max(whole / part, 1))

    def spread(self) -> list[Window]:
        """With a bound for a third of a burst's second: sent all at once, two bursts may arrive within one second."""
        third = -(-self.requests // PARTS)
        return [self, Window(third, self.seconds / PARTS)] if self.seconds == 1 and third < self.requests else [self]

    def free_at(self, now: float) -> float:
        while self.sent and self.sent[0] <= now - self.seconds:
            self.sent.popleft()
        return self.sent[-self.requests] + self.seconds if len(self.sent) >= self.requests else now


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
        self.lock = threading.Lock()

    def acquire(self, endpoint: Endpoint, patience: float = math.inf) -> float:
        """Wait until a request to the endpoint may be sent, and count it. The seconds waited.

        Raises QuotaSpent where that would take longer than `patience`.
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
            bucket, now = self.bucket(endpoint), self.clock()
            wait = bucket.free_at(now) - now
            if wait <= 0:
                for window in bucket.windows:
                    window.sent.append(now)
            return max(wait, 0.0)

    def has_room(self, endpoint: Endpoint) -> bool:
        """Whether another request could be sent at once: then one more lane would not merely wait."""
        with self.lock:
            now = self.clock()
            return self.bucket(endpoint).free_at(now) <= now

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
            windows = [Window.share_of(limit, self.share) for limit in endpoint.limits]
            self.buckets[name] = Bucket([part for window in windows for part in window.spread()])
        return self.buckets[name]
