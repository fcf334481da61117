"""Tells whoever watches when a run starts, succeeds and fails: a ping for a dead man's switch, a message for a chat."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import dlt
import requests

from pipelines.errors import ConfigurationError, Exit, RunError

log = logging.getLogger(__name__)

TIMEOUT: Final = 10
"""Seconds; a notice that does not get through must not hold up a run."""

MEANINGS: Final = {
    Exit.FAILED: "failed; what was loaded stays, the next run goes on",
    Exit.MISUSED: "wrong use or configuration",
    Exit.LOCKED: "another run is loading the same",
    Exit.NEEDS_A_PERSON: "done, but something was left out that needs a person: klaviyo-etl status",
    Exit.STOPPED: "stopped by a signal; the next run goes on",
}


@dataclass
class Ending:
    """How a command ended, as far as it says so itself."""

    code: Exit = Exit.DONE


@dataclass(frozen=True)
class Notices:
    ping_url: str = field(default="", repr=False)
    """Asked with /start, then as it is or with /fail: the way of healthchecks.io and others."""
    webhook_url: str = field(default="", repr=False)
    """Is sent {"text": …} when a run fails or needs a person: Slack, and what understands the same."""

    @contextmanager
    def about(self, command: str) -> Iterator[Ending]:
        """Tell of a command as it starts and ends. Another run that holds the lock tells of itself."""
        self.ping("/start")
        ending = Ending()
        try:
            yield ending
        except RunError as error:
            self.ended(command, error.exit, str(error))
            raise
        except BaseException as error:
            self.ended(command, Exit.FAILED, type(error).__name__)
            raise
        self.ended(command, ending.code, MEANINGS.get(ending.code, ""))

    def ended(self, command: str, code: Exit, why: str) -> None:
        self.pulse(code)
        if code not in (Exit.DONE, Exit.LOCKED):
            self.message(f"klaviyo-etl {command}: exit code {int(code)}: {why}")

    def pulse(self, code: Exit) -> None:
        """The last ping."""
        if code is not Exit.LOCKED:
            self.ping("" if code is Exit.DONE else "/fail")

    def message(self, text: str) -> None:
        if self.webhook_url:
            self.send("webhook_url", "POST", self.webhook_url, {"text": text})

    def ping(self, what: str) -> None:
        if self.ping_url:
            self.send("ping_url", "GET", self.ping_url.rstrip("/") + what)

    def send(self, setting: str, method: str, url: str, body: dict[str, str] | None = None) -> None:
        """Whatever goes wrong here is told, and changes nothing of the run."""
        try:
            requests.request(method, url, json=body, timeout=TIMEOUT).raise_for_status()
        except requests.RequestException as error:
            status = f" ({error.response.status_code})" if error.response is not None else ""
            log.warning("notifications.%s: not delivered: %s%s", setting, type(error).__name__, status)


def read_notices() -> Notices:
    """Raises ConfigurationError naming the setting that is no address."""
    return Notices(ping_url=url("ping_url"), webhook_url=url("webhook_url"))


def url(name: str) -> str:
    found: object = dlt.secrets.get(f"notifications.{name}")
    text = str(found or "").strip()
    if text and not text.startswith(("http://", "https://")):
        raise ConfigurationError(f"notifications.{name} must start with https://")
    return text
