"""A quarter in the life of an account, and the daily runs that follow it: what happens, when, and what goes wrong."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final, TypeVar

import duckdb
import pendulum
from pendulum import DateTime

from pipelines.cli import console
from pipelines.errors import Exit, RunError
from pipelines.job import run_job, sweep_when_due, verify_when_due
from pipelines.load import Request, named
from pipelines.progress import LogWatch
from pipelines.settings import Settings, Sweeps
from pipelines.sweep import Sweeper, sweepable
from pipelines.warehouse import Warehouse
from sandbox.account import Account, Attribution, Event, Events, Object
from sandbox.faults import Fault
from tests.conftest import KEY, Job
from tests.pipelines.chronicle import Chronicle, ideal_requests
from tests.pipelines.warehouse import change
from tests.sandbox.tiny import EARLY, NOW, PlainEvent, tiny_account

T = TypeVar("T")

READ: Final = (
    "metrics",
    "profiles",
    "profile_suppressions",
    "lists",
    "segments",
    "list_memberships",
    "segment_memberships",
    "campaigns",
    "flows",
    "events",
    "event_attributions",
)
DAYS: Final = 90
PEOPLE: Final = 140
LISTS: Final = ("NEWS", "L00", "L01")
SEGMENTS: Final = ("VIPS", "LAPSED")
BEFORE: Final = 60
"""Days of events that are there at the beginning."""
OF_RUN: Final = timedelta(hours=5)
"""When each day's run begins."""
CHANGES: Final = "what had changed"
QUIET: Final = "looking where nothing had"
AGAIN: Final = "events read again, for what comes late"
SWEEPS: Final = "sweeps, for what is gone"
COUNTS: Final = "counts, for what nothing tells"
"""What requests are for."""
NOBODY: Final = "http://127.0.0.1:9"
"""Where nobody listens."""
FORTNIGHTLY: Final = Sweeps(every=dict.fromkeys(("profiles", "list_memberships", "segment_memberships"), 14))

VERIFIES: Final = range(10, DAYS + 1, 20)
MISSED_WEEK: Final = range(64, 71)
LOST_DISK: Final = (30, 75)
BACKUP, RESTORED = 40, 45
"""The days of a copy of the warehouse, and of the loss after which it took the place of the warehouse."""


def household() -> Account:
    """A shop in miniature: people in lists and segments, campaigns, flows, and some months of orders and visits."""
    account = tiny_account()
    objects, dice = account.objects, Random(1)
    model = objects["profile"]["ANNA"]
    objects["profile"] = {id_: person(model, id_, number) for number, id_ in enumerate(people())}
    objects["list"] = {id_: objects["list"][id_] for id_ in LISTS}
    lapsed = deepcopy(objects["segment"]["VIPS"])
    lapsed.id, lapsed.attributes["name"] = "LAPSED", "Lapsed"
    objects["segment"]["LAPSED"] = lapsed
    for id_, name in (("SUB", "Subscribed to List"), ("UNSUB", "Unsubscribed from List")):
        objects["metric"][id_] = Object("metric", id_, {**objects["metric"]["VISIT"].attributes, "name": name}, {})
    first = int((NOW - timedelta(days=BEFORE)).timestamp())
    account.events = Events(
        [some_event(dice, f"old{number:04}", first + number * 21_600) for number in range(BEFORE * 4)]
    )
    account.list_members = {
        "NEWS": dict.fromkeys(people()[:80], EARLY),
        "L00": dict.fromkeys(people()[:20], EARLY),
        "L01": {},
    }
    account.segment_members = {"VIPS": dict.fromkeys(people()[:30], EARLY), "LAPSED": {}}
    return account


def people() -> list[str]:
    return [f"P{number:03}" for number in range(PEOPLE)]


def person(model: Object, id_: str, number: int) -> Object:
    one = deepcopy(model)
    born = (NOW - timedelta(days=200) + timedelta(hours=number)).isoformat()
    one.id = id_
    one.attributes |= {"email": f"{id_.lower()}@example.com", "created": born, "updated": born}
    return one


