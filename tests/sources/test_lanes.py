"""Lanes over collections in memory: whatever these hold and however they answer, every row comes out once."""

from __future__ import annotations

import math
import random
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from operator import methodcaller
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sources.klaviyo.lanes import PAGES_WAITING, WORTH_SPLITTING, Delivery, Lanes, Range
from sources.klaviyo.windows import Window, gaps, union
from tests.sources.listing import Listing, Page, Rounds, Row, at, query_of, window

LONG = 20.0
"""Seconds after which lanes that do not end are taken for stuck."""

Draw = Callable[[st.SearchStrategy[Any]], Any]


@pytest.fixture(autouse=True, scope="module")
def _eager_threads() -> Iterator[None]:
    """Threads take turns often, so that more orders of events are seen."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(usual)


# --- collections of all sorts --------------------------------------------------------------------------------------


@dataclass
class Case:
    listing: Listing
    windows: list[Window]
    most: int
    seed: int
    """Of the delays."""

    def due(self) -> dict[str, set[int]]:
        """The rows that are to come out, by query."""
        return {
            query: {row.id for row in rows if any(start <= row.time < end for start, end in self.windows)}
            for query, rows in self.listing.rows.items()
        }


def times(draw: Draw, span: int, *, whole: bool) -> list[float]:
    """Seconds of rows: some anywhere, and crowds, the smallest of which are one second."""
    spread = draw(st.lists(st.integers(0, span - 1), max_size=25))
    for start, width, count in draw(
        st.lists(st.tuples(st.integers(0, span - 1), st.sampled_from([1, 2, 60]), st.integers(1, 40)), max_size=3)
    ):
        spread += [min(start + place % width, span - 1) for place in range(count)]
    if whole:
        return [float(second) for second in spread]
    fraction = random.Random(draw(st.integers(0, 9)))
    return [second + fraction.randrange(1_000_000) / 1_000_000 for second in spread]


def listed(seconds: list[float], first_id: int, reach: int, seed: int) -> list[Row]:
    """Rows in the order of their times, but for some that change places with others `reach` places away at most."""
    rows = [Row(at(second), first_id + place) for place, second in enumerate(sorted(seconds))]
    chance = random.Random(seed)
    blocks = [rows[place : place + reach + 1] for place in range(0, len(rows), reach + 1)]
    return [row for block in blocks for row in chance.sample(block, len(block))]


@st.composite
def cases(draw: Draw, *, changing: bool = False, expiring: bool = False) -> Case:
    span = draw(st.sampled_from([2, 5, 60, 3_600, 31_536_000]))
    page_size = draw(st.integers(1, 12))
    path = draw(st.sampled_from(["/api/events", "/api/events", "/api/profiles"]))
    unsorted = 0 if changing else draw(st.integers(0, page_size // 2))
    rows, first_id = {}, 0
    for number in range(draw(st.sampled_from([1, 1, 1, 2, 6]))):
        seconds = times(draw, span, whole=path == "/api/profiles" or draw(st.booleans()))
        rows[query_of(number)] = listed(seconds, first_id, unsorted, draw(st.integers(0, 9)))
        first_id += len(seconds)
    cuts = sorted(draw(st.sets(st.integers(-1, span + 1), min_size=2, max_size=5)))
    kept = [one for one in pairwise(cuts) if draw(st.booleans())] or [(-1, span + 1)]
    listing = Listing(
        rows,
        page_size,
        path,
        around=draw(st.booleans()),
        hollow=draw(st.sampled_from([0, 0, 2, 3])),
        trailing=draw(st.booleans()),
        expires=frozenset(draw(st.sets(st.integers(2, 25), max_size=4))) if expiring else frozenset(),
    )
    most = draw(st.sampled_from([1, 2, 3, 5, 32]))
    return Case(listing, [window(start, end) for start, end in kept], most, draw(st.integers(0, 99)))


def dawdle(chance: random.Random, often: float) -> None:
    """Let others go first: mostly not at all, sometimes for a moment, seldom for long."""
    if chance.random() < often:
        time.sleep(chance.choice([0, 0, 0.0002, 0.001]))


# --- walking them --------------------------------------------------------------------------------------------------


@dataclass
class Outcome:
    """What has come out, and what was said of it each time."""

    rows: Counter[int] = field(default_factory=Counter)
    times: dict[int, Any] = field(default_factory=dict)
    read: dict[str, list[Window]] = field(default_factory=lambda: defaultdict(list))
    deliveries: list[Delivery[list[Row]]] = field(default_factory=list)
    error: BaseException | None = None

    def take(self, delivery: Delivery[list[Row]]) -> None:
        self.deliveries.append(delivery)
        self.rows.update(row.id for row in delivery.rows)
        self.times.update({row.id: row.time for row in delivery.rows})
        if delivery.read:
            self.read[delivery.query] = union([*self.read[delivery.query], delivery.read])


def within_time(do: Callable[[], None]) -> None:
    """Do it in a thread of its own; if that does not end, everybody is waiting for somebody."""
    failed: list[BaseException] = []

    def tried() -> None:
        try:
            do()
        except BaseException as error:  # noqa: BLE001 - raised below
            failed.append(error)

    thread = threading.Thread(target=tried, daemon=True)
    thread.start()
    thread.join(LONG)
    assert not thread.is_alive(), "nobody goes on"
    if failed:
        raise failed[0]


def gone(lanes: Lanes[Page, list[Row]]) -> bool:
    """Whether all lanes end, given a moment."""
    with lanes.changed:
        return lanes.changed.wait_for(lambda: lanes.lanes == 0, LONG)


def walked(case: Case, windows: Sequence[Window | None] | None = None, pauses: float = 0.0, stop: int = -1) -> Outcome:
    """Take what comes, dawdling now and then; after the given number of deliveries, leave."""
    outcome = Outcome()
    chance, at_the_gate = random.Random(case.seed), random.Random(case.seed + 1)
    case.listing.gate = lambda: dawdle(at_the_gate, 0.3)
    case.listing.most_in_flight = 0
    lanes = case.listing.lanes(case.windows if windows is None else windows, case.most)

    def take() -> None:
        try:
            for delivery in lanes:
                outcome.take(delivery)
                assert len(lanes.waiting) <= PAGES_WAITING
                if len(outcome.deliveries) == stop:
                    break
                dawdle(chance, pauses)
        except ConnectionError as error:
            outcome.error = error
        lanes.stop()

    within_time(take)
    assert gone(lanes)
    assert case.listing.most_in_flight <= lanes.most_at_once <= case.most
    return outcome


def check_declared(case: Case, outcome: Outcome, changed: frozenset[int] = frozenset()) -> None:
    """Whatever has been declared read at any time had been delivered by then."""
    delivered: dict[str, set[int]] = defaultdict(set)
    for delivery in outcome.deliveries:
        delivered[delivery.query] |= {row.id for row in delivery.rows}
        if delivery.read:
            start, end = delivery.read
            assert start <= end
            claimed = {row.id for row in case.listing.rows[delivery.query] if start <= row.time < end}
            assert claimed - changed <= delivered[delivery.query]
            assert not gaps(delivery.read, case.windows)


PAUSES = st.sampled_from([0.0, 0.0, 0.2, 1.0])


@given(cases(), PAUSES)
@settings(max_examples=150)
def test_every_row_comes_out_once_and_all_windows_are_declared_read(case: Case, pauses: float) -> None:
    outcome = walked(case, pauses=pauses)
    due = case.due()
    assert outcome.rows == Counter(id_ for ids in due.values() for id_ in ids)
    for delivery in outcome.deliveries:
        assert {row.id for row in delivery.rows} <= due[delivery.query]
    check_declared(case, outcome)
    assert outcome.read == {query: union(case.windows) for query in case.listing.rows}


@given(cases(), PAUSES, st.integers(1, 12))
@settings(max_examples=60)
def test_whoever_stops_anywhere_goes_on_from_what_was_declared_read(case: Case, pauses: float, patience: int) -> None:
    total = Outcome()
    for run in range(12):
        missing = {query: [gap for one in case.windows for gap in gaps(one, total.read[query])] for query in case.due()}
        # All queries are asked for the same windows, as the ledger has it.
        due = union(gap for left in missing.values() for gap in left)
        if not due:
            break
        outcome = walked(case, due, pauses, stop=patience * 2**run)
        check_declared(case, outcome)
        for delivery in outcome.deliveries:
            total.take(delivery)
    assert all(total.read[query] == union(case.windows) for query in case.listing.rows)
    assert total.rows.keys() == {id_ for ids in case.due().values() for id_ in ids}


@given(cases(), st.integers(1, 6))
@settings(max_examples=40)
def test_a_reader_that_rests_now_and_then_finds_everything_when_it_goes_on(case: Case, package: int) -> None:
    """As packages do: the walk stays as it is while one is loaded."""
    outcome = Outcome()
    chance = random.Random(case.seed)
    case.listing.gate = lambda: dawdle(chance, 0.3)
    lanes = case.listing.lanes(case.windows, case.most)
    deliveries = iter(lanes)
    over = False

    def take() -> None:
        nonlocal over
        for _ in range(package):
            delivery = next(deliveries, None)
            if delivery is None:
                over = True
                return
            outcome.take(delivery)

    while not over:
        within_time(take)
        check_declared(case, outcome)
        time.sleep(0.0005)
        assert len(lanes.waiting) <= PAGES_WAITING
    assert outcome.rows == Counter(id_ for ids in case.due().values() for id_ in ids)
    assert outcome.read == {query: union(case.windows) for query in case.listing.rows}
    assert gone(lanes)


@given(cases(expiring=True), PAUSES)
@settings(max_examples=70)
def test_page_cursors_that_expire_lose_nothing_and_repeat_a_page_at_most(case: Case, pauses: float) -> None:
    outcome = walked(case, pauses=pauses)
    assert outcome.rows.keys() == {id_ for ids in case.due().values() for id_ in ids}
    check_declared(case, outcome)
    assert outcome.read == {query: union(case.windows) for query in case.listing.rows}
    repeated = sum(outcome.rows.values()) - len(outcome.rows)
    crowd = max((max(Counter(row.time.replace(microsecond=0) for row in rows).values(), default=0))
                for rows in case.listing.rows.values())  # fmt: skip
    # Asking anew begins with the second of the latest page's lowest row.
    assert repeated <= case.listing.expired * (case.listing.page_size + crowd)


@given(cases(changing=True), st.lists(st.tuples(st.integers(1, 30), st.integers(0, 99)), max_size=8), st.data())
@settings(max_examples=60)
def test_rows_that_come_or_move_meanwhile_disturb_no_other(
    case: Case, when: list[tuple[int, int]], data: st.DataObject
) -> None:
    queries = [*case.listing.rows]
    ids = sorted(row.id for rows in case.listing.rows.values() for row in rows)
    moved = data.draw(st.lists(st.sampled_from(ids), unique=True, max_size=4)) if ids else []
    end = max(one.end for one in case.windows)
    changes: dict[int, Callable[[Listing], None]] = {}
    for number, (request, second) in enumerate(when):
        if number % 2 and moved:
            # A change moves a row to the present, which lies beyond every window.
            id_ = moved.pop()
            changes[request] = methodcaller("move", id_, end + timedelta(hours=1, seconds=id_))
        else:
            row = Row(at(second), 10_000 + number)
            changes[request] = methodcaller("add", queries[0], row)
    case.listing.changes = changes
    outcome = walked(case)
    settled = {id_ for ids_ in case.due().values() for id_ in ids_} - mobile(case)
    assert {id_: outcome.rows[id_] for id_ in settled} == dict.fromkeys(settled, 1)
    assert not outcome.rows or max(outcome.rows.values()) == 1
    check_declared(case, outcome, frozenset(ids) - settled)
    assert outcome.read == {query: union(case.windows) for query in queries}


def mobile(case: Case) -> set[int]:
    """The rows that are not where they were before the changes."""
    before = {row.id: row.time for rows in case.listing.rows.values() for row in rows}
    after = {row.id: row.time for ranked in case.listing.ranked.values() for _, row in ranked}
    return {id_ for id_, when in before.items() if after.get(id_) != when}


@given(cases(), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_in_whatever_order_rows_are_listed_none_comes_out_twice(case: Case, chance: random.Random) -> None:
    """Beyond a little disorder rows may be missed, and a window be declared read too early; never more than that."""
    for query, ranked in case.listing.ranked.items():
        rows = [row for _, row in ranked]
        chance.shuffle(rows)
        case.listing.ranked[query] = [(float(rank), row) for rank, row in enumerate(rows)]
    outcome = walked(case)
    due = {id_ for ids in case.due().values() for id_ in ids}
    assert outcome.rows.keys() <= due
    assert not outcome.rows or max(outcome.rows.values()) == 1
    assert outcome.read == {query: union(case.windows) for query in case.listing.rows}


@given(cases(), st.integers(1, 15))
@settings(max_examples=60)
def test_the_first_error_ends_the_walk_and_what_came_before_it_counts(case: Case, number: int) -> None:
    case.listing.fails = frozenset({number})
    outcome = walked(case)
    assert (outcome.error is not None) == (case.listing.requests >= number)
    assert not outcome.rows or max(outcome.rows.values()) == 1
    check_declared(case, outcome)
    if outcome.error:
        assert any(gaps(one, outcome.read[query]) for one in case.windows for query in case.listing.rows)


@given(cases())
@settings(max_examples=80)
def test_the_number_of_requests_is_bounded(case: Case) -> None:
    """Pages, and for each range two that are not full; a range is made only where several pages are expected."""
    case.listing.hollow = 0
    walked(case)
    size = case.listing.page_size
    pages = sum(-(-len(ids) // size) for ids in case.due().values())
    whole = len(case.windows) * len(case.listing.rows)
    seconds = max((one.end - one.start).total_seconds() for one in case.windows)
    assert case.listing.requests <= 2 * pages + 2 * whole + 2 * case.most * max(1.0, math.log2(seconds))


# --- how many lanes, and where they go -----------------------------------------------------------------------------


def steps(listing: Listing, windows: Sequence[Window | None], most: int, **how: Any) -> tuple[Rounds, Outcome]:
    """Walk with answers that all take the same time. What was under way in each round, and what came out."""
    outcome, rounds = Outcome(), Rounds(listing)
    lanes = listing.lanes(windows, most, **how)

    def take() -> None:
        for delivery in lanes:
            outcome.take(delivery)

    reader = threading.Thread(target=take, daemon=True)
    reader.start()
    rounds.run(lanes)
    reader.join(LONG)
    assert not reader.is_alive()
    return rounds, outcome


@given(cases(expiring=True))
@settings(max_examples=40)
def test_no_lane_leaves_while_there_is_work_that_can_be_split(case: Case) -> None:
    """Looked at after every single answer."""
    _, outcome = steps(case.listing, case.windows, case.most)
    assert outcome.rows.keys() == {id_ for ids in case.due().values() for id_ in ids}


def evenly(count: int, seconds: int) -> list[Row]:
    return [Row(at(number * seconds / count), number) for number in range(count)]


def test_lanes_double_until_there_are_as_many_as_may_be() -> None:
    rounds, outcome = steps(Listing({"": evenly(2_000, 86_400)}, page_size=10), [window(0, 86_400)], 8)
    assert outcome.rows.total() == 2_000
    assert rounds.in_flight[:4] == [1, 2, 4, 8]
    assert set(rounds.in_flight[3:-8]) == {8}
    # 200 pages by 8 lanes: hardly more rounds than if it had all been planned.
    assert len(rounds.in_flight) <= 200 / 8 + 10


@pytest.mark.parametrize("start", [0, 20_000_000, 31_532_000], ids=["early", "in the middle", "late"])
def test_no_crowd_keeps_lanes_idle(start: int) -> None:
    """All of a year's rows lie in one hour: once that is found, all lanes read it."""
    crowd = [Row(at(start + number * 1.8), number) for number in range(2_000)]
    rounds, outcome = steps(Listing({"": crowd}, page_size=10), [window(0, 31_536_000)], 8)
    assert outcome.rows.total() == 2_000
    assert len(rounds.in_flight) <= 200 / 8 + 2 * math.log2(31_536_000)
    busiest = sorted(rounds.in_flight)[-20:]
    assert busiest == [8] * 20


