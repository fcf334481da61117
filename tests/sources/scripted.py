"""A server that answers what it is told, in order: for answers that no account would give."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

EMPTY = b'{"data":[],"links":{"next":null}}'


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: bytes = EMPTY
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    """Close the connection after so many bytes of the body."""
    reset: bool = False
    """Reset the connection instead of answering."""


@dataclass
class Asked:
    path: str
    headers: dict[str, str]
    connection: int
    """The port it came from."""
    method: str = "GET"
    body: bytes = b""


class Scripted:
    """Answers with the replies in turn, and with the last one ever after."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = [*replies] or [Reply()]
        self.asked: list[Asked] = []
        script = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = self.rfile.read(int(headers.get("content-length", "0")))
                script.asked.append(Asked(self.path, headers, self.client_address[1], self.command, body))
                script.answer(self)

            do_POST = do_GET  # noqa: N815 - as http.server calls it

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        reply = self.replies[min(len(self.asked), len(self.replies)) - 1]
        if reply.reset:
            connection: Any = handler.connection
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.close_connection = True
            connection.close()
            return
        handler.send_response(reply.status)
        for name, value in {"Content-Type": "application/vnd.api+json", **reply.headers}.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(reply.body)))
        handler.end_headers()
        handler.wfile.write(reply.body[: reply.cut])
        handler.close_connection = handler.close_connection or reply.cut is not None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