def some_event(dice: Random, id_: str, second: int, profiles: list[str] | None = None) -> Event:
    order = dice.random() < 0.3
    properties: dict[str, Any] = {"$value": dice.randrange(10, 99)} if order else {"page": "/shirts"}
    return PlainEvent(
        id_, second, "ORDER" if order else "VISIT", dice.choice(profiles or people()), properties=properties
    )


class Clock:
    """The time of the simulation. It goes on by itself, as far as runs take time."""

    def __init__(self) -> None:
        self.put(pendulum.instance(NOW))

    def put(self, at: DateTime) -> None:
        self.at, self.since = at, time.monotonic()

    def now(self, _zone: object = None) -> DateTime:
        return self.at.add(seconds=time.monotonic() - self.since)


@dataclass
class Day:
    """A run, and what it took."""

    number: int
    began: DateTime
    exit: Exit
    requests: Counter[str]
    """By what is asked for, those that were answered."""
    of_others: Counter[str]
    """Those of them that were a sweep's, or a verification's."""
    beside: Counter[str]
    """These by purpose."""
    ideal: Counter[str]
    seconds: float

    @property
    def whole(self) -> bool:
        return self.exit is not Exit.FAILED

    @property
    def purposes(self) -> Counter[str]:
        """What the requests were for. Of those for a collection, at most as many told of changes as an ideal reader takes."""
        loading = self.requests - self.of_others
        told = loading & self.ideal
        rest = loading - told
        again = rest.pop("events", 0)
        return Counter({CHANGES: told.total(), QUIET: rest.total(), AGAIN: again}) + self.beside