def test_one_lane_alone_asks_page_after_page() -> None:
    listing = Listing({"": evenly(100, 3_600)}, page_size=10)
    rounds, outcome = steps(listing, [window(0, 3_600)], 1)
    assert rounds.in_flight == [1] * 10
    assert [row.id for delivery in outcome.deliveries for row in delivery.rows] == [*range(100)]


def test_no_lane_joins_where_there_is_no_use_for_one() -> None:
    asked: list[int] = []

    def spare(lanes: int) -> bool:
        asked.append(lanes)
        return lanes < 3

    listing = Listing({"": evenly(500, 86_400)}, page_size=10)
    rounds, _ = steps(listing, [window(0, 86_400)], 8, spare=spare)
    assert max(rounds.in_flight) == 3
    assert asked[0] == 1


def test_no_lane_joins_while_pages_wait_for_the_reader() -> None:
    """The reader is then what everybody waits for."""
    listing = Listing({"": evenly(2_000, 86_400)}, page_size=10, gate=lambda: time.sleep(0.002))
    lanes = listing.lanes([window(0, 86_400)], 32)
    deliveries = iter(lanes)
    next(deliveries)
    deadline = time.monotonic() + LONG
    while len(lanes.waiting) < PAGES_WAITING and time.monotonic() < deadline:
        time.sleep(0.001)
    lanes.stop()
    assert len(lanes.waiting) == PAGES_WAITING
    # The first page, and such as came before it had been put down.
    assert lanes.most_at_once <= 5


