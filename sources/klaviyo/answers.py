"""Answers that several readers of one collection share: who comes first asks, the others are given the same."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from sources.klaviyo.client import Client
from sources.klaviyo.contract import Endpoint
from sources.klaviyo.tally import Tally

T = TypeVar("T")


@dataclass
class Answer:
    body: bytes | None = None
    readings: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)


@dataclass
class SharedAnswers:
    """Reads as a client does. An answer is kept until each reader has had it. Thread-safe."""

    client: Client
    tally: Tally
    """Counts the requests, whoever comes first."""
    readers: int = 1

    def __post_init__(self) -> None:
        self.lock = threading.Lock()
        self.answers: dict[str, Answer] = {}

    def read(self, endpoint: Endpoint, target: str, parse: Callable[[bytes], T], _tally: Tally) -> T:
        """The parsed answer to a GET of `target`. Raises a KlaviyoError."""
        with self.lock:
            answer = self.answers.setdefault(target, Answer())
        with answer.lock:
            if answer.body is None:
                parsed = self.client.read(endpoint, target, lambda body: keep(answer, body, parse), self.tally)
            else:
                parsed = parse(answer.body)
            answer.readings += 1
            if answer.readings >= self.readers:
                with self.lock:
                    self.answers.pop(target, None)
            return parsed


def keep(answer: Answer, body: bytes, parse: Callable[[bytes], T]) -> T:
    """A body that does not parse is not kept: the client asks for it again."""
    parsed = parse(body)
    answer.body = body
    return parsed
