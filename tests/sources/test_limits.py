from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.klaviyo.contract import Endpoint, Limit
from sources.klaviyo.limits import Limiter
from tests.sources.clock import Clock

LIMITS = st.builds(Limit, st.integers(1, 12), st.integers(1, 60))
SHARES = st.floats(0.05, 1.0)
IDLE = st.lists(st.floats(0, 20) | st.just(0.0), max_size=60)
"""Seconds that pass between an answer and the next request."""


def endpoint(*limits: tuple[int, int], path: str = "/api/events") -> Endpoint:
    return Endpoint(
        path=path,
        limits=tuple(Limit(*limit) for limit in limits),
        scopes=(),
        object="event",
        included=(),
        page_size=None,
        sort=frozenset(),
        include=frozenset(),
        additional_fields={},
        operators={},
    )


def limiter(clock: Clock, share: float = 1.0) -> Limiter:
    return Limiter(share, clock=clock, sleep=clock.sleep)


def sent(clock: Clock, limits: Limiter, to: Endpoint, idle: list[float]) -> list[float]:
    """When each of the requests was let through."""
    times = []
    for seconds in idle:
        clock.now += seconds
        pass_one(limits, to)
        times.append(clock.now)
    return times


def pass_one(limits: Limiter, to: Endpoint) -> float:
    """A request that is answered at once. The seconds that it waited."""
    waited = limits.acquire(to)
    limits.answered(to)
    return waited


def most_within(times: list[float], seconds: float) -> int:
    """The most requests that any span of so many seconds held."""
    spans = ([other for other in times if start <= other < start + seconds - 1e-6] for start in times)
    return max(map(len, spans), default=0)


@given(st.lists(LIMITS, min_size=1, max_size=3), SHARES, IDLE)
def test_no_span_of_a_windows_length_ever_holds_more_than_our_share_rounded_up_and_longer_ones_no_more_than_it(
    allowed: list[Limit], share: float, idle: list[float]
) -> None:
    clock = Clock()
    times = sent(clock, limiter(clock, share), endpoint(*allowed), idle)
    for requests, seconds in allowed:
        part = requests * share
        assert most_within(times, seconds) <= ceil(part)
        assert most_within(times, 20 * seconds) <= 20 * part + ceil(part)
        assert most_within(times, seconds * ceil(part) / part) <= ceil(part)


@given(LIMITS, IDLE)
def test_nobody_waits_longer_than_needed(allowed: Limit, idle: list[float]) -> None:
    clock = Clock()
    limits = limiter(clock)
    times: list[float] = []
    for seconds in idle:
        clock.now += seconds
        asked = clock.now
        waited = pass_one(limits, endpoint(allowed))
        earliest = times[-allowed.requests] + allowed.seconds if len(times) >= allowed.requests else asked
        assert clock.now == pytest.approx(max(asked, earliest))
        assert waited == pytest.approx(clock.now - asked)
        times.append(clock.now)


@given(LIMITS, st.lists(st.tuples(st.floats(0, 3), st.floats(0, 1)), min_size=1, max_size=60), st.integers(1, 8))
def test_wherever_between_sending_and_answer_a_request_is_counted_no_span_holds_more_than_it_may(
    allowed: Limit, answers: list[tuple[float, float]], lanes: int
) -> None:
    """Each lane sends one request after another; an answer takes some seconds, and counts at some part of them."""
    clock, counted = Clock(), []
    limits, to = limiter(clock), endpoint(allowed)
    ends: list[float] = []
    for seconds, place in answers:
        while len(ends) == lanes or limits.reserve(to):
            clock.now = min([*ends, clock.now + max(limits.wait(to), 1e-3)]) if len(ends) < lanes else min(ends)
            for end in [end for end in ends if end <= clock.now]:
                ends.remove(end)
                limits.answered(to)
        counted.append(clock.now + seconds * place)
        ends.append(clock.now + seconds)
    assert most_within(sorted(counted), allowed.seconds) <= allowed.requests


def test_a_request_that_is_not_answered_yet_holds_its_place() -> None:
    clock, to = Clock(), endpoint((2, 1))
    limits = limiter(clock)
    pass_one(limits, to)
    clock.now += 0.5
    assert limits.acquire(to) == 0
    clock.now += 100
    assert limits.acquire(to) == 0
    assert not limits.has_room(to)
    limits.answered(to)
    assert limits.wait(to) == 1
    limits.answered(to)
    clock.now += 1
    assert [pass_one(limits, to) for _ in range(4)] == [0, 0, 1, 0]


def test_the_slower_of_two_windows_decides() -> None:
    clock = Clock()
    times = sent(clock, limiter(clock), endpoint((2, 1), (4, 60)), [0.0] * 9)
    assert [round(moment - times[0]) for moment in times] == [0, 0, 1, 1, 60, 60, 61, 61, 120]


