"""Names that name no one: a keyed hash stands for a value, the same one wherever the value is met."""

from __future__ import annotations

import hashlib
import hmac
import re
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

REDACTED: Final = "redacted"
"""What Klaviyo itself puts in place of somebody who was deleted."""
SHORTEST_KEY: Final = 32
DIGITS: Final = 32
"""Of a pseudonym, in hexadecimal: 128 bits."""
REMEMBERED: Final = 65_536
"""Values of a run, most of which come again with the next event."""

EMAIL: Final = re.compile(r"[\w.!#$'*^`{|}~+-]+@[\w-]+(?:\.[\w-]+)+")
PHONE: Final = re.compile(r"(?<![\w+])\+(?:[ ().-]*\d){8,15}(?!\d)")
ENCODED: Final = re.compile(r"[\w.!'*~%-]+%40[\w%-]+(?:\.[\w%-]+)+|%2B\d{8,15}(?!\d)", re.IGNORECASE)
"""An address or a number as it stands in a link."""
PSEUDONYM: Final = re.compile(rf"[0-9a-f]{{{DIGITS}}}")
NOT_DIALLED: Final = re.compile(r"[^\d+]")


class Pseudonyms:
    """HMAC-SHA-256 under one key, of which the first half is kept."""

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.sealing = hashlib.blake2b(digest_size=8, key=hmac.digest(key, b"rows", "sha256"))
        self.of = lru_cache(REMEMBERED)(self.reckon)

    def reckon(self, text: str) -> str:
        return hmac.digest(self.key, normal(text).encode(), "sha256").hex()[:DIGITS]

    def seal(self, digest: bytes) -> int:
        """64 bits that stand for a digest: from the plain one, what is dropped could be guessed."""
        sealed = self.sealing.copy()
        sealed.update(digest)
        return int.from_bytes(sealed.digest(), signed=True)

    def decoded(self, found: re.Match[str]) -> str:
        plain = unquote(found[0])
        name = self.of(plain)
        return found[0] if name == plain else name

    def mask(self, text: str) -> str:
        """The text, with pseudonyms in place of the e-mail addresses and phone numbers in it."""
        if "%" in text:
            text = ENCODED.sub(self.decoded, text)
        if "@" in text:
            text = EMAIL.sub(lambda found: self.of(found[0]), text)
        if "+" in text:
            text = PHONE.sub(lambda found: self.of(found[0]), text)
        return text


class Nobody(Pseudonyms):
    """The same for everybody: nothing of who it was is left."""

    def reckon(self, text: str) -> str:  # noqa: ARG002 - that is the point
        return REDACTED


def is_pseudonym(text: str) -> bool:
    return PSEUDONYM.fullmatch(text) is not None


def normal(text: str) -> str:
    """One spelling of what people spell in several: addresses in lower case, international numbers without blanks."""
    text = text.strip()
    if "@" in text:
        return text.lower()
    if text.startswith(("+", "00")) and not any(map(str.isalpha, text)):
        return NOT_DIALLED.sub("", f"+{text[2:]}" if text.startswith("00") else text)
    return text