def busy(*parts: Range) -> Lanes[Page, list[Row]]:
    lanes = Listing({"": []}).lanes([], 4)
    lanes.busy = {*parts}
    return lanes


def test_the_range_with_most_pages_left_is_robbed_not_the_longest() -> None:
    sparse = Range("sparse", window(0, 86_400), reached=at(0), pace=timedelta(seconds=20_000))
    dense = Range("dense", window(0, 3_600), reached=at(600), pace=timedelta(seconds=10))
    stolen = busy(sparse, dense).steal()
    assert stolen
    assert (stolen.query, stolen.window) == ("dense", window(2_100, 3_600))
    assert dense.window == window(0, 2_100)
    assert sparse.window == window(0, 86_400)


LAST_PAGES = [
    pytest.param(Page([Row(at(5), 1), Row(at(9), 2)], None), id="with rows"),
    pytest.param(Page([], None), id="empty"),
    pytest.param(Page([Row(at(100), 1)], "/more"), id="beyond the end"),
]


@pytest.mark.parametrize("last", LAST_PAGES)
def test_nothing_is_taken_from_a_range_whose_last_page_has_come(last: Page) -> None:
    part = Range("", window(0, 100))
    lanes = busy(part)
    lanes.stopped = True  # no lane is to join
    lanes.place(part, Page([Row(at(0), 3), Row(at(1), 4)], "/next"))
    assert lanes.richest() is part
    _, read, goes_on = lanes.place(part, last)
    assert (read, goes_on) == (window(0, 100), False)
    assert lanes.richest() is None
    assert lanes.steal() is None


