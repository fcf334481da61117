"""Rate limits: fixed windows per account and endpoint, several at once; whichever is exhausted first refuses."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from sandbox.contract import Endpoint
from sandbox.errors import throttled
from sandbox.settings import Settings


class Quota(NamedTuple):
    requests: int
    seconds: int


@dataclass(slots=True)
class Windows:
    """What has been used of each quota. The keys of an account share them."""

    clock: Callable[[], float] = time.time
    _used: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)

    def forget(self) -> None:
        self._used.clear()

    def take(
        self, endpoint: Endpoint, parameters: list[tuple[str, str]], settings: Settings, share: str = ""
    ) -> dict[str, str]:
        """Count one request and return the headers that tell what is left, or refuse it."""
        form = _form(endpoint, parameters)
        quotas = _quotas(endpoint, form, settings)
        if settings.limits == "off":
            return _headers(quotas, quotas[0].requests - 1, 0)
        # The allowance of a costly parameter is counted over all the endpoints that know it.
        name = f"{share} {form or endpoint.method + endpoint.path}"
        now = self.clock()
        used = [self._count(name, quota, now) for quota in quotas]
        waits = [
            (now // quota.seconds + 1) * quota.seconds - now
            for quota, count in zip(quotas, used, strict=True)
            if count >= quota.requests
        ]
        if waits:
            raise throttled(math.ceil(max(waits)))
        for quota, count in zip(quotas, used, strict=True):
            self._used[name, quota.seconds] = (int(now // quota.seconds), count + 1)
        burst = quotas[0]
        return _headers(quotas, burst.requests - used[0] - 1, int(burst.seconds - now % burst.seconds))

    def _count(self, name: str, quota: Quota, now: float) -> int:
        window, count = self._used.get((name, quota.seconds), (0, 0))
        return count if window == int(now // quota.seconds) else 0


def _form(endpoint: Endpoint, parameters: list[tuple[str, str]]) -> str:
    """The costly form of parameter, such as `include=list`, that the request uses, if any."""
    for form in endpoint.facts.limits:
        name, _, value = form.partition("=")
        for given, values in parameters:
            if given == name and {value, f"{value}s"} & set(values.split(",")):
                return form
    return ""


def _quotas(endpoint: Endpoint, form: str, settings: Settings) -> list[Quota]:
    factor = settings.limits_factor if settings.limits == "scaled" else 1
    return [Quota(max(1, int(count * factor)), seconds) for count, seconds in endpoint.facts.limits[form]]


def _headers(quotas: list[Quota], remaining: int, reset: int) -> dict[str, str]:
    windows = ", ".join(f"{quota.requests};w={quota.seconds}" for quota in quotas)
    return {
        "RateLimit-Limit": f"{quotas[0].requests}, {windows}",
        "RateLimit-Remaining": str(remaining),
        "RateLimit-Reset": str(reset),
    }
