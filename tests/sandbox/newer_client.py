"""Run with another release of Klaviyo's own client on the path: what it makes of a sandbox, and what it knows of the API.

    PYTHONPATH=<its folder>:. python -m tests.sandbox.newer_client <address of a sandbox>

prints, by operation, what the client refused (a model and a field each; null where the account has nothing to ask for), the parameters
that its method takes, and the attributes and relationships of the object that the method returns.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
import typing
from collections.abc import Iterator
from types import UnionType
from typing import Any, Final, NamedTuple

from klaviyo_api import KlaviyoAPI
from pydantic import BaseModel, ValidationError

from sandbox.contract import Endpoint, load
from sandbox.omni import told
from tests.sandbox import reading
from tests.sandbox.tiny import tiny_account

REVISION: Final = "2026-10-15"
DEPTH: Final = 6
"""Of a document: data, attributes, and what is in them. Some definitions know no end."""
OWN: Final = {"self", "id", "job_id", "options"}


class Told(NamedTuple):
    """What the client says of one operation."""

    refused: list[tuple[str, str]] | None
    parameters: list[str]
    attributes: dict[str, Any] | None
    relationships: list[str] | None


def arguments(endpoint: Endpoint, path: str) -> dict[str, Any]:
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
    try:
        call(**arguments(endpoint, path))
    except ValidationError as problem:
        yield from ((problem.title, str(error["loc"][0])) for error in problem.errors())


def bare(annotation: Any) -> Any:
    """The type without its wrapping: optional, annotated, a list of it."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated or origin is list:
        return bare(typing.get_args(annotation)[0])
    if origin in (typing.Union, UnionType):
        return bare(next(one for one in typing.get_args(annotation) if one is not type(None)))
    return annotation


def tree(model: Any, depth: int = DEPTH) -> dict[str, Any] | None:
    """The names that a model of fixed shape has, and theirs; None for anything else."""
    model = bare(model)
    if not depth or not (inspect.isclass(model) and issubclass(model, BaseModel)):
        return None
    fields = model.model_fields
    if any(name.endswith("_validator") for name in fields):
        return None
    return {field.alias or name: tree(field.annotation, depth - 1) for name, field in fields.items()}


def tell(group: Any, endpoint: Endpoint, path: str | None) -> Told:
    operation = endpoint.facts.operation
    # What the client makes of it takes any arguments; the class knows which.
    plain = getattr(type(group), operation)
    data = (tree(typing.get_type_hints(plain)["return"]) or {}).get("data") or {}
    parameters = {name for name in inspect.signature(plain).parameters if not name.startswith("_")}
    return Told(
        None if path is None else list(refused(getattr(group, operation), endpoint, path)),
        sorted(parameters - OWN),
        data.get("attributes"),
        sorted(data["relationships"]) if data.get("relationships") else None,
    )


def main(address: str) -> None:
    client = KlaviyoAPI("pk_sandbox", max_retries=1, test_host=address)
    groups = [getattr(client, name) for name in dir(KlaviyoAPI) if isinstance(getattr(KlaviyoAPI, name), property)]
    contract = load(REVISION)
    served = {endpoint.path: path for endpoint, path in reading.paths(contract, told(tiny_account(), REVISION))}
    operations = {}
    for endpoint in reading.endpoints(contract):
        group = next(group for group in groups if hasattr(group, endpoint.facts.operation))
        operations[endpoint.facts.operation] = tell(group, endpoint, served.get(endpoint.path))._asdict()
    sys.stdout.write(json.dumps(operations))


if __name__ == "__main__":
    main(sys.argv[1])
