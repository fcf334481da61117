"""Run with another release of Klaviyo's own client on the path: what it makes of a sandbox, and what it knows of the API.

    PYTHONPATH=<its folder>:. python -m tests.sandbox.newer_client <address of a sandbox>

prints, by operation, what the client refused (a model and a field each; null where the account has nothing to ask for), the parameters
that its method takes, and the attributes and relationships of the object that the method returns.
"""

from __future__ import annotations

import inspect
import json
import sys
import typing
from types import UnionType
from typing import Any, Final, NamedTuple

from pydantic import BaseModel

from sandbox.contract import Endpoint, load
from sandbox.omni import told
from tests.sandbox import official, reading
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
        None if path is None else list(official.refused(getattr(group, operation), endpoint, path)),
        sorted(parameters - OWN),
        data.get("attributes"),
        sorted(data["relationships"]) if data.get("relationships") else None,
    )


def main(address: str) -> None:
    groups = official.groups(address)
    contract = load(REVISION)
    served = {endpoint.path: path for endpoint, path in reading.paths(contract, told(tiny_account(), REVISION))}
    operations = {}
    for endpoint in reading.endpoints(contract):
        group = official.group_of(endpoint, groups)
        operations[endpoint.facts.operation] = tell(group, endpoint, served.get(endpoint.path))._asdict()
    sys.stdout.write(json.dumps(operations))


if __name__ == "__main__":
    main(sys.argv[1])
