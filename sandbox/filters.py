"""The filter language: `op(field,value)`, joined by commas or `and(…)`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sandbox.contract import FilterFacts
from sandbox.errors import ApiError, invalid

NAME: Final = re.compile(r"[A-Za-z$_][\w.$ -]*")
QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"' + r"|'(?:[^'\\]|\\.)*'")
BARE: Final = re.compile(r"[^,()\[\]\"']+")
NUMBER: Final = re.compile(r"-?\d+(\.\d+)?")
ESCAPED: Final = re.compile(r"\\(.)")

Scalar = str | bool | int | float | datetime
Spelled = str | list[str] | None


class Bare(str):
    """A word without quotes, whose type is the field's to tell."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Condition:
    operator: str
    field: str
    value: Any
    """A scalar, a list of scalars, or None for `has(…)`."""


def parse(text: str) -> list[Condition]:
    """The conditions of a conjunction; raise ValueError on text that is none."""
    parser = _Parser(text)
    conditions = parser.conjunction()
    if parser.position != len(text):
        raise ValueError(text[parser.position :])
    return conditions


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    def take(self, pattern: re.Pattern[str]) -> str | None:
        found = pattern.match(self.text, self.position)
        if found is None:
            return None
        self.position = found.end()
        return found[0]

    def skip_spaces(self) -> None:
        while self.text.startswith(" ", self.position):
            self.position += 1

    def skip(self, character: str) -> bool:
        self.skip_spaces()
        if not self.text.startswith(character, self.position):
            return False
        self.position += 1
        return True

    def expect(self, character: str) -> None:
        if not self.skip(character):
            raise ValueError(self.text[self.position :])

    def name(self) -> str:
        self.skip_spaces()
        name = self.take(NAME)
        if name is None:
            raise ValueError(self.text[self.position :])
        return name.strip()

    def conjunction(self) -> list[Condition]:
        conditions = self.term()
        while self.skip(","):
            conditions += self.term()
        return conditions

    def term(self) -> list[Condition]:
        operator = self.name()
        self.expect("(")
        if operator == "and":
            conditions = self.conjunction()
        else:
            field = self.name()
            conditions = [Condition(operator, field, self.value() if self.skip(",") else None)]
        self.expect(")")
        return conditions

    def value(self) -> Spelled:
        if not self.skip("["):
            return self.scalar()
        values: list[str] = []
        while not self.skip("]"):
            if values:
                self.expect(",")
            values.append(self.scalar())
        return values

    def scalar(self) -> str:
        self.skip_spaces()
        quoted = self.take(QUOTED)
        if quoted is not None:
            return ESCAPED.sub(r"\1", quoted[1:-1])
        bare = self.take(BARE)
        if bare is None:
            raise ValueError(self.text[self.position :])
        return Bare(bare.strip())


def allowed(conditions: Iterable[Condition], filters: dict[str, FilterFacts]) -> list[Condition]:
    """The conditions with their values typed, or the 400 for what the contract does not allow."""
    return [_checked(condition, filters) for condition in conditions]


def _checked(condition: Condition, filters: dict[str, FilterFacts]) -> Condition:
    field, operator, value = condition.field, condition.operator, condition.value
    facts = filters.get(field)
    if facts is None:
        raise _refused(f"'{field}' is not a filterable field. Filterable fields are {', '.join(sorted(filters))}")
    if operator not in _operators(facts, value):
        allowed_ = ", ".join(sorted(facts.operators))
        raise _refused(f"'{operator}' is not an allowed filter operator for {field}.  Allowed operators are {allowed_}")
    try:
        return Condition(operator, field, _typed_all(value, facts))
    except ValueError as problem:
        raise _refused(f"Invalid value for filter field {field}: {problem}") from None


def _operators(facts: FilterFacts, value: Spelled) -> Iterable[str]:
    if value is None:
        return facts.none
    if isinstance(value, list):
        return facts.several
    # The API takes `equals(email,"x")` also where the document lists `equals` for arrays only.
    return [*facts.single, *(op for op in facts.several if op == "equals")]


def _typed_all(value: Spelled, facts: FilterFacts) -> Scalar | list[Scalar] | None:
    if value is None:
        return None
    if isinstance(value, list):
        if not value:
            raise ValueError("the list is empty")
        return [_typed(one, facts) for one in value]
    return _typed(value, facts)


def _typed(value: str, facts: FilterFacts) -> Scalar:
    typed = TYPES[facts.type](value)
    if facts.values is not None and typed not in facts.values:
        raise ValueError(f"'{value}' is not one of {', '.join(facts.values)}")
    return typed


def _text(value: str) -> str:
    if isinstance(value, Bare):
        raise ValueError(f"{value} is not a string in quotes")  # noqa: TRY004 - the value is wrong, not the call
    return value


def _boolean(value: str) -> bool:
    if isinstance(value, Bare) and value in ("true", "false"):
        return value == "true"
    raise ValueError(f"{value} is not a boolean")


def _number(value: str) -> float:
    if isinstance(value, Bare) and NUMBER.fullmatch(value):
        return float(value)
    raise ValueError(f"{value} is not a number")


def _integer(value: str) -> int:
    number = _number(value)
    if number != int(number):
        raise ValueError(f"{value} is not an integer")
    return int(number)


def _datetime(value: str) -> datetime:
    if not isinstance(value, Bare):
        raise ValueError(f"'{value}' is not a datetime without quotes")  # noqa: TRY004 - the value is wrong, not the call
    return instant(value)


TYPES: Final[dict[str, Callable[[str], Scalar]]] = {
    "string": _text,
    "boolean": _boolean,
    "number": _number,
    "integer": _integer,
    "date-time": _datetime,
}


def instant(text: str) -> datetime:
    """The instant that a text in any spelling of ISO 8601 means; UTC where it does not say."""
    parsed = datetime.fromisoformat(text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _refused(detail: str) -> ApiError:
    return invalid(detail, parameter="filter")


def refuse_unparsable(text: str) -> list[Condition]:
    try:
        return parse(text)
    except ValueError:
        raise _refused("Invalid filter provided.") from None


COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "equals": lambda actual, wanted: actual in wanted if isinstance(wanted, list) else actual == wanted,
    "any": lambda actual, wanted: actual in wanted,
    "greater-than": lambda actual, wanted: actual > wanted,
    "greater-or-equal": lambda actual, wanted: actual >= wanted,
    "less-than": lambda actual, wanted: actual < wanted,
    "less-or-equal": lambda actual, wanted: actual <= wanted,
    "contains": lambda actual, wanted: wanted.lower() in actual.lower(),
    "starts-with": lambda actual, wanted: actual.lower().startswith(wanted.lower()),
    "ends-with": lambda actual, wanted: actual.lower().endswith(wanted.lower()),
    "has": lambda _actual, _wanted: True,
}


def holds(condition: Condition, values: Iterable[Any]) -> bool:
    """Whether one of the field's values meets the condition; a null meets none."""
    compare = COMPARISONS[condition.operator]
    return any(compare(value, condition.value) for value in values if value is not None)
