"""The API below `/api/`, as an ASGI application."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from isal import isal_zlib
from starlette.types import Receive, Scope, Send

from sandbox import contract as contracts
from sandbox.access import authenticate, permit, served_revision
from sandbox.account import Account
from sandbox.aggregates import aggregate
from sandbox.answer import Answer
from sandbox.connections import Connections
from sandbox.contract import Contract, Endpoint, Match
from sandbox.delivery import Delivery
from sandbox.errors import ApiError, method_not_allowed, no_such_path
from sandbox.faults import Fault, Faults, instead
from sandbox.limits import Windows
from sandbox.oauth import OAuth
from sandbox.performance import Performance
from sandbox.query import read
from sandbox.reads import Reader
from sandbox.reports import report
from sandbox.settings import Settings
from sandbox.timelines import Timelines

MEDIA_TYPE: Final = "application/vnd.api+json"
WORTH_COMPRESSING: Final = 500
REQUESTS_KEPT: Final = 100_000

encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Request:
    method: str
    path: str
    base: str
    address: str
    """Where it was sent to, as it was spelled, without the query."""
    query: str
    headers: dict[str, str]
    body: bytes
    key: str | None = None

    @classmethod
    async def receive(cls, scope: Scope, receive: Receive) -> Request:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        base = f"{scope['scheme']}://{headers.get('host', 'localhost')}"
        address = base + scope["raw_path"].decode()
        return cls(scope["method"], scope["path"], base, address, scope["query_string"].decode(), headers, body)

    @property
    def accepts_gzip(self) -> bool:
        return "gzip" in self.headers.get("accept-encoding", "")


class Api:
    """One account, its settings and what has been asked of it."""

    def __init__(self, account: Account, settings: Settings) -> None:
        self.account = account
        self.settings = settings
        self.timelines = Timelines(account)
        self.performance = Performance(account, self.timelines)
        self.windows = Windows()
        self.reader = Reader(account, self.timelines)
        self.faults = Faults()
        self.connections = Connections()
        self.oauth = OAuth()
        self.requests: deque[dict[str, Any]] = deque(maxlen=REQUESTS_KEPT)

    def changed(self) -> None:
        """Tell that the account has been changed, so that nothing remembered of it outlives the change."""
        self.reader.forget()
        self.timelines.forget()
        self.performance.forget()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = await Request.receive(scope, receive)
        settings = self.settings
        if settings.latency or settings.jitter:
            await asyncio.sleep(settings.latency + random.random() * settings.jitter)
        fault = self.faults.strike(request.path, request.query)
        answer = self.answer(request, fault)
        self._log(request, answer, fault)
        await Delivery(self.connections, scope, receive, send).deliver(answer, fault)

    def answer(self, request: Request, fault: Fault | None = None) -> Answer:
        headers: dict[str, str] = {}
        try:
            replaced = instead(fault)
            if isinstance(replaced, Answer):
                return replaced
            if replaced is not None:
                raise replaced
            document = self._document(request, headers)
        except ApiError as error:
            return self._packed(request, Answer(error.status, encode(error.body), headers | error.headers))
        body = document if isinstance(document, bytes) else encode(document)
        return self._packed(request, Answer(200, body, headers))

    def _document(self, request: Request, headers: dict[str, str]) -> dict[str, Any] | bytes:
        request.key, scopes = authenticate(request.headers, self.settings, self.oauth)
        match = self._match(request, contracts.load(served_revision(request.headers, self.settings)))
        parameters = parse_qsl(request.query, keep_blank_values=True)
        # Keys share the account's quotas; every OAuth app has its own.
        share = self.oauth.app_of(request.key) or (request.key if request.key in self.settings.tokens else "")
        headers |= self.windows.take(match.endpoint, parameters, self.settings, share)
        permit(match.endpoint, scopes)
        if match.endpoint.kind == "report":
            return self._report(match.endpoint, request)
        return self.reader.document(match, request.base, request.address, request.query, self.settings.time())

    def _report(self, endpoint: Endpoint, request: Request) -> dict[str, Any]:
        query = read(request.query, endpoint)
        if endpoint.facts.operation == "query_metric_aggregates":
            return aggregate(self.account, self.timelines, query, request.body, request.address)
        return report(
            self.account,
            self.performance,
            self.settings,
            endpoint,
            query=query,
            body=request.body,
            address=request.address,
        )

    def _match(self, request: Request, contract: Contract) -> Match:
        path = request.path.removeprefix("/api/")
        match = contract.match(request.method, path)
        if match is None:
            raise method_not_allowed(request.method) if contract.knows(path) else no_such_path(request.path)
        return match

    def _packed(self, request: Request, answer: Answer) -> Answer:
        answer.headers["Content-Type"] = MEDIA_TYPE
        if self.settings.gzip and request.accepts_gzip and len(answer.body) > WORTH_COMPRESSING:
            answer.body = isal_zlib.compress(answer.body, level=1, wbits=31)
            answer.headers["Content-Encoding"] = "gzip"
        return answer

    def _log(self, request: Request, answer: Answer, fault: Fault | None) -> None:
        self.requests.append(
            {
                "method": request.method,
                "path": request.path,
                "query": request.query,
                "status": answer.status,
                "key": request.key,
                "fault": fault and fault.kind,
            }
        )
