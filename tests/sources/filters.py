"""A reading of filters that owes nothing to the code under test."""

from __future__ import annotations

import re
from typing import NamedTuple

CONDITION = re.compile(r"(?P<operator>[a-z-]+)\((?P<on>[\w.$]+)(?:,(?P<value>[^()]*))?\)(?:,|$)")


class Condition(NamedTuple):
    operator: str
    on: str
    value: str


def conditions(text: str) -> list[Condition]:
    """The conditions of a conjunction written with commas; all of the text must be one."""
    found = [*CONDITION.finditer(text)]
    assert "".join(match[0] for match in found) == text, text
    return [Condition(match["operator"], match["on"], match["value"] or "") for match in found]
