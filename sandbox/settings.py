"""What a sandbox is told when it starts, and may be told anew while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal

ALL_SCOPES: Final = frozenset({"*"})

RETIRED: Final = (
    "2022-10-17", "2023-01-24", "2023-02-22", "2023-06-15", "2023-07-15", "2023-08-15", "2023-09-15", "2023-10-15",
    "2023-12-15", "2024-02-15", "2024-05-15", "2024-06-15", "2024-07-15", "2024-10-15",
)  # fmt: skip


def full_access() -> dict[str, frozenset[str]]:
    return {"pk_sandbox": ALL_SCOPES}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Defaults are the API's own behaviour, except that nothing takes time."""

    keys: Mapping[str, frozenset[str]] = field(default_factory=full_access)
    """`{private key: scopes}`, such as `{"pk_narrow": frozenset({"events:read"})}`."""
    tokens: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """`{OAuth access token: scopes}`."""

    apps: Mapping[str, str] = field(default_factory=lambda: {"sandbox": "sandbox_secret"})
    """`{client_id: client_secret}` of apps that merchants may let in."""
    consents: bool = True
    """Whether merchants do."""
    token_seconds: float = 3600
    """That an access token lives."""
    rotates: bool = True
    """Whether a refresh token can be used once only; the real API does not say."""

    limits: Literal["strict", "scaled", "off"] = "strict"
    limits_factor: float = 1.0
    """With `scaled`, every quota of the contract times this."""

    latency: float = 0.0
    jitter: float = 0.0
    """Seconds before each answer: `latency`, plus up to `jitter` more, evenly spread."""

    revisions: tuple[str, ...] = ("2026-07-15", "2026-10-15")
    """Those that are served, each in its own shape."""
    retired: tuple[str, ...] = RETIRED
    """Served in the shape of the oldest of `revisions`, or refused if the client opted out of falling forward."""

    report_page: int = 100
    """Rows in one page of those reports that have pages; how many the real one holds is not published."""

    gzip: bool = True
    """Compress for clients that accept it."""

    now: datetime | None = None
    """The clock of the API, standing still; the real one if None."""

    def time(self) -> datetime:
        return self.now or datetime.now(UTC)