@dataclass
class Quarter:
    """The account, its chronicle, and the runs."""

    job: Job
    clock: Clock = field(default_factory=Clock)
    days: list[Day] = field(default_factory=list)
    steps: dict[str, int] = field(default_factory=dict)
    """Of the latest run: how many requests came before a step of it."""
    serial: int = 0
    base_url: str = field(init=False)
    merged: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    """Into whom, and when."""
    deleted: dict[str, datetime] = field(default_factory=dict)
    waiting: list[tuple[int, list[Event]]] = field(default_factory=list)
    """Events of a day, to be attributed later."""

    def __post_init__(self) -> None:
        patch = self.job.monkeypatch
        # No tables of what is not read, and no real pauses: both would take most of the time.
        patch.setattr("pipelines.load.every_table", lambda _revision: {})
        patch.setattr("sources.klaviyo.client.FIRST_PAUSE", 0.001)
        # dlt names load packages by the time, too.
        patch.setattr(pendulum, "now", self.clock.now)
        patch.setattr("pipelines.job.sweep_when_due", self.during(SWEEPS, sweep_when_due))
        patch.setattr("pipelines.job.verify_when_due", self.during(COUNTS, verify_when_due))
        patch.setattr("dlt.common.storages.load_package.increasing_precise_time", lambda: self.clock.now().timestamp())
        self.job.settle()
        self.base_url = self.job.sandbox.url
        self.dice = Random(7)
        self.account = self.job.sandbox.account
        self.chronicle = Chronicle(self.account, NOW - timedelta(days=1))

    # --- runs ------------------------------------------------------------------------------------------------------

    def run(self, number: int, later: timedelta = timedelta()) -> None:
        """The run of a day: as it is scheduled, it sweeps what is due, and on some days it verifies."""
        at = pendulum.instance(NOW) + timedelta(days=number) + OF_RUN + later
        self.clock.put(at)
        api = self.job.sandbox.api
        api.settings = replace(api.settings, now=at)
        api.requests.clear()
        self.steps = {}
        began = time.process_time()
        settings = Settings(api_key=KEY, base_url=self.base_url, revision=self.job.revision, sweeps=FORTNIGHTLY)
        request = Request(resources=named(READ, self.job.revision))
        try:
            # An open file is opened again at once: otherwise, that would be a quarter of a run's time.
            with duckdb.connect(str(self.job.database)):
                code = run_job(
                    console,
                    settings,
                    Warehouse("duckdb"),
                    request,
                    with_verification=number in VERIFIES,
                    with_marts=False,
                ).exit
        except RunError as error:
            code = error.exit
        ideal: Counter[str] = Counter()
        if code is not Exit.FAILED:
            ideal.update(ideal_requests(self.account, self.chronicle.take_changed(), at))
        seconds = time.process_time() - began
        others = {purpose: self.answered(start) for purpose, start in self.steps.items()}
        # The steps come one after the other.
        if COUNTS in others and SWEEPS in others:
            others[SWEEPS] -= others[COUNTS]
        beside = Counter({purpose: requests.total() for purpose, requests in others.items()})
        of_others = sum(others.values(), Counter[str]())
        self.days.append(Day(number, at, code, self.answered(), of_others, beside, ideal, seconds))

    def sweep(self) -> None:
        """A sweep of everything, of somebody who wants to know now."""
        self.clock.put(self.clock.now() + timedelta(minutes=30))
        settings = Settings(api_key=KEY, base_url=self.base_url, revision=self.job.revision)
        sweeper = Sweeper(settings=settings, warehouse=Warehouse("duckdb"), watch=LogWatch())
        self.job.sandbox.api.requests.clear()
        sweeper.sweep(sweepable(named(READ, self.job.revision)))
        day, answered = self.days[-1], self.answered()
        day.requests.update(answered)
        day.of_others.update(answered)
        day.beside[SWEEPS] += answered.total()

    def answered(self, start: int = 0) -> Counter[str]:
        asked = [*self.job.sandbox.api.requests][start:]
        return Counter(kind_of(one["path"]) for one in asked if not one["fault"])

    def during(self, purpose: str, step: Callable[..., T]) -> Callable[..., T]:
        """The step of a run, with a note of where its requests begin."""

        def noted(*arguments: object) -> T:
            self.steps[purpose] = len(self.job.sandbox.api.requests)
            return step(*arguments)

        return noted

    @property
    def looks(self) -> list[datetime]:
        """When runs looked at all there was, of those that the warehouse remembers."""
        return [day.began for day in self.days if day.whole and not BACKUP < day.number < RESTORED]

    @property
    def survivors(self) -> dict[str, str]:
        """Who each merged profile is part of at last."""
        return {source: self.survivor(source) for source in self.merged}

    def survivor(self, id_: str) -> str:
        return self.survivor(self.merged[id_][0]) if id_ in self.merged else id_

    @property
    def requests(self) -> tuple[Counter[str], Counter[str]]:
        """Those of all runs after the first, and of an ideal reader, by what is asked for. What an outage ate does not count."""
        ours, ideal = Counter[str](), Counter[str]()
        for day in self.days[1:]:
            ours += day.requests
            ideal += day.ideal
        return ours, ideal

    def figures(self) -> str:
        ours, ideal = self.requests
        purposes = sum((day.purposes for day in self.days[1:]), Counter[str]())
        head = f"{len(self.days)} runs, {sum(day.seconds for day in self.days):.0f} s of CPU; requests, ours and ideal:"
        lines = [f"{name:40} {ours[name]:6} {ideal[name]:6}" for name in sorted(ours.keys() | ideal.keys())]
        spent = [f"{name:40} {purposes[name]:6}" for name in (CHANGES, QUIET, AGAIN, SWEEPS, COUNTS)]
        return "\n".join([head, *lines, f"{'all':40} {ours.total():6} {ideal.total():6}", "of ours:", *spent])

    # --- what happens ----------------------------------------------------------------------------------------------

    def happen(self, kind: str, at: datetime, **arguments: Any) -> dict[str, Any]:
        summary = change(self.job.sandbox, kind, at=at.isoformat(), **arguments)
        self.chronicle.note(at)
        return summary

    def events(self, *seconds: float) -> list[Event]:
        """Events that Klaviyo shows from now on."""
        found = []
        for second in seconds:
            self.serial += 1
            event = some_event(self.dice, f"e{self.serial:05}", int(second), [*self.account.objects["profile"]])
            self.account.events.add(event)
            found.append(event)
        self.job.sandbox.changed()
        return found

    def attribute(self, event: Event, campaign: str) -> None:
        links = {"campaign": campaign, "attributed-event": "old0001"}
        event.attributions = (Attribution(f"{event.id}-{campaign}", links),)
        self.job.sandbox.changed()