def test_a_share_below_one_request_is_one_in_a_longer_span() -> None:
    clock = Clock()
    times = sent(clock, limiter(clock, 0.1), endpoint((2, 1)), [0.0] * 4)
    assert [later - earlier for earlier, later in pairwise(times)] == pytest.approx([5, 5, 5])


def test_nine_tenths_of_two_requests_a_minute_are_two_in_somewhat_more_than_a_minute() -> None:
    clock = Clock()
    times = sent(clock, limiter(clock, 0.9), endpoint((1, 1), (2, 60)), [0.0] * 10)
    assert [later - earlier for earlier, later in pairwise(times[::2])] == pytest.approx([60 / 0.9] * 4)
    assert times[-1] - times[0] == pytest.approx(4 * 60 / 0.9 + 1 / 0.9)


def test_nine_tenths_of_a_limit_leave_a_tenth_to_others() -> None:
    clock = Clock()
    times = sent(clock, limiter(clock, 0.9), endpoint((35, 1), (350, 60)), [0.0] * 700)
    assert most_within(times, 1) == 32  # half a request more than nine tenths, in so much more than a second
    assert most_within(times, 60) == 315


def test_a_pause_holds_everyone_back_and_only_on_its_endpoint() -> None:
    clock = Clock()
    limits = limiter(clock)
    limits.pause(endpoint((10, 1)), 30)
    assert pass_one(limits, endpoint((10, 1), path="/api/profiles")) == 0
    assert pass_one(limits, endpoint((10, 1))) == 30
    assert pass_one(limits, endpoint((10, 1))) == 0


def test_of_two_pauses_the_longer_one_counts() -> None:
    clock = Clock()
    limits = limiter(clock)
    limits.pause(endpoint((10, 1)), 30)
    limits.pause(endpoint((10, 1)), 5)
    assert limits.acquire(endpoint((10, 1))) == 30


def test_a_pause_that_comes_while_one_waits_is_waited_for_too() -> None:
    clock = Clock()
    to = endpoint((1, 1))

    def sleep(seconds: float) -> None:
        if not clock.slept:
            limits.pause(to, 10)
        clock.sleep(seconds)

    limits = Limiter(1.0, clock=clock, sleep=sleep)
    pass_one(limits, to)
    assert limits.acquire(to) == 10


@given(st.lists(LIMITS, min_size=1, max_size=3), SHARES, IDLE)
def test_there_is_room_just_when_a_request_would_not_wait(limits: list[Limit], share: float, idle: list[float]) -> None:
    clock = Clock()
    to = replace(endpoint(), limits=tuple(limits))
    limiting = limiter(clock, share)
    for pause in idle:
        clock.now += pause
        room = limiting.has_room(to)
        assert limiting.has_room(to) == room  # to ask takes nothing
        assert (limiting.reserve(to) == 0) == room


def test_there_is_no_room_while_klaviyo_has_asked_us_to_wait() -> None:
    clock = Clock()
    limits = limiter(clock)
    limits.pause(endpoint((10, 1)), 30)
    assert not limits.has_room(endpoint((10, 1)))
    assert limits.has_room(endpoint((10, 1), path="/api/profiles"))
    clock.now += 30
    assert limits.has_room(endpoint((10, 1)))


def test_every_endpoint_has_an_allowance_of_its_own() -> None:
    clock = Clock()
    limits = limiter(clock)
    for path in ("/api/events", "/api/profiles", "/api/lists"):
        assert limits.acquire(endpoint((1, 60), path=path)) == 0


@pytest.fixture
def eager_threads() -> Iterator[None]:
    """Threads that take turns as often as they can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


def rush(limits: Limiter, to: Endpoint, gate: threading.Barrier) -> list[float]:
    """The waits that one thread is told, starting with all others."""
    gate.wait()
    return [limits.reserve(to) for _ in range(20)]


@pytest.mark.usefixtures("eager_threads")
def test_many_threads_at_once_are_let_through_as_often_as_one() -> None:
    clock, to = Clock(), endpoint((40, 1), (400, 60))
    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            limits, gate = limiter(clock), threading.Barrier(8)
            told = [pool.submit(rush, limits, to, gate) for _ in range(8)]
            assert [wait for thread in told for wait in thread.result()].count(0) == 40


def test_threads_that_wait_are_all_let_through_in_the_end() -> None:
    """In real time, ten times as fast."""
    limits = Limiter(1.0, clock=lambda: time.monotonic() * 10, sleep=lambda seconds: time.sleep(seconds / 10))

    def acquire_five() -> None:
        for _ in range(5):
            pass_one(limits, endpoint((10, 1)))

    started = time.monotonic()
    threads = [threading.Thread(target=acquire_five) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert not any(thread.is_alive() for thread in threads)
    assert time.monotonic() - started >= 0.3  # 40 requests, 10 in each tenth of a second
