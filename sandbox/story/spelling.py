"""How Klaviyo spells its ids and its instants."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID
from zlib import crc32

if TYPE_CHECKING:
    from random import Random

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

DAY = 86_400
HOUR = 3_600
MINUTE = 60

GREGORIAN = 0x01B21DD213814000  # 100 ns ticks from 1582-10-15, where version 1 UUIDs begin, to 1970


def short_id(dice: Random) -> str:
    return "".join(dice.choices(BASE62, k=6))


def event_id(dice: Random) -> str:
    number, letters = dice.getrandbits(64), ""
    for _ in range(11):
        number, digit = divmod(number, 62)
        letters += BASE62[digit]
    return letters


def ulid(dice: Random, second: int) -> str:
    number = second * 1000 + dice.randrange(1000) << 80 | dice.getrandbits(80)
    return "".join(CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def numeric_id(dice: Random, digits: int = 8) -> str:
    return str(dice.randrange(10 ** (digits - 1), 10**digits))


def tag_id(dice: Random) -> str:
    return str(UUID(int=dice.getrandbits(128), version=4))


def event_uuid(second: int, event_id: str) -> str:
    """A version 1 UUID: the event's time in front, and a node that is the event's own."""
    salt = crc32(event_id.encode())
    ticks = GREGORIAN + second * 10_000_000 + salt % 10_000_000
    return f"{ticks & 0xFFFFFFFF:08x}-{ticks >> 32 & 0xFFFF:04x}-1{ticks >> 48 & 0xFFF:03x}-8001-{salt * 40503:012x}"


def instant(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()


def precise(second: int, microsecond: int) -> str:
    return datetime.fromtimestamp(second, UTC).replace(microsecond=microsecond).isoformat()


def spaced(second: int, microsecond: int) -> str:
    """The spelling of some consent timestamps: a space where the others have a T."""
    return precise(second, microsecond).replace("T", " ")