def kind_of(path: str) -> str:
    parts = path.removeprefix("/api/").split("/")
    return f"{parts[0]} of one" if len(parts) == 2 else "members" if len(parts) == 3 else parts[0]


def day_at(number: float) -> datetime:
    return NOW + timedelta(days=number)


# --- the story -------------------------------------------------------------------------------------------------------


def live(quarter: Quarter, number: int) -> None:
    """What happens in the 24 hours before a day's run, in the order of time."""
    dice = quarter.dice
    start = day_at(number - 1) + OF_RUN + timedelta(minutes=15)
    moments = iter(
        sorted(start + timedelta(minutes=dice.randrange(1400), seconds=dice.randrange(60)) for _ in range(30))
    )
    happening = [*planned(quarter, number), *usual(quarter, number)]
    assert len(happening) <= 30
    dice.shuffle(happening)
    for act, at in zip(happening, moments, strict=False):
        act(at.replace(microsecond=0))
    second = start.timestamp()
    todays = quarter.events(*(second + dice.random() * 85_000 for _ in range(12)))
    quarter.events(*(second - late * 86_400 for late in lateness(number)))
    attribute_some(quarter, number, todays)
    quarter.chronicle.note(day_at(number) + OF_RUN - timedelta(minutes=1))


def lateness(number: int) -> Iterator[float]:
    """By how many days events are late that turn up today."""
    yield 0.3
    if number % 3 == 0:
        yield 2.5
    if number % 5 == 0:
        yield 11
    if number % 10 == 4:
        yield 27
    if number in (15, 40, 47):
        yield 70
    if number == 12:
        yield 140  # beyond all tiers


def attribute_some(quarter: Quarter, number: int, todays: list[Event]) -> None:
    quarter.waiting.append((number, todays[:3]))
    for since, some in quarter.waiting:
        age = number - since
        for place, after in enumerate((0, 3, 19)):
            if age == after:
                quarter.attribute(some[place], "SPRING")
        if age == 4 and since % 6 == 0:
            quarter.attribute(some[1], "LASTYEAR")


def usual(quarter: Quarter, number: int) -> Iterator[Any]:
    dice, account = quarter.dice, quarter.account

    def anyone(without: dict[str, str] | None = None) -> str:
        return dice.choice([one for one in account.objects["profile"] if one not in (without or {})])

    def update(at: datetime) -> None:
        quarter.happen("update_profile", at, id=anyone(), attributes={"title": f"of day {number}"})

    def join(at: datetime) -> None:
        group = dice.choice([*account.list_members])
        told = dice.random() < 0.7
        quarter.happen("join_list", at, list=group, profiles=[anyone(account.list_members[group])], told=told)

    def leave(at: datetime) -> None:
        group = dice.choice([group for group, of in account.list_members.items() if of])
        one = dice.choice([*account.list_members[group]])
        quarter.happen("leave_list", at, list=group, profiles=[one], told=dice.random() < 0.5)

    def rejoin(at: datetime) -> None:
        group = dice.choice([group for group, of in account.list_members.items() if of])
        one = dice.choice([*account.list_members[group]])
        quarter.happen("leave_list", at - timedelta(seconds=40), list=group, profiles=[one])
        quarter.happen("join_list", at, list=group, profiles=[one], told=dice.random() < 0.5)

    def recompute(at: datetime) -> None:
        group = dice.choice([*account.segment_members])
        gone = [*account.segment_members[group]][:1]
        quarter.happen(
            "recompute_segment", at, segment=group, join=[anyone(account.segment_members[group])], leave=gone
        )

    yield from (update, update, join)
    if number % 2:
        yield leave
    if number % 4 == 1:
        yield recompute
    if number % 6 == 2:
        yield rejoin


