"""`POST /api/…-reports`: how campaigns, flows, forms and segments did, by the time at which messages were sent."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, product
from typing import Any, Final, NamedTuple
from uuid import uuid4
from zoneinfo import ZoneInfo

import msgspec

from sandbox import timeframes
from sandbox.account import Account
from sandbox.contract import Endpoint
from sandbox.errors import ApiError, invalid, invalid_cursor
from sandbox.filters import Condition, instant, refuse_unparsable
from sandbox.jsonapi import Json, pick
from sandbox.performance import Facts, Groupings, Performance, between
from sandbox.query import Query
from sandbox.settings import Settings
from sandbox.statistics import Counted
from sandbox.timeframes import Frame

MOST_FILTERED: Final = 100
FIRST_SEGMENT_DAY: Final = datetime(2023, 6, 1)  # noqa: DTZ001 - the account's local time


class Subject(NamedTuple):
    """What is particular to reports of one subject."""

    usual: tuple[str, ...]
    compulsory: tuple[str, ...] = ()
    operators: tuple[str, ...] = ("equals", "any")


MESSAGE_OPERATORS: Final = ("equals", "contains-any", "contains-all")
LISTS: Final = ("tag_id", "tag_name")

SUBJECTS: Final = {
    "campaign": Subject(
        ("campaign_id", "campaign_message_id", "send_channel"),
        ("campaign_id", "campaign_message_id"),
        MESSAGE_OPERATORS,
    ),
    "flow": Subject(("flow_id", "flow_message_id", "send_channel"), ("flow_id", "flow_message_id"), MESSAGE_OPERATORS),
    "form": Subject(("form_id",), ("form_id",)),
    "segment": Subject(("segment_id",)),
}


class Timeframe(msgspec.Struct, forbid_unknown_fields=True):
    key: str | None = None
    start: str | None = None
    end: str | None = None


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    statistics: list[str]
    timeframe: Timeframe
    interval: str | None = None
    conversion_metric_id: str | None = None
    group_by: list[str] | None = None
    filter: str | None = None


class Data(msgspec.Struct):
    type: str
    attributes: Asked


class Body(msgspec.Struct):
    data: Data


Group = tuple[Any, ...]
Row = tuple[Groupings, Json]


@dataclass(frozen=True, slots=True)
class Report:
    """One question, understood."""

    endpoint: Endpoint
    asked: Asked
    groups: tuple[str, ...]
    conditions: list[Condition]
    frame: Frame
    zone: ZoneInfo
    now: datetime

    @classmethod
    def understood(cls, endpoint: Endpoint, body: bytes, account: Account, now: datetime) -> Report:
        asked = _asked(endpoint, body)
        zone = time_zone(account)
        _refuse_unknown(endpoint, asked, account)
        return cls(
            endpoint,
            asked,
            _groups(endpoint, asked),
            _conditions(endpoint, asked),
            _frame(endpoint, asked, now.astimezone(zone).replace(tzinfo=None)),
            zone,
            now,
        )

    @property
    def starts(self) -> list[datetime]:
        """Where the intervals of a series begin; of values, the one that there is."""
        return self.frame.intervals(self.asked.interval) if self.asked.interval else [self.frame.start]

    def seconds(self, moments: Iterable[datetime]) -> list[float]:
        return [timeframes.second(moment, self.zone) for moment in moments]

    def rows(self, account: Account, performance: Performance) -> list[Row]:
        if subject_of(self.endpoint) == "segment":
            return list(self._segments(account))
        if subject_of(self.endpoint) == "form":
            facts, groupings = performance.of_forms()
            return self._counted([facts], groupings)
        assert self.asked.conversion_metric_id
        return self._counted(performance.of_messages(self.asked.conversion_metric_id), performance.messages.groupings)

    def _counted(self, facts: Iterable[Facts], groupings: dict[str, Groupings]) -> list[Row]:
        start, end = self.seconds(self.frame)
        now = self.now.timestamp()
        begins = self.seconds(self.starts)
        found: dict[Group, list[Counted]] = {}
        groups = {subject: self._groups_of(grouping) for subject, grouping in groupings.items()}
        for fact in chain.from_iterable(between(some, start, end) for some in facts):
            if fact.happened > now:
                continue
            for group in groups[fact.subject]:
                if group not in found:
                    found[group] = [Counted() for _ in begins]
                found[group][max(bisect_right(begins, fact.second) - 1, 0)].add(fact)
        return [
            (dict(zip(self.groups, group, strict=True)), self._statistics([cell.statistic for cell in cells]))
            for group, cells in sorted(found.items(), key=repr)
        ]

    def _groups_of(self, groupings: Groupings) -> list[Group]:
        """The groups that a message counts in: one for each of its tags, where those are asked for."""
        if self.groups[0] not in groupings or not all(_holds(one, groupings) for one in self.conditions):
            return []
        values = [groupings[name] for name in self.groups]
        return [*product(*((value or [None]) if isinstance(value, list) else [value] for value in values))]

    def _segments(self, account: Account) -> Iterator[Row]:
        begins = self.seconds(self.starts)
        end = min(self.seconds(self.frame)[1], self.now.timestamp())
        for segment in account.objects.get("segment", {}):
            groupings = {"segment_id": segment}
            if all(_holds(one, groupings) for one in self.conditions):
                members = account.segment_members.get(segment, {}).values()
                joined = sorted(instant(one).timestamp() for one in members)
                spans = zip(begins, [*begins[1:], end], strict=True)
                yield groupings, self._statistics([_members(joined, *span) for span in spans])

    def _statistics(self, cells: Sequence[Callable[[str], float | None]]) -> Json:
        """For values the number; for a series all of them, by interval."""
        if self.asked.interval:
            return {name: [cell(name) for cell in cells] for name in self.asked.statistics}
        return {name: cells[0](name) for name in self.asked.statistics}


def report(
    account: Account,
    performance: Performance,
    settings: Settings,
    endpoint: Endpoint,
    *,
    query: Query,
    body: bytes,
    address: str,
) -> Json:  # fmt: skip
    understood = Report.understood(endpoint, body, account, settings.time())
    rows = understood.rows(account, performance)
    links: Json = {"self": query.url(address)}
    facts = endpoint.facts.report
    if facts and facts.pages:
        rows, cursor = _page(rows, query, settings.report_page)
        links |= {"next": cursor and query.url(address, cursor=cursor, parameter="page_cursor"), "prev": None}
    attributes: Json = {"results": [{"groupings": groupings, "statistics": told} for groupings, told in rows]}
    if understood.asked.interval:
        attributes["date_times"] = [timeframes.spelled(start) for start in understood.starts]
    fields = query.fields.get(endpoint.type)
    attributes = attributes if fields is None else pick(attributes, fields)
    return {"data": {"type": endpoint.type, "id": str(uuid4()), "attributes": attributes}, "links": links}


def subject_of(endpoint: Endpoint) -> str:
    return endpoint.type.split("-")[0]


def time_zone(account: Account) -> ZoneInfo:
    """The account's own, in which reports count days."""
    owner = next(iter(account.objects.get("account", {}).values()), None)
    return ZoneInfo(owner.attributes.get("timezone") or "UTC" if owner else "UTC")