def test_fewer_pages_than_are_worth_it_are_not_split() -> None:
    few = Listing({"": evenly(10 * (WORTH_SPLITTING - 1), 3_600)}, page_size=10)
    rounds, _ = steps(few, [window(0, 3_600)], 8)
    assert rounds.in_flight == [1] * (WORTH_SPLITTING - 1)


def test_several_windows_and_queries_are_begun_at_once() -> None:
    listing = Listing({query_of(number): evenly(5, 100) for number in range(3)}, page_size=10)
    rounds, outcome = steps(listing, [window(0, 50), window(50, 100)], 4)
    assert rounds.in_flight == [4, 2]
    assert outcome.read == {query_of(number): [window(0, 100)] for number in range(3)}


def test_a_crowded_second_cannot_be_split_and_is_read_by_one() -> None:
    listing = Listing({"": [Row(at(30), number) for number in range(200)]}, page_size=10)
    rounds, outcome = steps(listing, [window(0, 60)], 8)
    assert outcome.rows == Counter(range(200))
    assert rounds.in_flight[-10:] == [1] * 10
    assert listing.requests <= 20 + 2 * math.log2(60)


def test_what_is_listed_without_a_window_is_one_lanes_alone() -> None:
    listing = Listing({query_of(number): evenly(60, 100) for number in range(2)}, page_size=10)
    rounds, outcome = steps(listing, [None], 8)
    assert rounds.in_flight == [2] * 6
    assert sum(outcome.rows.values()) == 120
    assert not outcome.read


