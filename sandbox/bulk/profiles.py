"""Profiles from their number: created evenly over two years, and changed in another order than created."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, overload

from sandbox.account import Object
from sandbox.bulk.names import PROFILE_LETTERS, profile_id, profile_index
from sandbox.paging import Order, Place
from sandbox.story.spelling import DAY, instant

SPAN: Final = 720 * DAY
BLOCKS: Final = 9
"""Within a block of those created one after the other the order of change is a shuffled one. A profile changes while
the next block is created, and so never before it was created itself."""
IMPORTED: Final = 3
"""The block of which all change in the same second, by an import."""
SHUFFLE: Final = 1_000_000_007
CHUNK: Final = 1_024


class Profiles(Mapping[str, Object]):
    """So many profiles that look like the models. Their ids are in the order of creation."""

    def __init__(self, count: int, until: int, models: Sequence[Object]) -> None:
        self.count = count
        self.models = models
        self.begin = until - SPAN
        self.width = SPAN // BLOCKS
        self.block = max(1, -(-count // (BLOCKS - 1)))
        self._ids: dict[int, bytes] = {}

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[str]:
        return map(self.id, range(self.count))

    def __getitem__(self, id_: str) -> Object:
        index = profile_index(id_)
        if index is None or not 0 <= index < self.count or self.id(index) != id_:
            raise KeyError(id_)
        return self.at(index)

    def id(self, index: int) -> str:
        return profile_id(index, self.created(index))

    def id_bytes(self, index: int) -> bytes:
        """The same, sooner: ids are kept, in few objects, once they have been asked for this way."""
        number, place = divmod(index, CHUNK)
        chunk = self._ids.get(number)
        if chunk is None:
            indexes = range(number * CHUNK, min(number * CHUNK + CHUNK, self.count))
            chunk = self._ids[number] = "".join(map(self.id, indexes)).encode()
        return chunk[place * PROFILE_LETTERS : (place + 1) * PROFILE_LETTERS]

    def at(self, index: int) -> Object:
        model = self.models[index % len(self.models)]
        domain = (model.attributes["email"] or "@example.com").partition("@")[2]
        updated = instant(self.updated(index))
        own = {
            "email": f"customer{index}@{domain}",
            "external_id": f"cust-{index}",
            "created": instant(self.created(index)),
            "updated": updated,
            "last_event_date": updated,
        }
        return Object("profile", self.id(index), model.attributes | own)

    def created(self, index: int) -> int:
        return self.begin + index * self.width // self.block

    def updated(self, index: int) -> int:
        return self._changed(self._rank(index))

    def order(self, field: str) -> Order | None:
        """All of them by a field, without sorting them; None where that is not known."""
        match field:
            case "id":
                return Order(Places(self.count, lambda place: Place(self.id(place), self.id(place))), [])
            case "created":
                return Order(Places(self.count, lambda place: self._place(self.created(place), place)), [])
            case "updated":
                return Order(Places(self.count, lambda rank: self._place(self._changed(rank), self._index(rank))), [])
            case _:
                return None

    def _place(self, second: int, index: int) -> Place:
        return Place(datetime.fromtimestamp(second, UTC), self.id(index))

    def _changed(self, rank: int) -> int:
        """When the profile changed that was this one in the order of change."""
        block = rank // self.block
        return self.created(block * self.block if block == IMPORTED else rank) + self.width

    def _rank(self, index: int) -> int:
        return self._shuffled(index, SHUFFLE)

    def _index(self, rank: int) -> int:
        return self._shuffled(rank, pow(SHUFFLE, -1, self._size(rank)))

    def _shuffled(self, number: int, factor: int) -> int:
        block, place = divmod(number, self.block)
        if block == IMPORTED:
            return number
        return block * self.block + place * factor % self._size(number)

    def _size(self, number: int) -> int:
        """How many are in this one's block."""
        return min(self.block, self.count - number // self.block * self.block)


class Places(Sequence[Place]):
    """An order that is computed rather than kept."""

    def __init__(self, count: int, place: Callable[[int], Place]) -> None:
        self._count = count
        self._place = place

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Place: ...
    @overload
    def __getitem__(self, index: slice) -> list[Place]: ...
    def __getitem__(self, index: int | slice) -> Place | list[Place]:
        if isinstance(index, slice):
            return [self._place(one) for one in range(self._count)[index]]
        return self._place(range(self._count)[index])
