"""A sandbox as a server: in a thread of its own for tests, or blocking for the command line."""

from __future__ import annotations

import gc
import socket
import threading
import time
from typing import Any, Final, Self

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from sandbox import control
from sandbox.account import Account
from sandbox.api import Api
from sandbox.oauth import Endpoints
from sandbox.settings import Settings

SECONDS_TO_START: Final = 10


def create_app(account: Account, settings: Settings | None = None) -> Starlette:
    api = Api(account, settings or Settings())
    app = Starlette(routes=[*control.routes(api), *Endpoints(api).routes(), Route("/api/{path:path}", api)])
    app.state.api = api
    return app


class Sandbox:
    """A sandbox on a free loopback port while the `with` block lasts."""

    def __init__(self, account: Account, **settings: Any) -> None:  # noqa: ANN401 - the fields of Settings
        self.account = account
        self.app = create_app(account, Settings(**settings))
        self._socket = bound("127.0.0.1", 0)
        self._server = uvicorn.Server(_config(self.app))
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True)

    @property
    def api(self) -> Api:
        api: Api = self.app.state.api
        return api

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def changed(self) -> None:
        """To be called after changing `account` directly; changes ordered over HTTP need no such call."""
        self.api.changed()

    def start(self) -> None:
        self._thread.start()
        deadline = time.monotonic() + SECONDS_TO_START
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError("The sandbox did not start")
            time.sleep(0.002)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def bound(host: str, port: int) -> socket.socket:
    """A socket for a server there; port 0 is any that is free. Raises OSError."""
    family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    # Naming the protocol matters: without it asyncio leaves Nagle's algorithm on, at 40 ms an answer.
    found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
    except OSError:
        found.close()
        raise
    return found


def serve(account: Account, at: socket.socket, settings: Settings | None = None, *, tls: str | None = None) -> None:
    """Serve until interrupted; over TLS, for clients that insist, with a file that holds a key and its certificate."""
    gc.freeze()  # or each collection would look through the whole account: a third of the time of a page
    uvicorn.Server(_config(create_app(account, settings), ssl_certfile=tls)).run(sockets=[at])


def _config(app: Starlette, **options: Any) -> uvicorn.Config:  # noqa: ANN401 - options of uvicorn
    api: Api = app.state.api
    return uvicorn.Config(
        app,
        http=api.connections.protocol(),
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
        backlog=1024,
        **options,
    )
