"""Klaviyo's own client, whichever release is on the path: what it takes, and what it refuses of a sandbox's answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from klaviyo_api import KlaviyoAPI
from pydantic import ValidationError

from sandbox.contract import Endpoint
from tests.sandbox import reading


def groups(address: str) -> list[Any]:
    """The client's methods, which it keeps in groups."""
    client = KlaviyoAPI("pk_sandbox", max_retries=1, test_host=address)
    return [getattr(client, name) for name in dir(KlaviyoAPI) if isinstance(getattr(KlaviyoAPI, name), property)]


def group_of(endpoint: Endpoint, among: list[Any]) -> Any:
    return next(group for group in among if hasattr(group, endpoint.facts.operation))


def arguments(endpoint: Endpoint, path: str) -> dict[str, Any]:
    """All that can be asked for of an object at a path, as the client spells it."""
    given: dict[str, Any] = {parameter(name): value for name, value in reading.full(endpoint).items()}
    for name, value in given.items():
        if name == "include" or name.startswith("additional_fields"):
            given[name] = value.split(",")
        if name == "page_size":
            given[name] = int(value)
    holder = next((part for part in endpoint.segments if part.startswith("{")), None)
    if holder is not None:
        given[holder.strip("{}")] = path.split("/")[3]
    return given


def parameter(name: str) -> str:
    return re.sub(r"\W+", "_", name).strip("_")


def refused(call: Any, endpoint: Endpoint, path: str) -> Iterator[tuple[str, str]]:
    """The models and fields that do not take the answer."""
    try:
        call(**arguments(endpoint, path))
    except ValidationError as problem:
        yield from ((problem.title, str(error["loc"][0])) for error in problem.errors())
