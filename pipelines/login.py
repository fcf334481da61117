"""`auth login`: a merchant lets the app in, in a browser, and Klaviyo sends the browser back to a port of this machine."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from pipelines.errors import ConfigurationError, RunError
from pipelines.identity import refused, shown
from pipelines.settings import Settings, token_file
from sources.klaviyo import contract
from sources.klaviyo.errors import KlaviyoError
from sources.klaviyo.oauth import App, Grant, Tokens, new_secret
from sources.klaviyo.resources import select

HOST: Final = "127.0.0.1"
PATH: Final = "/callback"


@dataclass
class Login:
    """One attempt, which nobody else can finish."""

    app: App
    scopes: Iterable[str]
    port: int
    seconds: float = 300.0
    """That Klaviyo keeps its code for."""
    state: str = field(default_factory=new_secret, repr=False)
    verifier: str = field(default_factory=new_secret, repr=False)

    @property
    def redirect(self) -> str:
        return f"http://{HOST}:{self.port}{PATH}"

    @property
    def address(self) -> str:
        return self.app.consent_address(
            redirect=self.redirect, scopes=self.scopes, state=self.state, verifier=self.verifier
        )

    def perform(self, show: Callable[[str], None]) -> Grant:
        """Show somebody the address, and wait until they have been there. Raises RunError."""
        try:
            server = Callback(self)
        except OSError as error:
            raise ConfigurationError(f"--port {self.port}: {str(error.strerror).lower()}") from None
        with server:
            show(self.address)
            code = server.wait(self.seconds)
        try:
            return self.app.exchange(code, redirect=self.redirect, verifier=self.verifier)
        except KlaviyoError as error:
            raise refused(error) from error

    def asked_for(self, answer: Mapping[str, str]) -> bool:
        """Whether it is the answer to this attempt: any page could send a browser here."""
        return hmac.compare_digest(answer.get("state", "").encode(), self.state.encode())

    def code(self, answer: Mapping[str, str]) -> str:
        """What the browser brings back. Raises RunError where it is a refusal."""
        if answer.get("error"):
            why = answer.get("error_description") or answer["error"]
            raise RunError(f"Klaviyo did not let the app in: {why[:200]}")
        if not answer.get("code"):
            raise RunError("Klaviyo sent neither a code nor a reason")
        return answer["code"]


class Callback(HTTPServer):
    """Answers one browser."""

    def __init__(self, login: Login) -> None:
        self.login = login
        self.code = ""
        self.failure: RunError | None = None
        super().__init__((HOST, login.port), Page)
        login.port = self.server_port

    def wait(self, seconds: float) -> str:
        deadline = time.monotonic() + seconds
        while not self.code and not self.failure and (left := deadline - time.monotonic()) > 0:
            self.timeout = left
            self.handle_request()
        if self.failure:
            raise self.failure
        if not self.code:
            raise RunError(f"nobody let the app in within {seconds:.0f} s: klaviyo-etl auth login")
        return self.code


class Page(BaseHTTPRequestHandler):
    server: Callback
    timeout = 2
    """Seconds that a connection may say nothing: browsers open some in advance."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path != PATH:
            self.answer(404, "Not here.")
            return
        login, answer = self.server.login, dict(parse_qsl(parts.query))
        if not login.asked_for(answer):
            self.answer(400, "This is the answer to another attempt. klaviyo-etl still waits for its own.")
            return
        try:
            self.server.code = login.code(answer)
            self.answer(200, "Done. klaviyo-etl goes on; this page can be closed.")
        except RunError as error:
            self.server.failure = error
            self.answer(400, "This did not work; klaviyo-etl says why.")

    def answer(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """The code is in the address."""


def needed_scopes(revision: str, resources: Iterable[str]) -> frozenset[str]:
    """What runs read, and whose it is."""
    facts = contract.load(revision)
    wanted = select([*resources] or None, revision)
    return frozenset(
        {"accounts:read", *(scope for one in wanted for scope in facts.collection(one.host.endpoint).scopes)}
    )


def app_tokens(settings: Settings) -> Tokens:
    """Raises ConfigurationError where the account is read by a key."""
    if settings.tokens is None:
        raise ConfigurationError("the account is read by an api_key; an app needs client_id and client_secret instead")
    return settings.tokens


def access(settings: Settings) -> list[tuple[str, str]]:
    """What the app holds, as Klaviyo confirms it now. Raises RunError."""
    tokens = app_tokens(settings)
    account = shown(settings)
    try:
        grant = tokens.kept()
    except KlaviyoError as error:
        raise refused(error) from None
    ends = datetime.fromtimestamp(grant.expires_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return [
        ("account", account or "not told: accounts:read is lacking"),
        ("app", grant.client_id),
        ("may read", grant.scope),
        ("access token ends", f"{ends}, and is renewed"),
        ("kept in", str(token_file().path)),
    ]


def log_out(tokens: Tokens) -> None:
    """Raises RunError where Klaviyo does not confirm it; then the tokens stay."""
    try:
        tokens.app.revoke(tokens.kept())
    except KlaviyoError as error:
        raise refused(error) from None
    token_file().remove()
