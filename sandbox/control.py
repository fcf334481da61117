"""The levers of the sandbox, below `/sandbox/`: faults, changes, settings, the truth, and what has been asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import asdict, fields
from importlib import import_module
from itertools import islice
from typing import Any, Final, TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from sandbox.account import Account, Event, Object
from sandbox.api import Api
from sandbox.faults import Fault
from sandbox.settings import Settings

LINES_AT_A_TIME: Final = 500

Json = dict[str, Any]
T = TypeVar("T")


def routes(api: Api) -> list[Route]:
    control = Control(api)
    return [
        Route("/sandbox/faults", control.faults, methods=["GET"]),
        Route("/sandbox/faults", control.add_fault, methods=["POST"]),
        Route("/sandbox/faults", control.forget_faults, methods=["DELETE"]),
        Route("/sandbox/changes", control.change, methods=["POST"]),
        Route("/sandbox/account", control.counts, methods=["GET"]),
        Route("/sandbox/account/{type}", control.objects, methods=["GET"]),
        Route("/sandbox/requests", control.requests, methods=["GET"]),
        Route("/sandbox/requests", control.forget_requests, methods=["DELETE"]),
        Route("/sandbox/settings", control.settings, methods=["GET"]),
        Route("/sandbox/settings", control.set, methods=["PUT"]),
    ]


class Control:
    def __init__(self, api: Api) -> None:
        self.api = api

    async def faults(self, _: Request) -> Response:
        return _json(self.api.faults.ordered)

    async def add_fault(self, request: Request) -> Response:
        fault = _decoded(await request.body(), Fault)
        self.api.faults.ordered.append(fault)
        return _json(fault)

    async def forget_faults(self, _: Request) -> Response:
        self.api.faults.ordered.clear()
        return _json({})

    async def change(self, request: Request) -> Response:
        arguments = _decoded(await request.body(), dict[str, Any])
        changes = _changes()
        kind = arguments.pop("kind", None)
        if kind not in changes:
            raise HTTPException(400, f"kind must be one of {', '.join(sorted(changes))}")
        try:
            summary = changes[kind](self.api.account, arguments)
        except (LookupError, ValueError) as problem:
            raise HTTPException(400, str(problem)) from None
        self.api.changed()
        return _json(summary)

    async def counts(self, _: Request) -> Response:
        account = self.api.account
        counts = {type_: len(objects) for type_, objects in account.objects.items()}
        counts |= {name: sum(map(len, groups.values())) for name, groups in _memberships(account).items()}
        return _json(counts | {"event": len(account.events)})

    async def objects(self, request: Request) -> Response:
        rows = truth(self.api.account, request.path_params["type"])
        return StreamingResponse(_lines(rows), media_type="application/x-ndjson")

    async def requests(self, _: Request) -> Response:
        return _json(list(self.api.requests))

    async def forget_requests(self, _: Request) -> Response:
        self.api.requests.clear()
        return _json({})

    async def settings(self, _: Request) -> Response:
        return _json(asdict(self.api.settings))

    async def set(self, request: Request) -> Response:
        given = _decoded(await request.body(), dict[str, Any])
        unknown = given.keys() - {field.name for field in fields(Settings)}
        if unknown:
            raise HTTPException(400, f"no such setting: {', '.join(sorted(unknown))}")
        self.api.settings = _converted(msgspec.to_builtins(asdict(self.api.settings)) | given)
        self.api.windows.forget()
        return _json(asdict(self.api.settings))


def truth(account: Account, type_: str) -> Iterator[Json]:
    """Every object of a type as it is, whatever the API would show of it."""
    if type_ == "event":
        return (_event(account.events.at(index)) for index in range(len(account.events)))
    memberships = _memberships(account)
    if type_ in memberships:
        return _members(memberships[type_])
    return map(_object, account.objects.get(type_, {}).values())


def _memberships(account: Account) -> dict[str, dict[str, dict[str, str]]]:
    return {"list-member": account.list_members, "segment-member": account.segment_members}


def _members(groups: dict[str, dict[str, str]]) -> Iterator[Json]:
    for group, members in groups.items():
        for profile, joined in members.items():
            yield {"group": group, "profile": profile, "joined_group_at": joined}


def _object(one: Object) -> Json:
    return {"type": one.type, "id": one.id, "attributes": one.attributes, "relationships": one.relationships}


def _event(event: Event) -> Json:
    return {
        "type": "event",
        "id": event.id,
        "attributes": {
            "timestamp": event.second,
            "datetime": event.datetime,
            "uuid": event.uuid,
            "event_properties": event.properties,
        },
        "relationships": {
            "metric": event.metric_id,
            "profile": event.profile_id,
            "attributions": [{"id": one.id, "relationships": one.relationships} for one in event.attributions],
        },
    }


async def _lines(rows: Iterable[Json]) -> AsyncIterator[bytes]:
    encoder = msgspec.json.Encoder()
    iterator = iter(rows)
    while some := list(islice(iterator, LINES_AT_A_TIME)):
        yield encoder.encode_lines(some)
        await asyncio.sleep(0)


def _changes() -> dict[str, Callable[[Account, Json], Json]]:
    # Late, for the changes know the story of the account, which a sandbox of a hand-made one never needs.
    changes: dict[str, Callable[[Account, Json], Json]] = import_module("sandbox.changes").CHANGES
    return changes


def _json(content: object) -> Response:
    return Response(msgspec.json.encode(content), media_type="application/json")


def _decoded(body: bytes, type_: type[T]) -> T:
    try:
        return msgspec.json.decode(body or b"{}", type=type_)
    except msgspec.DecodeError as problem:
        raise HTTPException(400, str(problem)) from None


def _converted(settings: Json) -> Settings:
    try:
        return msgspec.convert(settings, Settings)
    except msgspec.ValidationError as problem:
        raise HTTPException(400, str(problem)) from None
