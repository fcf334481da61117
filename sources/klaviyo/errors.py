"""What can go wrong between us and Klaviyo.

KlaviyoError
├── Unreachable         no usable answer after all retries: network, 5xx, broken bodies
│   └── QuotaSpent      a rate limit that leaves no request for longer than a run waits: a report's daily one
├── Refused             Klaviyo answers, and the answer is no
│   ├── Unauthorized    401: the key is missing, wrong or revoked
│   ├── NotPermitted    403: the key lacks a scope, or the plan lacks the feature
│   ├── RevisionRetired 410: the pinned revision or the endpoint is gone
│   └── BadRequest      any other 4xx
│       ├── NotFound    404
│       └── CursorExpired
├── Stopped             the run is told to stop
├── MalformedPage       a 200 whose body is not the JSON:API document it should be
├── UnknownMetric       a name that no metric of the account has
├── UnknownResource     a name that the table of resources does not have
├── WrongPolicy         a field policy that fits no table
└── PolicyChanged       rows are loaded already that were treated otherwise

Messages name the resource's endpoint and what to do; they never carry keys or bodies.
"""

from __future__ import annotations


class KlaviyoError(Exception):
    """Base of all."""


class Unreachable(KlaviyoError):
    pass


class QuotaSpent(Unreachable):
    """`seconds` until there is something left again."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class Refused(KlaviyoError):
    pass


class Stopped(KlaviyoError):
    pass


class Unauthorized(Refused):
    pass


class NotPermitted(Refused):
    pass


class RevisionRetired(Refused):
    pass


class BadRequest(Refused):
    pass


class NotFound(BadRequest):
    pass


class CursorExpired(BadRequest):
    pass


class MalformedPage(KlaviyoError):
    pass


class UnknownMetric(KlaviyoError):
    pass


class UnknownResource(KlaviyoError):
    pass


class WrongPolicy(KlaviyoError):
    pass


class PolicyChanged(KlaviyoError):
    pass