def planned(quarter: Quarter, number: int) -> Iterator[Any]:
    def on(day: int, kind: str, **arguments: Any) -> Any:
        return (day, lambda at: quarter.happen(kind, at, **arguments))

    def merge(source: str, into: str) -> Any:
        def act(at: datetime) -> None:
            quarter.happen("merge_profiles", at, source=source, destination=into)
            quarter.merged[source] = (into, at)

        return act

    def delete(id_: str) -> Any:
        def act(at: datetime) -> None:
            quarter.happen("delete_profile", at, id=id_)
            quarter.deleted[id_] = at

        return act

    plan = [
        on(3, "rename", type="campaign", id="AUTUMN", name="Autumn, early"),
        on(5, "edit", type="flow", id="WELCOME", attributes={"status": "draft"}),
        (8, merge("P003", "P100")),
        on(9, "add", type="campaign", name="Summer"),
        (11, delete("P010")),
        on(13, "rename", type="list", id="NEWS", name="The News"),
        on(16, "archive", type="campaign", id="SPRING"),
        on(
            18,
            "edit",
            type="segment",
            id="VIPS",
            attributes={"definition": {"condition_groups": [{"conditions": [{"type": "x"}]}]}},
        ),
        (22, merge("P100", "P101")),
        on(23, "edit", type="list", id="L00", attributes={"opt_in_process": "double_opt_in"}, silent=True),
        (26, delete("P011")),
        (26, delete("P012")),
        on(29, "edit", type="flow", id="WELCOME", attributes={"status": "live"}),
        on(31, "archive", type="flow", id="WELCOME"),
        on(33, "add", type="list", name="Sale"),
        (36, merge("P020", "P021")),
        on(38, "rename", type="segment", id="LAPSED", name="Long gone"),
        on(41, "delete", type="campaign", id="LASTYEAR"),
        (44, delete("P030")),
        on(45, "rename", type="campaign", id="AUTUMN", name="Autumn, late"),
        on(48, "edit", type="flow", id="RETIRED", attributes={"status": "manual"}),
        on(52, "delete", type="list", id="L01"),
        (55, merge("P040", "P041")),
        (58, delete("P041")),
        on(60, "add", type="flow", name="Winback"),
        on(66, "rename", type="list", id="NEWS", name="News"),
        (66, merge("P050", "P051")),
        (67, delete("P052")),
        on(68, "rename", type="campaign", id="AUTUMN", name="Autumn"),
        on(74, "delete", type="flow", id="RETIRED"),
        (77, merge("P060", "P061")),
        on(80, "rename", type="segment", id="VIPS", name="Best customers"),
    ]
    return (act for day, act in plan if day == number)


def follow(quarter: Quarter, every: int = 1) -> None:
    """Live through the days, with a run every so many, each in its weather; at last, sweep everything and run once more."""
    backup = quarter.job.home / "backup.duckdb"
    quarter.run(0)
    for number in range(1, DAYS + 1):
        live(quarter, number)
        if number % every or number in MISSED_WEEK:
            continue
        if number == RESTORED:
            shutil.copy(backup, quarter.job.database)
        if number in LOST_DISK:
            shutil.rmtree(quarter.job.home / "one")
        with weather(quarter, number):
            quarter.run(number)
        if number == BACKUP:
            shutil.copy(quarter.job.database, backup)
    quarter.sweep()
    quarter.run(DAYS, timedelta(hours=1))


@contextmanager
def weather(quarter: Quarter, number: int) -> Iterator[None]:
    """What goes wrong on a day, as long as it lasts."""
    faults = quarter.job.sandbox.api.faults.ordered
    match number:
        case 20:  # Klaviyo answers nothing
            faults.append(Fault(kind="status", status=503))
        case 25:  # nor events
            faults.append(Fault(kind="status", status=500, path="/api/events"))
        case 35:  # nobody listens
            quarter.base_url = NOBODY
        case 50:  # some requests fail
            faults.append(Fault(kind="status", status=502, every=4))
        case 60:  # a sweep is cut short
            faults.append(Fault(kind="status", status=500, path="/api/lists/*", after=7))
    yield
    faults.clear()
    quarter.base_url = quarter.job.sandbox.url
