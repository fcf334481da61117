"""The only module that speaks HTTP: authenticated, paced, retried reads of Klaviyo's API."""

from __future__ import annotations

import json
import logging
import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import urlsplit

import requests
import urllib3
from isal import igzip_lib, isal_zlib

from sources.klaviyo import stopping
from sources.klaviyo.contract import Endpoint, revisions
from sources.klaviyo.errors import (
    BadRequest,
    CursorExpired,
    KlaviyoError,
    MalformedPage,
    NotFound,
    NotPermitted,
    QuotaSpent,
    RevisionRetired,
    Unauthorized,
    Unreachable,
)
from sources.klaviyo.limits import Limiter
from sources.klaviyo.tally import Tally

T = TypeVar("T")

log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/vnd.api+json"
TIMEOUT: Final = (10, 90)
"""Seconds to connect, and between two reads."""
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 60.0
CONNECTIONS: Final = 256
GZIP: Final = 31
"""As zlib calls the format."""
SMOOTHING: Final = 0.1
MARGIN: Final = 1.25
"""Lanes beyond what latency and rate call for, for answers that take longer than others."""
RETRIED: Final = frozenset({408, 425, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
FIRST_CONTACT_ATTEMPTS: Final = 4
"""A host that has never answered is more often a wrong address than an outage."""


class Credential(Protocol):
    """What requests are allowed by. Thread-safe."""

    @property
    def advice(self) -> str:
        """What to do where Klaviyo refuses it."""

    def header(self) -> str:
        """As it is now. Raises a KlaviyoError."""

    def renew(self, refused: str) -> bool:
        """Whether there is another header now than the refused one. Raises a KlaviyoError."""


@dataclass(frozen=True)
class Key:
    """A private key."""

    api_key: str = field(repr=False)
    advice: str = "Klaviyo refuses the API key (401): check sources.klaviyo.api_key"

    def header(self) -> str:
        return f"Klaviyo-API-Key {self.api_key}"

    def renew(self, _refused: str) -> bool:
        return False


@dataclass
class Client:
    """Reads of one account. Thread-safe; connections are kept and shared."""

    credential: Credential | str = field(repr=False)
    """A text is a private key."""
    base_url: str
    revision: str
    limiter: Limiter = field(default_factory=Limiter)
    attempts: int = 8
    """Failures in a row after which a request is given up."""
    patience: float = 900.0
    """Seconds that one request may take in all, its retries and pauses counted in."""
    sleep: Callable[[float], None] = stopping.sleep
    clock: Callable[[], float] = time.monotonic
    latency: float = field(default=0.1, init=False)
    """Seconds from a request to the end of its answer, lately."""
    contacted: bool = field(default=False, init=False)
    """Whether Klaviyo has answered at all."""

    def __post_init__(self) -> None:
        self.allowed_by: Credential = Key(self.credential) if isinstance(self.credential, str) else self.credential
        self.base_url = self.base_url.rstrip("/")
        self.session = requests.Session()
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, requests.adapters.HTTPAdapter(pool_maxsize=CONNECTIONS))
        self.session.headers.update(
            {
                "Accept": MEDIA_TYPE,
                "Accept-Encoding": "gzip",
                "User-Agent": user_agent(),
                "revision": self.revision,
                # A retired revision must fail, not fall forward to another shape.
                "X-Klaviyo-Revision-Fall-Forward-Opt-Out": "1",
            }
        )

    def read(
        self, endpoint: Endpoint, target: str, parse: Callable[[bytes], T], tally: Tally, body: bytes | None = None
    ) -> T:
        """The parsed answer to a GET of `target` (path and query, or a link that Klaviyo gave), or to a POST of `body`.

        `parse` raises MalformedPage for a body that is not whole, which is then asked for again. Raises a KlaviyoError.
        """
        url = self.address(target)
        deadline = self.clock() + self.patience
        failures = tries = 0
        renewed = False
        while True:
            tries += 1
            stopping.sleep(0)
            authorization = self.allowed_by.header()
            tally.count(waited=self.limiter.acquire(endpoint, self.patience), requests=1)
            try:
                return parse(self.ask(url, endpoint, tally, body, authorization))
            except Unauthorized:
                if renewed or not self.allowed_by.renew(authorization):
                    raise Unauthorized(self.allowed_by.advice) from None
                renewed = True
                tally.count(retries=1)
                continue
            except Throttled as throttled:
                tally.count(throttled=1)
                pause, trouble = throttled.seconds, "Klaviyo's rate limit (429)"
                self.limiter.pause(endpoint, pause)
                if pause > self.patience:
                    raise QuotaSpent(f"{endpoint.path}: {trouble} allows no request for {pause:.0f} s", pause) from None
                rest = 0.0  # the limiter holds this request back with all others
            except (
                Faltering,
                MalformedPage,
                requests.RequestException,
                urllib3.exceptions.HTTPError,
                OSError,
            ) as error:
                failures += 1
                pause, trouble = backoff(failures), cause(error)
                rest = pause = max(pause, getattr(error, "retry_after", 0.0))
            if failures >= self.allowed_failures or self.clock() + pause > deadline:
                raise Unreachable(f"{self.base_url}{endpoint.path}: no usable answer after {tries} tries: {trouble}")
            tally.count(retries=1)
            log.info("%s: %s, again in %.1f s", endpoint.path, trouble, pause)
            self.sleep(rest)

    def address(self, target: str) -> str:
        """Where a link leads. The key goes to the configured host, below its path, and nowhere else."""
        parts = urlsplit(target)
        below = urlsplit(self.base_url).path
        path = "/" + parts.path.removeprefix(below).lstrip("/")
        return f"{self.base_url}{path}?{parts.query}" if parts.query else self.base_url + path

    @property
    def allowed_failures(self) -> int:
        return self.attempts if self.contacted else min(self.attempts, FIRST_CONTACT_ATTEMPTS)

    def has_room(self, endpoint: Endpoint, in_flight: int) -> bool:
        """Whether one more request in flight would bring more: not beyond what the rate limit can use at this latency."""
        needed = self.latency * self.limiter.rate(endpoint) * MARGIN
        return in_flight < max(needed, 2) and self.limiter.has_room(endpoint)

    def ask(self, url: str, endpoint: Endpoint, tally: Tally, asked: bytes | None, authorization: str) -> bytes:
        """The body of a 200. Any other answer is raised as what it means."""
        began = self.clock()
        method, headers = ("GET", {}) if asked is None else ("POST", {"Content-Type": MEDIA_TYPE})
        allowed = partial(authorize, authorization)
        try:
            with self.session.request(
                method,
                url,
                data=asked,
                headers=headers,
                auth=allowed,
                stream=True,
                timeout=TIMEOUT,
                allow_redirects=False,
            ) as response:
                # Reading the raw stream costs half the CPU of `.content`, and notices a body cut short.
                packed = response.headers.get("Content-Encoding") == "gzip"
                body: bytes = response.raw.read(decode_content=not packed)
        finally:
            self.limiter.answered(endpoint)
        if packed:
            body = unpacked(body)
        self.latency += (self.clock() - began - self.latency) * SMOOTHING
        tally.count(bytes=len(body))
        if response.status_code == requests.codes.ok:
            self.contacted = True
            return body
        if response.status_code == requests.codes.too_many_requests:
            raise Throttled(retry_after(response) or 1.0)
        # A 403 in HTML comes from the network in front of Klaviyo, not from Klaviyo.
        is_told = "json" in response.headers.get("Content-Type", "") or bool(first_error(body))
        if response.status_code in RETRIED or not is_told:
            raise Faltering(f"status {response.status_code}", retry_after(response))
        raise refusal(response.status_code, body, endpoint, method)


def authorize(authorization: str, request: requests.PreparedRequest) -> requests.PreparedRequest:
    """As a header among others it would give way to what the user's netrc has for the host."""
    request.headers["Authorization"] = authorization
    return request


def post_form(url: str, form: Mapping[str, str], user: tuple[str, str]) -> tuple[int, bytes]:
    """Status and body of the answer to a form, beside the API; asked again where none comes. Raises Unreachable."""
    headers = {"Accept": "application/json", "User-Agent": user_agent()}
    trouble = ""
    for failures in range(1, FIRST_CONTACT_ATTEMPTS + 1):
        try:
            answer = requests.post(url, form, auth=user, headers=headers, timeout=TIMEOUT, allow_redirects=False)
        except requests.RequestException as error:
            trouble = cause(error)
        else:
            if answer.status_code not in RETRIED and answer.status_code != requests.codes.too_many_requests:
                return answer.status_code, answer.content
            trouble = f"status {answer.status_code}"
        stopping.sleep(backoff(failures))
    raise Unreachable(f"{url}: no usable answer after {FIRST_CONTACT_ATTEMPTS} tries: {trouble}")


def unpacked(body: bytes) -> bytes:
    """What was gzipped, in a third of the time that zlib takes. Raises MalformedPage where it is not whole."""
    parts = []
    while body:
        unpacker = isal_zlib.decompressobj(wbits=GZIP)
        try:
            parts.append(unpacker.decompress(body))
        except igzip_lib.IsalError:  # type: ignore[misc]  # its stub takes the class for an instance
            raise MalformedPage("not gzip as announced") from None
        if not unpacker.eof:
            raise MalformedPage("gzip cut short")
        body = unpacker.unused_data
    return b"".join(parts)


def user_agent() -> str:
    return f"klaviyo-etl/{version('klaviyo-etl')}"


class Throttled(Exception):
    """A 429, and the seconds Klaviyo asks us to wait."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


class Faltering(Exception):
    """An answer that another try may better."""

    def __init__(self, trouble: str, retry_after: float) -> None:
        super().__init__(trouble)
        self.retry_after = retry_after


def retry_after(response: requests.Response) -> float:
    text = response.headers.get("Retry-After", "")
    return float(text) if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) else 0.0


def backoff(failures: int) -> float:
    """Exponential, with jitter so that lanes do not come back together."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (failures - 1)) * random.uniform(0.75, 1.25)  # noqa: S311 - no secret


def cause(error: BaseException) -> str:
    """What broke, without addresses or headers."""
    if isinstance(error, Faltering | MalformedPage):
        return str(error)
    inner = getattr(error, "reason", None) or error.__cause__ or error.__context__
    return f"{type(error).__name__} ({type(inner).__name__})" if inner is not None else type(error).__name__


def refusal(status: int, body: bytes, endpoint: Endpoint, method: str = "GET") -> KlaviyoError:
    """The error that Klaviyo's answer means."""
    error = first_error(body)
    detail = str(error.get("detail") or error.get("title") or "no detail given")[:300]
    where = f"{method} {endpoint.path}"
    if status == requests.codes.unauthorized:
        return Unauthorized(f"{where}: not authorized (401): {detail}")
    if status == requests.codes.forbidden:
        return NotPermitted(f"{where}: not permitted (403); the key needs {', '.join(endpoint.scopes)}: {detail}")
    if status == requests.codes.gone:
        return RevisionRetired(
            f"{where}: gone (410): Klaviyo no longer serves it in the pinned revision; set sources.klaviyo.revision to a later one "
            f"of {', '.join(revisions())}, or update klaviyo-etl: {detail}"
        )
    if status == requests.codes.not_found:
        return NotFound(f"{where}: refused (404): {detail}")
    if status == requests.codes.bad_request and "cursor" in detail.lower():
        return CursorExpired(f"{where}: {detail}")
    return BadRequest(f"{where}: refused ({status}): {detail}")


def first_error(body: bytes) -> dict[str, Any]:
    try:
        errors = json.loads(body)["errors"]
    except (ValueError, KeyError, TypeError):
        return {}
    return errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
