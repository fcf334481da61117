"""Klaviyo's OAuth: the page on which a merchant lets an app in, the exchange of codes for tokens, and their end.

Whoever opens the page consents. A code lives five minutes, an access token an hour, a refresh token until it is revoked or 90 days unused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox.settings import Settings

CODE_SECONDS: Final = 300
UNUSED_SECONDS: Final = 90 * 86_400


class Refused(Exception):
    """An error of OAuth, which is no JSON:API document."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.status = status
        self.body = {"error": error, "error_description": description}


@dataclass
class Consent:
    """What one merchant allows one app."""

    client: str
    scope: str
    challenge: str = ""
    redirect: str = ""
    refresh: str = ""
    used_at: float = 0.0

    @property
    def scopes(self) -> frozenset[str]:
        return frozenset(self.scope.split())


@dataclass
class OAuth:
    """Codes and tokens that have been given out."""

    codes: dict[str, tuple[Consent, float]] = field(default_factory=dict)
    access: dict[str, tuple[Consent, float]] = field(default_factory=dict)
    refresh: dict[str, Consent] = field(default_factory=dict)

    def scopes(self, token: str, now: float) -> frozenset[str] | None:
        """What an access token allows; None where it is not, or no longer, one."""
        consent, ends = self.access.get(token, (None, 0.0))
        return consent.scopes if consent and now < ends else None

    def app_of(self, token: str) -> str:
        """Whose token it is."""
        return self.access[token][0].client if token in self.access else ""

    def authorize(self, asked: Mapping[str, str], settings: Settings, now: float) -> str:
        """Where to send the browser. Raises Refused where that is not known."""
        client, redirect = asked.get("client_id", ""), asked.get("redirect_uri", "")
        if client not in settings.apps:
            raise Refused("invalid_client", "No app has this client_id.")
        if urlsplit(redirect).scheme not in ("http", "https"):
            raise Refused("invalid_request", "redirect_uri is missing or malformed.")
        answer = {"state": asked.get("state", "")}
        if asked.get("response_type") != "code":
            answer |= {"error": "unsupported_response_type"}
        elif asked.get("code_challenge_method") != "S256" or not asked.get("code_challenge"):
            answer |= {"error": "invalid_request", "error_description": "code_challenge with S256 is required."}
        elif not settings.consents:
            answer |= {"error": "access_denied", "error_description": "The merchant did not allow the app."}
        else:
            code = secrets.token_urlsafe(24)
            consent = Consent(client, asked.get("scope", ""), asked["code_challenge"], redirect)
            self.codes[code] = consent, now + CODE_SECONDS
            answer |= {"code": code}
        return f"{redirect}?{urlencode(answer)}"

    def token(self, client: str, asked: Mapping[str, str], settings: Settings, now: float) -> dict[str, Any]:
        """Tokens for a code, or for a refresh token. Raises Refused."""
        kind = asked.get("grant_type")
        if kind == "authorization_code":
            consent = self.exchanged(client, asked, now)
        elif kind == "refresh_token":
            consent = self.refreshed(client, asked.get("refresh_token", ""), settings, now)
        else:
            raise Refused("invalid_grant_type", "grant_type must be authorization_code or refresh_token.")
        consent.used_at = now
        token = f"at_{secrets.token_urlsafe(24)}"
        self.access[token] = consent, now + settings.token_seconds
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": settings.token_seconds,
            "refresh_token": consent.refresh,
            "scope": consent.scope,
        }

    def exchanged(self, client: str, asked: Mapping[str, str], now: float) -> Consent:
        consent, ends = self.codes.pop(asked.get("code", ""), (None, 0.0))
        if consent is None or now >= ends or (consent.client, consent.redirect) != (client, asked.get("redirect_uri")):
            raise Refused("invalid_grant", "The code is unknown, used, expired or of another app or redirect_uri.")
        if challenge(asked.get("code_verifier", "")) != consent.challenge:
            raise Refused("invalid_grant", "Invalid code_verifier.")
        self.renew(consent)
        return consent

    def refreshed(self, client: str, token: str, settings: Settings, now: float) -> Consent:
        consent = self.refresh.get(token)
        if consent is None or consent.client != client or now - consent.used_at > UNUSED_SECONDS:
            raise Refused("invalid_grant", "The refresh token is unknown, expired or revoked.")
        if settings.rotates:
            del self.refresh[token]
            self.renew(consent)
        return consent

    def renew(self, consent: Consent) -> None:
        consent.refresh = f"rt_{secrets.token_urlsafe(24)}"
        self.refresh[consent.refresh] = consent

    def revoke(self, token: str) -> None:
        """Ends what the app was allowed; an unknown token is no error."""
        consent = self.refresh.get(token) or self.access.get(token, (None, 0.0))[0]
        if consent:
            self.refresh = {one: of for one, of in self.refresh.items() if of is not consent}
            self.access = {one: of for one, of in self.access.items() if of[0] is not consent}


def challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def client_of(request: Request, settings: Settings) -> str:
    """The app that asks, by HTTP Basic. Raises Refused."""
    kind, _, encoded = request.headers.get("authorization", "").partition(" ")
    try:
        client, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        client = secret = ""
    if kind != "Basic" or not secret or settings.apps.get(client) != secret:
        raise Refused("invalid_client", "Client authentication failed.", 401)
    return client


class Endpoints:
    """Below `/oauth/`, of a sandbox whose settings may change."""

    def __init__(self, api: Any) -> None:  # noqa: ANN401 - Api, which knows this module
        self.api = api

    def routes(self) -> list[Route]:
        return [
            Route("/oauth/authorize", self.authorize, methods=["GET"]),
            Route("/oauth/token", self.token, methods=["POST"]),
            Route("/oauth/revoke", self.revoke, methods=["POST"]),
        ]

    async def authorize(self, request: Request) -> Response:
        settings = self.api.settings
        try:
            place = self.api.oauth.authorize(dict(request.query_params), settings, settings.time().timestamp())
        except Refused as refused:
            return PlainTextResponse(str(refused), refused.status)
        return RedirectResponse(place, 302)

    async def token(self, request: Request) -> Response:
        return await self.answer(request, self.issue)

    def issue(self, client: str, asked: Mapping[str, str]) -> Response:
        settings = self.api.settings
        return JSONResponse(self.api.oauth.token(client, asked, settings, settings.time().timestamp()))

    async def revoke(self, request: Request) -> Response:
        def end(_client: str, asked: Mapping[str, str]) -> Response:
            self.api.oauth.revoke(asked.get("token", ""))
            return Response()

        return await self.answer(request, end)

    async def answer(self, request: Request, what: Any) -> Response:  # noqa: ANN401 - what becomes of a form
        form = dict(parse_qsl((await request.body()).decode()))
        try:
            answer: Response = what(client_of(request, self.api.settings), form)
        except Refused as refused:
            answer = JSONResponse(refused.body, refused.status)
        asked = {
            "method": "POST",
            "path": request.url.path,
            "query": form.get("grant_type", ""),
            "status": answer.status_code,
        }
        self.api.requests.append(asked | {"key": None, "fault": None})
        return answer
