"""An app's access to an account, in place of a private key: how it is asked for, kept fresh, and given back.

Klaviyo's words: an access token lives an hour; a refresh token until the app is removed, it is revoked, or 90 days pass
without use. Whether a refresh token may be used twice is not said, so the one of the latest answer is the one that is kept.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import urlencode

import msgspec

from sources.klaviyo.client import post_form
from sources.klaviyo.errors import KlaviyoError, Unauthorized, Unreachable

HOST: Final = "https://a.klaviyo.com"
CONSENT_HOST: Final = "https://www.klaviyo.com"
"""Where merchants log in; tokens are not given out there."""
EARLY: Final = 60
"""Seconds before its end that an access token is renewed: requests take their time."""
LOG_IN: Final = "klaviyo-etl auth login"


@dataclass(frozen=True, kw_only=True)
class App:
    """As Klaviyo knows it."""

    client_id: str
    client_secret: str = field(repr=False)
    base_url: str = HOST

    def consent_address(self, *, redirect: str, scopes: Iterable[str], state: str, verifier: str) -> str:
        """The page on which a merchant lets the app in."""
        host = CONSENT_HOST if self.base_url == HOST else self.base_url
        asked = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": redirect,
            "scope": " ".join(sorted(scopes)),
            "state": state,
            "code_challenge_method": "S256",
            "code_challenge": challenge(verifier),
        }
        return f"{host}/oauth/authorize?{urlencode(asked)}"

    def exchange(self, code: str, *, redirect: str, verifier: str) -> Grant:
        """The tokens for a code. Raises a KlaviyoError."""
        return self.granted(grant_type="authorization_code", code=code, redirect_uri=redirect, code_verifier=verifier)

    def refresh(self, grant: Grant) -> Grant:
        """Fresh tokens. Raises a KlaviyoError."""
        fresh = self.granted(grant_type="refresh_token", refresh_token=grant.refresh_token)
        return msgspec.structs.replace(
            fresh, refresh_token=fresh.refresh_token or grant.refresh_token, scope=fresh.scope or grant.scope
        )

    def revoke(self, grant: Grant) -> None:
        """End the app's access. Raises a KlaviyoError."""
        self.post("revoke", token=grant.refresh_token, token_type_hint="refresh_token")  # noqa: S106 - the kind of token

    def granted(self, **form: str) -> Grant:
        began = time.time()
        try:
            answer = msgspec.json.decode(self.post("token", **form), type=Answer)
        except msgspec.MsgspecError:
            raise Unreachable(f"{self.base_url}/oauth/token: an answer without tokens") from None
        return Grant(
            client_id=self.client_id,
            access_token=answer.access_token,
            refresh_token=answer.refresh_token,
            expires_at=began + answer.expires_in,
            scope=answer.scope,
        )

    def post(self, what: str, **form: str) -> bytes:
        status, body = post_form(f"{self.base_url}/oauth/{what}", form, (self.client_id, self.client_secret))
        if status // 100 == 2:  # noqa: PLR2004 - a success
            return body
        raise refusal(what, status, body)


class Answer(msgspec.Struct):
    access_token: str
    expires_in: float
    refresh_token: str = ""
    scope: str = ""


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What the app holds of one account."""

    client_id: str
    access_token: str
    refresh_token: str
    expires_at: float
    scope: str = ""

    def __repr__(self) -> str:
        return f"Grant({self.scope!r})"

    @property
    def header(self) -> str:
        return f"Bearer {self.access_token}"


def challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def new_secret() -> str:
    """For a state or a verifier: 43 characters nobody guesses."""
    return secrets.token_urlsafe(32)


def refusal(what: str, status: int, body: bytes) -> KlaviyoError:
    """The error that Klaviyo's answer means, without what was sent."""
    try:
        answer: Any = msgspec.json.decode(body)
        error = str(answer.get("error") or "")
    except (msgspec.MsgspecError, AttributeError):
        error = ""
    if error == "invalid_client":
        return Unauthorized("Klaviyo does not know the app: check client_id and client_secret")
    if error in {"invalid_grant", "invalid_grant_type"}:
        return Unauthorized(
            "Klaviyo accepts the app's tokens no longer: they were revoked, the app was removed, or 90 days went by without a "
            f"run; to let it in again: {LOG_IN}"
        )
    return Unreachable(f"oauth/{what}: refused ({status}): {error[:100] or 'no reason given'}")


class Store(Protocol):
    """Where tokens are kept between runs."""

    def read(self) -> Grant | None: ...

    def replacing(self) -> AbstractContextManager[Callable[[Grant], None]]:
        """Within, no other process replaces tokens, and there is room for new ones."""


@dataclass
class Tokens:
    """The right to ask, renewed as needed. Thread-safe: whoever comes first renews for all, in other processes too."""

    app: App
    store: Store
    clock: Callable[[], float] = time.time
    grant: Grant | None = field(default=None, repr=False)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    advice: str = f"Klaviyo refuses an access token that it has just given (401); to let the app in again: {LOG_IN}"

    def header(self) -> str:
        """Raises a KlaviyoError."""
        with self.lock:
            grant = self.grant or self.kept()
            self.grant = grant if self.clock() < grant.expires_at - EARLY else self.renewed(grant)
            return self.grant.header

    def renew(self, refused: str) -> bool:
        """After Klaviyo has refused a header: whether there is another. Raises a KlaviyoError."""
        with self.lock:
            if self.grant and self.grant.header == refused:
                self.grant = self.renewed(self.grant)
            return True

    def keep(self, grant: Grant) -> None:
        """What somebody has let the app in with."""
        with self.lock, self.store.replacing() as replace:
            replace(grant)
            self.grant = grant

    def renewed(self, stale: Grant) -> Grant:
        with self.store.replacing() as replace:
            kept = self.kept()
            if kept.access_token != stale.access_token and self.clock() < kept.expires_at - EARLY:
                return kept
            fresh = self.app.refresh(kept)
            replace(fresh)
            return fresh

    def kept(self) -> Grant:
        grant = self.store.read()
        if grant is None or grant.client_id != self.app.client_id:
            raise Unauthorized(f"no tokens of this app are kept for the account; to let it in: {LOG_IN}")
        return grant