def _members(joined: list[float], start: float, end: float) -> Callable[[str], float]:
    """Of a segment; those who left are not remembered by the account."""
    total, before = bisect_right(joined, end), bisect_right(joined, start)
    told = {"total_members": total, "members_added": total - before, "net_members_changed": total - before}
    return lambda name: told.get(name, 0)


def _page(rows: list[Row], query: Query, size: int) -> tuple[list[Row], str | None]:
    given = dict(query.parameters).get("page_cursor", "0")
    if not given.isdecimal():
        raise invalid_cursor()
    first = int(given)
    return rows[first : first + size], str(first + size) if len(rows) > first + size else None


# --- what is understood, and what is refused -----------------------------------------------------------------------


def _refused(field: str, detail: str) -> ApiError:
    return invalid(detail, pointer=f"/data/attributes/{field}")


def _asked(endpoint: Endpoint, body: bytes) -> Asked:
    try:
        data = msgspec.json.decode(body, type=Body).data
    except msgspec.ValidationError as problem:
        raise _refused("", str(problem)) from None
    except msgspec.DecodeError:
        raise invalid("Invalid JSON.") from None
    if data.type != endpoint.type:
        raise invalid(f"'{data.type}' is not a valid resource type for this endpoint.", pointer="/data/type")
    return data.attributes