@pytest.mark.parametrize("windows", [[], [window(10, 20)]])
def test_where_there_is_nothing_nothing_comes(windows: list[Window]) -> None:
    listing = Listing({"": [Row(at(5), 1), Row(at(25), 2)]})
    rounds, outcome = steps(listing, windows, 8)
    assert rounds.in_flight == [1] * len(windows)
    assert not outcome.rows
    assert outcome.read == ({"": windows} if windows else {})


@pytest.mark.parametrize("most", [1, 4, 32])
def test_a_reader_that_does_not_come_back_is_not_read_for_beyond_the_bound(most: int) -> None:
    listing = Listing({"": evenly(2_000, 86_400)}, page_size=10)
    lanes = listing.lanes([window(0, 86_400)], most)
    deliveries = iter(lanes)
    next(deliveries)
    deadline = time.monotonic() + LONG
    while len(lanes.waiting) < PAGES_WAITING and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.05)
    assert len(lanes.waiting) == PAGES_WAITING
    # Delivered, waiting, and one in the hand of each lane.
    assert listing.requests <= 1 + PAGES_WAITING + most
    lanes.stop()
    assert gone(lanes)
    assert sum(1 for _ in deliveries) == PAGES_WAITING


def test_a_cursor_that_expires_after_a_theft_asks_no_further_than_what_is_left() -> None:
    """The listing refuses what Klaviyo refuses: a range of less than a second."""
    rows = {"": [Row(at(number / 10), number) for number in range(300)]}
    for request in range(2, 40, 3):
        listing = Listing(rows, page_size=7, expires=frozenset({request}))
        _, outcome = steps(listing, [window(0, 30)], 8)
        assert outcome.rows.keys() == set(range(300))


