"""Who may ask, and in which revision."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from sandbox.contract import Endpoint
from sandbox.errors import authentication_failed, invalid, not_authenticated, permission_denied, retired
from sandbox.oauth import OAuth
from sandbox.settings import ALL_SCOPES, Settings

Headers = Mapping[str, str]

REVISION: Final = re.compile(r"\d{4}-\d{2}-\d{2}(\.[a-z]+)?")


def authenticate(headers: Headers, settings: Settings, oauth: OAuth) -> tuple[str, frozenset[str]]:
    """The key or token, and its scopes."""
    kind, _, secret = headers.get("authorization", "").partition(" ")
    if kind == "Bearer":
        scopes = settings.tokens.get(secret) or oauth.scopes(secret, settings.time().timestamp())
        if scopes is None:
            raise authentication_failed()
        return secret, scopes
    if kind != "Klaviyo-API-Key" or secret not in settings.keys:
        raise not_authenticated()
    return secret, settings.keys[secret]


def permit(endpoint: Endpoint, scopes: frozenset[str]) -> None:
    missing = sorted(set(endpoint.facts.scopes) - scopes)
    if missing and scopes != ALL_SCOPES:
        raise permission_denied(missing)


def served_revision(headers: Headers, settings: Settings) -> str:
    """The revision in whose shape to answer: a retired one falls forward to the oldest that is still alive."""
    revision = headers.get("revision", "")
    if not revision:
        raise invalid("A revision header is required.", parameter="revision")
    if revision in settings.retired:
        if headers.get("x-klaviyo-revision-fall-forward-opt-out") == "1":
            raise retired(revision)
        return min(settings.revisions)
    if revision not in settings.revisions:
        what = "Unknown" if REVISION.fullmatch(revision) else "Malformed"
        raise invalid(f"{what} revision '{revision}'.", parameter="revision")
    return revision