def _refuse_unknown(endpoint: Endpoint, asked: Asked, account: Account) -> None:
    facts = endpoint.facts.report
    assert facts
    if not asked.statistics:
        raise _refused("statistics", "At least one statistic is required.")
    _refuse_outside(asked.statistics, facts.statistics, "statistics", "statistic")
    _refuse_outside(asked.group_by or [], facts.group_by, "group_by", "group by")
    if bool(asked.interval) != bool(facts.intervals):
        raise _refused("interval", "'interval' is a required field of series, and of nothing else.")
    _refuse_outside([asked.interval] if asked.interval else [], facts.intervals, "interval", "interval")
    if bool(asked.conversion_metric_id) != facts.conversion:
        raise _refused("conversion_metric_id", "'conversion_metric_id' is a required field of reports on messages.")
    known = {**account.objects.get("metric", {}), **account.objects.get("custom-metric", {})}
    if asked.conversion_metric_id and asked.conversion_metric_id not in known:
        raise _refused("conversion_metric_id", f"A metric with id {asked.conversion_metric_id} does not exist.")


def _refuse_outside(given: list[str], allowed: list[str], field: str, word: str) -> None:
    for name in given:
        if name not in allowed:
            raise _refused(field, f"'{name}' is not a valid {word}. Valid choices are {', '.join(allowed)}")


def _groups(endpoint: Endpoint, asked: Asked) -> tuple[str, ...]:
    subject = SUBJECTS[subject_of(endpoint)]
    if not asked.group_by:
        return subject.usual
    missing = [name for name in subject.compulsory if name not in asked.group_by]
    if missing:
        raise _refused("group_by", f"These group bys are required: {', '.join(missing)}")
    return tuple(dict.fromkeys([*subject.compulsory, *asked.group_by]))


def _conditions(endpoint: Endpoint, asked: Asked) -> list[Condition]:
    if not asked.filter:
        return []
    conditions = refuse_unparsable(asked.filter)
    name = subject_of(endpoint)
    facts = endpoint.facts.report
    fields = facts.group_by if facts and facts.group_by else list(SUBJECTS[name].usual)
    for one in conditions:
        if one.field not in fields:
            raise _refused("filter", f"'{one.field}' is not a valid field to filter by.")
        operators = set(SUBJECTS[name].operators) - ({"equals"} if one.field in LISTS else {"contains-all"})
        if one.operator not in operators:
            raise _refused("filter", f"'{one.operator}' is not allowed on '{one.field}'.")
        if isinstance(one.value, list) and len(one.value) > MOST_FILTERED:
            raise _refused("filter", f"At most {MOST_FILTERED} items are allowed in a list.")
    if len({one.field for one in conditions}) < len(conditions):
        raise _refused("filter", "Only one filter can be used per attribute.")
    return conditions


def _holds(condition: Condition, groupings: Groupings) -> bool:
    actual = groupings.get(condition.field)
    values = set(actual) if isinstance(actual, list) else {actual}
    wanted = set(condition.value) if isinstance(condition.value, list) else {condition.value}
    return wanted <= values if condition.operator == "contains-all" else bool(wanted & values)


def _frame(endpoint: Endpoint, asked: Asked, now: datetime) -> Frame:
    facts, given = endpoint.facts.report, asked.timeframe
    assert facts
    if given.key is not None:
        _refuse_outside([given.key], facts.timeframes, "timeframe", "timeframe key")
        frame = timeframes.keyed(given.key, now)
    elif given.start is None or given.end is None:
        raise timeframes.refused("A timeframe is a key, or a start and an end.")
    else:
        frame = timeframes.custom(given.start, given.end)
    if asked.interval:
        timeframes.refuse_too_long(frame, asked.interval)
    if subject_of(endpoint) == "segment" and frame.start < FIRST_SEGMENT_DAY:
        raise timeframes.refused("Data is unavailable before June 1st, 2023.")
    return frame
