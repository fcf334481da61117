"""The account in the making: dice, a span of time, and the objects so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

from sandbox.account import Linkage, Object
from sandbox.story.calendar import Calendar
from sandbox.story.spelling import DAY

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")

YEARS = 2


@dataclass(slots=True)
class Draft:
    seed: int
    scale: float
    now: int
    dice: Random = field(init=False)
    calendar: Calendar = field(init=False)
    objects: dict[str, dict[str, Object]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.dice = Random(f"{self.seed} {self.scale} {self.now}")
        self.calendar = Calendar(self.start, self.now)

    @property
    def start(self) -> int:
        return self.now - YEARS * 365 * DAY

    def add(
        self, kind: str, identity: str, attributes: dict[str, Any], relationships: dict[str, Linkage] | None = None
    ) -> Object:
        added = Object(kind, identity, attributes, relationships or {})
        self.objects.setdefault(kind, {})[identity] = added
        return added

    def chance(self, probability: float) -> bool:
        return self.dice.random() < probability

    def pick(self, weighted: Sequence[tuple[T, float]]) -> T:
        return self.dice.choices([choice for choice, _ in weighted], [weight for _, weight in weighted])[0]

    def soon(self, mean: float) -> int:
        """Seconds to wait for something that usually takes `mean` of them, and sometimes much longer."""
        return 1 + int(self.dice.expovariate(1 / mean))
