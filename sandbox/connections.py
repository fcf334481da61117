"""The sockets behind the requests, for the faults that ASGI has no word for."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Final

from starlette.types import Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

NO_LINGER: Final = struct.pack("ii", 1, 0)

Address = tuple[str, int]


class Connections:
    """The open connections by the client's address."""

    def __init__(self) -> None:
        self._transports: dict[Address, asyncio.Transport] = {}

    def protocol(self) -> type[asyncio.Protocol]:
        """The server's HTTP protocol, keeping this list."""
        transports = self._transports

        class Listed(H11Protocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # a socket's, always
                super().connection_made(transport)
                if self.client is not None:
                    transports[self.client] = transport

            def connection_lost(self, exc: Exception | None) -> None:
                super().connection_lost(exc)
                if self.client is not None:
                    transports.pop(self.client, None)

        return Listed

    def close(self, scope: Scope) -> None:
        """End the connection in order, whatever the response still owes."""
        self._transport(scope).close()

    def reset(self, scope: Scope) -> None:
        """End the connection with an RST."""
        transport = self._transport(scope)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        transport.abort()

    def _transport(self, scope: Scope) -> asyncio.Transport:
        host, port = scope["client"]
        return self._transports[host, port]
