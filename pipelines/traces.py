"""How a person may be told of in a text or in JSON, and the same without the person. Pure."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final
from urllib.parse import quote, quote_plus

import msgspec
from msgspec import Raw

from sources.klaviyo.pseudonyms import REDACTED

DISTINCT: Final = 8
"""Letters and digits from which a name of your own making is taken for one that means nothing else."""
SHORTEST: Final = 2
"""Letters of a name that is looked for."""
GAP: Final = "[ ().-]*"
IN_BASE64: Final = "[A-Za-z0-9+/_=-]*"
ESCAPED_ASCII: Final = r"\\u00[2-7]"
"""In JSON, a letter that need not be escaped, and is: only a reader of JSON sees what stands there."""

MEMBERS: Final = msgspec.json.Decoder(dict[str, Raw])
ELEMENTS: Final = msgspec.json.Decoder(list[Raw])
TEXT: Final = msgspec.json.Decoder(str)


@dataclass(frozen=True)
class Person:
    """What is known of somebody who is to be forgotten."""

    ids: frozenset[str] = frozenset()
    """Klaviyo's: the profile's own, and those of profiles that were merged into it."""
    addresses: frozenset[str] = frozenset()
    """E-mail addresses and phone numbers that nobody else has."""
    external_ids: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    """What others may have, too, such as names and streets: looked for in the person's own rows only."""

    @property
    def distinct(self) -> frozenset[str]:
        """What is looked for everywhere."""
        return self.addresses | {one for one in self.ids | self.external_ids if is_distinct(one)}

    @cached_property
    def everywhere(self) -> Traces:
        return Traces(self.distinct)

    @cached_property
    def own(self) -> Traces:
        """For rows that are the person's."""
        whole = {one.strip().casefold() for one in self.names | self.external_ids if len(one.strip()) >= SHORTEST}
        return Traces(self.distinct, frozenset(whole))


def is_distinct(name: str) -> bool:
    """Digits alone may count anything, and so may what is short."""
    return len(name) >= DISTINCT and not name.isdigit()


@dataclass(frozen=True)
class Traces:
    """Texts to find in whatever spelling; and texts that only count when a value is nothing else, in lower case."""

    texts: frozenset[str]
    whole: frozenset[str] = frozenset()

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        return any_of(one for text in self.texts for one in exact(text))

    @cached_property
    def cores(self) -> re.Pattern[str]:
        return any_of(re.escape(core) for text in self.texts for core in in_base64(text))

    @cached_property
    def tokens(self) -> re.Pattern[str]:
        return re.compile(f"{IN_BASE64}(?:{self.cores.pattern}){IN_BASE64}")

    @cached_property
    def candidates(self) -> str:
        """A regular expression, in what all warehouses have of them, that no trace escapes."""
        return "|".join([*(one for text in sorted(self.texts) for one in rough(text)), ESCAPED_ASCII])

    def without(self, text: str) -> str:
        """The text without the person."""
        if text.strip().casefold() in self.whole:
            return REDACTED
        if self.cores.search(text):  # what surrounds them takes long to find, so it is not looked for in vain
            text = self.tokens.sub(REDACTED, text)
        return self.pattern.sub(REDACTED, text)

    def without_in_json(self, value: str) -> str:
        """The JSON without the person; everything else to the letter, where nothing is found all of it."""
        return self.treat(value.encode()).decode()

    def treat(self, value: bytes) -> bytes:
        first = value[:1]
        if first == b"{":
            members = [(key, bytes(inner)) for key, inner in MEMBERS.decode(value).items()]
            treated = [(self.without(key), self.treat(inner)) for key, inner in members]
            if treated == members and not self.pattern.search(value.decode()):
                return value
            return b"{" + b",".join(msgspec.json.encode(key) + b":" + inner for key, inner in treated) + b"}"
        if first == b"[":
            elements = [bytes(inner) for inner in ELEMENTS.decode(value)]
            kept = [self.treat(inner) for inner in elements]
            return value if kept == elements else b"[" + b",".join(kept) + b"]"
        if first in b"tfn":
            return value
        text = TEXT.decode(value) if first == b'"' else value.decode()
        without = self.without(text)
        return value if without == text else msgspec.json.encode(without)


def any_of(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{one})" for one in sorted({*patterns})) or "(?!)", re.IGNORECASE)


def is_number(text: str) -> bool:
    return text.startswith("+") and text[1:].isdigit()


def dialled(number: str) -> str:
    return r"(?:\+|%2B|00)?" + GAP.join(number[1:])


def exact(text: str) -> Iterator[str]:
    """Regular expressions for a text alone, and for its encodings."""
    if is_number(text):
        yield rf"(?<!\d){dialled(text)}(?!\d)"
    else:
        # Not within a longer address: anna@example.com is not joanna@example.com.
        yield rf"(?<![\w.+-]){re.escape(text)}(?![\w-]|\.\w)"
    yield from map(re.escape, encodings(text) - {text})


def encodings(text: str) -> set[str]:
    """As links spell it, and JSON within JSON."""
    in_links = {quote(text), quote(text, safe=""), quote_plus(text), quote(text, safe="@")}
    return in_links | {ascii_escaped(text), text.replace("@", r"\u0040")}


def rough(text: str) -> Iterator[str]:
    yield dialled(text) if is_number(text) else escaped(text)
    yield from map(escaped, encodings(text) | in_base64(text))


def escaped(text: str) -> str:
    """As `re.escape`, for all dialects; not all of them know the case of letters beyond ASCII."""
    return re.sub(r"[^\x00-\x7f]", ".", re.sub(r"([\\.^$*+?{}\[\]|()/-])", r"\\\1", text))


def ascii_escaped(text: str) -> str:
    """As JSON that knows ASCII only spells it."""
    return json.dumps(text)[1:-1]


def in_base64(text: str) -> set[str]:
    """What is the same of a text's base64 whatever stands before and behind it, in either alphabet."""
    found = set()
    for spelled in {text, text.lower()}:
        for shift in range(3):
            plain = b"\0" * shift + spelled.encode()
            whole = base64.b64encode(plain[: len(plain) // 3 * 3]).decode()
            core = whole[4 if shift else 0 :]
            if len(core) >= DISTINCT:
                found |= {core, core.translate(URL_SAFE)}
    return found


URL_SAFE: Final = str.maketrans("+/", "-_")
