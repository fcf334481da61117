"""Answers that two readers of one collection share: who comes second is given what the first was answered."""

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
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)


@dataclass
class Shared:
    """Reads as a client does. An answer is kept from its first reading to its second. Thread-safe."""

    client: Client
    tally: Tally
    """Counts the requests, whoever comes first."""

    def __post_init__(self) -> None:
        self.lock = threading.Lock()
        self.answers: dict[str, Answer] = {}

    def read(self, endpoint: Endpoint, target: str, parse: Callable[[bytes], T], _tally: Tally) -> T:
        """The parsed answer to a GET of `target`. Raises a KlaviyoError."""
        with self.lock:
            answer = self.answers.setdefault(target, Answer())
        with answer.lock:
            if answer.body is None:
                return self.client.read(endpoint, target, lambda body: self.keep(answer, body, parse), self.tally)
            with self.lock:
                self.answers.pop(target, None)
            return parse(answer.body)

    @staticmethod
    def keep(answer: Answer, body: bytes, parse: Callable[[bytes], T]) -> T:
        """A body that does not parse is asked for again."""
        parsed = parse(body)
        answer.body = body
        return parsed
