"""Ids that look drawn at random, and yet tell the place of what they name."""

from __future__ import annotations

from typing import Final

from sandbox.story.spelling import BASE62, CROCKFORD

DIGITS: Final = BASE62.encode()
PAIRS: Final = [bytes((a, b)) for a in DIGITS for b in DIGITS]
TRIPLES: Final = [bytes((a, b, c)) for a in DIGITS for b in DIGITS for c in DIGITS]
VALUES: Final = {digit: value for value, digit in enumerate(BASE62)}
SPREAD: Final = len(TRIPLES)

STEP: Final = 0x9E3779B97F4A7C15
"""Its multiples, modulo a power of two, look random and are all different."""
EVENT_BITS: Final = 2**45 - 1
EVENT_STEP: Final = STEP & EVENT_BITS
EVENT_BACK: Final = pow(EVENT_STEP, -1, EVENT_BITS + 1)
PROFILE_BITS: Final = 2**64 - 1
PROFILE_BACK: Final = pow(STEP, -1, PROFILE_BITS + 1)
PROFILE_LETTERS: Final = 26

TIMES: Final = [a + b for a in CROCKFORD for b in CROCKFORD]


def event_id(index: int, rank: int, among: int) -> bytes:
    """Eleven letters, of which the first three put it at its rank among the events of its second."""
    hidden = (index + 1) * EVENT_STEP & EVENT_BITS
    spread = hidden % SPREAD if among == 1 else (rank * SPREAD + hidden % (SPREAD - among)) // among
    return TRIPLES[spread] + TRIPLES[hidden >> 28] + TRIPLES[hidden >> 11 & 0x1FFFF] + PAIRS[hidden & 0x7FF]


def event_index(id_: str) -> int | None:
    """The place that the id of an event tells; None for a text that cannot be one."""
    try:
        high, middle, low = map(_number, (id_[3:6], id_[6:9], id_[9:]))
    except KeyError:
        return None
    return ((high << 28 | middle << 11 | low) * EVENT_BACK & EVENT_BITS) - 1


def _number(text: str) -> int:
    number = 0
    for letter in text:
        number = number * len(VALUES) + VALUES[letter]
    return number


def profile_id(index: int, second: int) -> str:
    """A ULID: its time, in milliseconds, and 80 bits that tell its place."""
    time, hidden = second * 1_000, (index + 1) * STEP & PROFILE_BITS
    digits = [TIMES[time >> shift & 1023] for shift in (40, 30, 20, 10, 0)]
    return f"{''.join(digits)}{hidden:016X}"


def profile_index(id_: str) -> int | None:
    try:
        return (int(id_[10:], 16) * PROFILE_BACK & PROFILE_BITS) - 1
    except ValueError:
        return None
