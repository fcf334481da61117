"""Klaviyo's filters and sorts, by the document and no more leniently."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.stranger.document import Json, Operation

TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|\[|\]|,|\(|\)|[^\s\[\],()"]+)')

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "equals": lambda found, asked: found == asked,
    "greater-than": lambda found, asked: found > asked,
    "greater-or-equal": lambda found, asked: found >= asked,
    "less-than": lambda found, asked: found < asked,
    "less-or-equal": lambda found, asked: found <= asked,
    "contains": lambda found, asked: asked in found,
    "starts-with": lambda found, asked: found.startswith(asked),
    "ends-with": lambda found, asked: found.endswith(asked),
}


class Refused(Exception):
    """A request that Klaviyo answers with 400."""

    def __init__(self, detail: str, parameter: str) -> None:
        super().__init__(detail)
        self.detail, self.parameter = detail, parameter


@dataclass(frozen=True)
class Condition:
    operator: str
    field: str
    value: Json

    def holds(self, values: list[Json]) -> bool:
        if self.operator == "has":
            return bool(values)
        asked = self.value if isinstance(self.value, list) else [self.value]
        test = COMPARISONS["equals" if self.operator == "any" else self.operator]
        return any(test(comparable(found), comparable(one)) for found in values for one in asked if found is not None)


def conditions(text: str, operation: Operation) -> list[Condition]:
    """What a filter asks for. Raises Refused for a field, operator or value that the document does not tell of."""
    if not text:
        return []
    tokens = TOKEN.findall(text)
    if "".join(tokens) != re.sub(r'\s+(?=(?:[^"]*"[^"]*")*[^"]*$)', "", text):
        raise Refused("Invalid filter provided.", "filter")
    try:
        found = list(calls(tokens))
    except (IndexError, ValueError) as error:
        raise Refused("Invalid filter provided.", "filter") from error
    for condition in found:
        told = operation.filters.get(condition.field)
        allowed = told["operators"] if told else {}
        kind = "list" if isinstance(condition.value, list) else "single"
        if condition.operator not in allowed.get(kind, ()) and not (condition.operator == "has" and told):
            raise Refused(f"{condition.operator} is not allowed for {condition.field}: {allowed}", "filter")
        if told and told.get("value", {}).get("format") == "date-time":
            datetime.fromisoformat(condition.value)
    return found


def calls(tokens: list[str]) -> Iterator[Condition]:
    while tokens:
        operator = tokens.pop(0)
        expect(tokens, "(")
        field = tokens.pop(0)
        value: Json = None
        if tokens[0] == ",":
            tokens.pop(0)
            value = literal(tokens)
        expect(tokens, ")")
        yield Condition(operator, field, value)
        if tokens:
            expect(tokens, ",")


def literal(tokens: list[str]) -> Json:
    token = tokens.pop(0)
    if token == "[":
        values = []
        while tokens[0] != "]":
            values.append(literal(tokens))
            if tokens[0] == ",":
                tokens.pop(0)
        tokens.pop(0)
        return values
    if token in ("true", "false") or token.startswith('"') or re.fullmatch(r"-?\d+", token):
        return json.loads(token)
    return token


def expect(tokens: list[str], wanted: str) -> None:
    if tokens.pop(0) != wanted:
        raise ValueError(wanted)


def comparable(value: Json) -> Json:
    """A time as a time; anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return value
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def at(value: Json, path: list[str]) -> list[Json]:
    """All that is found at a path, through arrays."""
    if isinstance(value, list):
        return [found for one in value for found in at(one, path)]
    if not path:
        return [] if value is None else [value]
    return at(value[path[0]], path[1:]) if isinstance(value, dict) and path[0] in value else []