def test_a_cursor_that_expires_costs_no_more_than_its_last_page() -> None:
    listing = Listing({"": evenly(100, 100)}, page_size=10, expires=frozenset({9}))
    rounds, outcome = steps(listing, [window(0, 100)], 1)
    assert outcome.rows.keys() == set(range(100))
    assert outcome.rows.total() == 110
    assert len(rounds.in_flight) == 10 + 2


def test_one_lane_alone_reads_windows_in_their_order() -> None:
    listing = Listing({"": evenly(100, 100)}, page_size=10)
    _, outcome = steps(listing, [window(0, 30), window(40, 50), window(70, 100)], 1)
    ids = [row.id for delivery in outcome.deliveries for row in delivery.rows]
    assert ids == [*range(30), *range(40, 50), *range(70, 100)]


def test_no_window_is_begun_when_the_reader_is_gone() -> None:
    listing = Listing({"": evenly(100, 100)}, page_size=10)
    lanes = listing.lanes([window(start, start + 1) for start in range(0, 100, 2)], 2)
    deliveries = iter(lanes)
    next(deliveries)
    lanes.stop()
    asked = listing.requests
    assert gone(lanes)
    assert listing.requests <= asked + 2


def test_all_lanes_end_when_their_reader_is_gone() -> None:
    listing = Listing({"": evenly(2_000, 86_400)}, page_size=10)
    lanes = listing.lanes([window(0, 86_400)], 8)
    deliveries = iter(lanes)
    next(deliveries)
    deliveries.close()  # type: ignore[attr-defined]  # a generator
    asked = listing.requests
    assert gone(lanes)
    # Each lane ends with the page that it is at.
    assert listing.requests <= asked + 8


# --- ranges --------------------------------------------------------------------------------------------------------


@given(st.integers(0, 50), st.integers(0, 50), st.floats(0, 50) | st.none())
def test_a_range_is_split_at_a_whole_second_that_leaves_one_to_both(
    start: int, length: int, reached: float | None
) -> None:
    part = Range("", window(start, start + length), at(reached) if reached is not None else None)
    middle = part.middle
    if middle is None:
        assert (at(start + length) - part.position).total_seconds() < 3
    else:
        assert middle.microsecond == 0
        assert middle - part.position >= timedelta(seconds=1)
        assert at(start + length) - middle >= timedelta(seconds=1)
        assert abs((middle - part.position) - (at(start + length) - middle)) <= timedelta(seconds=2)
