"""How an answer reaches the client: whole, or as a fault has it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from starlette.types import Receive, Scope, Send

from sandbox.answer import Answer
from sandbox.connections import Connections
from sandbox.faults import Fault

PIECES: Final = 20


@dataclass(frozen=True, slots=True)
class Delivery:
    connections: Connections
    scope: Scope
    receive: Receive
    send: Send

    async def deliver(self, answer: Answer, fault: Fault | None) -> None:
        match fault:
            case Fault(kind="reset"):
                await self._half(answer, len(answer.body))
                self.connections.reset(self.scope)
                await self._disconnected()
            case Fault(kind="truncated", how="gzip" | "json"):
                await self._whole(Answer(answer.status, answer.body[: len(answer.body) // 2], answer.headers))
            case Fault(kind="truncated", how=how):
                await self._half(answer, len(answer.body) if how == "length" else None)
                self.connections.close(self.scope)
                await self._disconnected()
            case Fault(kind="slow"):
                await self._trickle(answer, fault.seconds)
            case _:
                await self._whole(answer)

    async def _whole(self, answer: Answer) -> None:
        await self.send(answer.head(len(answer.body)))
        await self._body(answer.body, more=False)

    async def _half(self, answer: Answer, announced: int | None) -> None:
        await self.send(answer.head(announced))
        await self._body(answer.body[: len(answer.body) // 2], more=True)

    async def _trickle(self, answer: Answer, seconds: float) -> None:
        await self.send(answer.head(len(answer.body)))
        step = max(1, -(-len(answer.body) // PIECES))
        for start in range(0, len(answer.body), step):
            await asyncio.sleep(seconds / PIECES)
            await self._body(answer.body[start : start + step], more=True)
        await self._body(b"", more=False)

    async def _body(self, body: bytes, *, more: bool) -> None:
        await self.send({"type": "http.response.body", "body": body, "more_body": more})

    async def _disconnected(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass
