"""The parameters of one request, held against what the contract allows at its endpoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, quote_plus, urlencode

from sandbox.contract import Endpoint
from sandbox.errors import ApiError, invalid
from sandbox.filters import Condition, allowed, refuse_unparsable

# What the contract says in prose only: a filter on one of these fields is compulsory.
COMPULSORY: Final = {
    "get_campaigns": ("messages.channel",),
    "get_coupon_codes": ("coupon.id", "profile.id"),
}
DATES: Final = {"created", "updated"}


@dataclass(frozen=True, slots=True)
class Query:
    parameters: tuple[tuple[str, str], ...] = ()
    """As sent, in their order."""
    conditions: tuple[Condition, ...] = ()
    sort: str | None = None
    descending: bool = False
    size: int | None = None
    cursor: str | None = None
    include: tuple[str, ...] = ()
    fields: dict[str, frozenset[str]] = field(default_factory=dict)
    additional: dict[str, frozenset[str]] = field(default_factory=dict)

    def url(self, base: str, *, cursor: str | None = None, parameter: str = "page[cursor]") -> str:
        """The address of this request, or of the same one at another page cursor."""
        parameters = list(self.parameters)
        if cursor is not None:
            parameters = [pair for pair in parameters if pair[0] != parameter] + [(parameter, cursor)]
        return f"{base}?{urlencode(parameters, quote_via=quote_plus)}" if parameters else base

    def on(self, name: str) -> list[Condition]:
        return [condition for condition in self.conditions if condition.field == name]


def read(text: str, endpoint: Endpoint) -> Query:
    parameters = tuple(parse_qsl(text, keep_blank_values=True))
    given = dict(parameters)
    _refuse_unknown(given, endpoint)
    sort = _sort(given.get("sort"), endpoint)
    return Query(
        parameters=parameters,
        conditions=tuple(_conditions(given.get("filter"), endpoint)),
        sort=sort and sort.removeprefix("-"),
        descending=(sort or "").startswith("-"),
        size=_size(given.get("page[size]"), endpoint),
        cursor=given.get("page[cursor]"),
        include=_include(given.get("include"), endpoint),
        fields=_fieldsets(given, "fields", endpoint.facts.fields),
        additional=_fieldsets(given, "additional-fields", endpoint.facts.additional_fields),
    )


def _known(endpoint: Endpoint) -> set[str]:
    facts = endpoint.facts
    names = {f"fields[{kind}]" for kind in facts.fields}
    names |= {f"additional-fields[{kind}]" for kind in facts.additional_fields}
    names |= {name for name in ("sort", "include") if getattr(facts, name)}
    if facts.filters:
        names.add("filter")
    if facts.page is not None:
        names |= {"page[cursor]"} if facts.page.fixed else {"page[cursor]", "page[size]"}
    if facts.report is not None and facts.report.pages:
        names.add("page_cursor")
    return names


def _refuse_unknown(given: dict[str, str], endpoint: Endpoint) -> None:
    known = _known(endpoint)
    for name in given:
        if name not in known:
            raise invalid(f"'{name}' is not a valid field for the resource '{endpoint.type}'.", parameter=name)


def _conditions(text: str | None, endpoint: Endpoint) -> list[Condition]:
    facts = endpoint.facts
    if not text:
        if facts.filter_required:
            raise _compulsory(endpoint)
        return []
    conditions = allowed(refuse_unparsable(text), facts.filters)
    compulsory = COMPULSORY.get(facts.operation) if facts.filter_required else None
    if compulsory and not any(condition.field in compulsory for condition in conditions):
        raise _compulsory(endpoint)
    _refuse_suppressions([condition.field for condition in conditions])
    return conditions


def _refuse_suppressions(fields: list[str]) -> None:
    """What Klaviyo's changelog of 2023-10-15 says of filters on suppressions."""
    suppressed = [field for field in fields if "suppression" in field]
    of_lists = [field for field in suppressed if ".list_suppressions." in field]
    if of_lists and suppressed != of_lists:
        raise invalid("List and global suppression filters may not be mixed.", parameter="filter")
    if of_lists and not any(field.endswith(".list_id") for field in of_lists):
        raise invalid("A filter on list suppressions must specify a list_id.", parameter="filter")
    if sum(field in DATES or field.endswith(".timestamp") for field in fields) > 1 and suppressed:
        raise invalid("Only a single date filter may be specified with suppressions.", parameter="filter")


def _compulsory(endpoint: Endpoint) -> ApiError:
    fields = " or ".join(COMPULSORY[endpoint.facts.operation])
    return invalid(f"A filter on {fields} is required to list {endpoint.type}s.", parameter="filter")


def _sort(value: str | None, endpoint: Endpoint) -> str | None:
    if value is not None and value not in endpoint.facts.sort:
        choices = ", ".join(endpoint.facts.sort)
        raise invalid(f"'{value}' is not a valid sort key. Valid sort keys are {choices}", parameter="sort")
    return value


def _size(value: str | None, endpoint: Endpoint) -> int | None:
    page = endpoint.facts.page
    if value is None or page is None:
        return None if page is None else page.default
    if not value.isdecimal() or not 1 <= int(value) <= page.max:
        raise invalid(f"Page size must be an integer between 1 and {page.max}.", parameter="page[size]")
    return int(value)


def _include(value: str | None, endpoint: Endpoint) -> tuple[str, ...]:
    names = tuple(value.split(",")) if value else ()
    for name in names:
        if name not in endpoint.facts.include:
            choices = ", ".join(endpoint.facts.include)
            raise invalid(
                f"'{name}' is not a valid relationship. Valid relationships are {choices}", parameter="include"
            )
    return names


def _fieldsets(given: dict[str, str], prefix: str, choices: dict[str, list[str]]) -> dict[str, frozenset[str]]:
    found = {}
    for kind, fields in choices.items():
        parameter = f"{prefix}[{kind}]"
        if parameter in given:
            asked = frozenset(name for name in given[parameter].split(",") if name)
            for name in sorted(asked.difference(fields)):
                raise invalid(f"'{name}' is not a valid field for the resource '{kind}'.", parameter=parameter)
            found[kind] = asked
    return found
