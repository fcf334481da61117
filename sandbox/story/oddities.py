"""Data that is valid and rare: what a pipeline has to survive, each kind under its name."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from msgspec import Raw

from sandbox.story.events import Written
from sandbox.story.people import draw_people, write_profile
from sandbox.story.spelling import DAY, HOUR, event_id, event_uuid, instant, short_id, tag_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.account import Event
    from sandbox.story.draft import Draft


QUOTED = 'He said "hi",\n\tO\'Brien\\ — 100% {{ off }}; drop table'
MISSING_METRIC = "ZZZZZZ"
"""An id that no metric has."""
MISSING_PROFILE = "01ZZZZZZZZZZZZZZZZZZZZZZZZ"
ODDITY = "oddity"
"""The property that says which oddity an event is."""
BURST = 300
IN_1995 = 795_182_400
AHEAD = (26 * HOUR, 30 * HOUR, 3 * DAY, 45 * DAY, 190 * DAY, 364 * DAY)
"""How far after `now` events are dated; all of it is later than any clock of that day."""

EXACT = {
    "beyond 64 bits": Raw(b"12345678901234567890123456789"),
    "just beyond 64 bits": Raw(b"18446744073709551616"),
    "beyond a double's integers": 9_007_199_254_740_993,
    "smallest 64 bits": -9_223_372_036_854_775_808,
    "precise": Raw(b"0.1000000000000000055511151231257827"),
    "precise and large": Raw(b"123456789012345678.123456789012345678"),
    "trailing zeros": Raw(b"49.9500"),
    "negative zero": Raw(b"-0.0"),
    "whole but decimal": Raw(b"100.0"),
    "with exponent": Raw(b"1.5E+3"),
    "tiny": Raw(b"2.5e-300"),
}


def _nested(depth: int) -> dict[str, Any]:
    inner: dict[str, Any] = {"bottom": True}
    for level in range(depth):
        inner = {"level": level, "inner": inner} if level % 2 else {"list": [inner]}
    return inner


ODD_PROPERTIES: dict[str, dict[str, Any] | None] = {
    "none": None,
    "empty": {},
    "empty within": {"object": {}, "array": [], "string": "", "nested": {"array": [[], {}, ""]}},
    "nulls": {"a": None, "b": [None, None], "c": {"d": None}, "$value": None, "$event_id": None},
    "unicode": {
        "Größe": "ß",
        "名前": "東京 🗼",
        "emoji": "👩‍👩‍👧‍👦 🏳️‍🌈",
        "rtl": "שלום",
        "combining": "e\u0301",
        "🛒": 1,
    },
    "long string": {"essay": "All work and no play. " * 4_700},
    "long key": {"k" * 300: 1},
    "wide": {f"property {number:03d}": number for number in range(400)},
    "keys by case": {"Size": "M", "size": 42, "SIZE": None, "sIzE": {"eu": 38}},
    "keys alike": {"first name": "a", "first_name": "b", "First-Name": "c", "firstName": "d", "first__name": "e"},
    "strange keys": {
        "a.b": 1,
        "a": {"b": 2},
        "": "empty",
        " spaced ": 3,
        "$own": 4,
        "q\"uo'te": 5,
        "new\nline": 6,
        "1": 7,
    },
    "reserved keys": {"id": "x", "_dlt_id": "y", "datetime": "z", "select": 1, "null": 2, "__proto__": {}},
    "price as number": {"price": 19.99, "tags": ["a"], "size": 9},
    "price as text": {"price": "19.99", "tags": "a", "size": {"value": 9}},
    "price as formatted text": {"price": "$1,234.50", "tags": {"0": "a"}, "size": True},
    "values as text": {"$value": "12.50", "$value_currency": "eur"},
    "values negative": {"$value": -49.95, "$value_currency": "USD"},
    "exact numbers": dict(EXACT),
    "words like values": {
        "a": "NaN",
        "b": "Infinity",
        "c": "-Infinity",
        "d": "null",
        "e": "true",
        "f": "1e5",
        "g": "007",
    },
    "times like values": {"a": "2026-02-30", "b": "0000-00-00", "c": "1995-01-01T00:00:00Z", "d": "12:00", "e": 1e12},
    "controls": {"text": "".join(map(chr, range(1, 32))) + "\x7f\u2028\u2029\ufeff", "tab\tkey": "\r\n"},
    "quotes": {"text": QUOTED, "json": '{"a": "\\"b\\""}', "csv": '"a","b"\n', "path": "C:\\new\\table"},
    "deep": _nested(60),
    "many items": {"Items": [{"SKU": f"S{number}", "Quantity": number} for number in range(500)]},
    "mixed array": {"array": [1, "1", 1.5, True, None, [], {}, {"a": 1}]},
}

ODD_PROFILES: dict[str, dict[str, Any]] = {
    "nameless": {"first_name": None, "last_name": None},
    "without e-mail": {"email": None},
    "without anything": {
        **dict.fromkeys(("email", "phone_number", "external_id", "first_name", "last_name", "last_event_date")),
        "properties": None,
    },
    "numeric strings": {"external_id": "000123", "first_name": "123", "last_name": "1e10", "organization": "0x1F"},
    "strings like values": {"first_name": "null", "last_name": "NaN", "title": "true", "organization": ""},
    "unicode": {"first_name": "Zoë 🌈", "last_name": "山田", "organization": QUOTED, "title": "e\u0301"},
    "long": {"organization": "x" * 100_000},
    "odd e-mail": {"email": '"very.(),:;<>[]\\" odd"+Tag@EXAMPLE.com'},
}

ODD_LOCATIONS: dict[str, dict[str, Any]] = {
    "latitude as text": {"latitude": "40.712800", "longitude": "-74.0060"},
    "latitude as number": {"latitude": 40.7128, "longitude": Raw(b"-74.00600000000000000001")},
    "zip with zeros": {"zip": "00501", "address1": "007", "region": "01"},
    "nowhere": dict.fromkeys(("city", "country", "latitude", "longitude", "region", "zip", "timezone", "ip")),
    "city with newline": {"city": "New\nYork", "country": '"US"'},
}


def write_oddities(draft: Draft) -> list[Event]:
    """Put all that is odd into the account; the odd events are returned."""
    metric = _write_objects(draft)
    profiles = _write_profiles(draft)
    odd = _Events(draft, metric, profiles)
    return [*odd.by_properties(), *odd.in_one_second(), *odd.loose(), *odd.misdated()]


def _write_objects(draft: Draft) -> str:
    """Objects with odd names, and a metric that no integration owns, for the events to come."""
    metric, stamp = short_id(draft.dice), instant(draft.start)
    dated: dict[str, Any] = {"created": stamp, "updated": stamp}
    draft.add("metric", metric, {"name": "Odd Event", **dated, "integration": None}, {"flow-triggers": []})
    draft.add("metric", short_id(draft.dice), {"name": None, **dated, "integration": {}}, {"flow-triggers": []})
    draft.add("list", short_id(draft.dice), {"name": QUOTED, **dated, "opt_in_process": None}, {"tags": []})
    draft.add("tag", tag_id(draft.dice), {"name": QUOTED}, {"tag-group": next(iter(draft.objects["tag-group"]))})
    flags = {"is_active": True, "is_processing": True, "is_starred": False}
    draft.add("segment", short_id(draft.dice), {"name": None, "definition": None, **dated, **flags}, {"tags": []})
    flow = {"name": None, "status": None, "archived": False, **dated, "trigger_type": None, "definition": None}
    draft.add("flow", short_id(draft.dice), flow, {"flow-actions": [], "tags": []})
    unsent = next(
        campaign for campaign in draft.objects["campaign"].values() if campaign.attributes["status"] == "Draft"
    )
    unsent.attributes.update(name=QUOTED, send_time=None, scheduled_at=None, tracking_options=None)
    return metric


def _write_profiles(draft: Draft) -> list[str]:
    kinds = [*ODD_PROFILES.values(), *({"location": location} for location in ODD_LOCATIONS.values())]
    ids = []
    for person, changed in zip(draw_people(draft, len(kinds)), kinds, strict=True):
        profile = write_profile(draft, person).attributes
        profile["properties"] = {key: deepcopy(value) for key, value in ODD_PROPERTIES.items() if key not in HEAVY}
        profile.update({**changed, "location": {**profile["location"], **changed.get("location", {})}})
        ids.append(person.id)
    return ids


HEAVY = ("long string", "many items", "wide")


class _Events:
    def __init__(self, draft: Draft, metric: str, profiles: list[str]) -> None:
        self._draft = draft
        self._metric = metric
        self._profiles = profiles

    def _write(self, second: int, properties: dict[str, Any] | None, **others: Any) -> Written:  # noqa: ANN401 any field
        identity = event_id(self._draft.dice)
        usual: dict[str, Any] = {
            "metric_id": self._metric,
            "profile_id": self._draft.dice.choice(self._profiles),
            "datetime": instant(second),
            "uuid": event_uuid(second, identity),
        }
        return Written(id=identity, second=second, properties=properties, **{**usual, **others})

    def by_properties(self) -> Iterator[Event]:
        for number, (name, properties) in enumerate(ODD_PROPERTIES.items()):
            named = None if properties is None else {ODDITY: name, **properties}
            yield self._write(self._draft.now - (number + 2) * DAY, named)
        yield self._write(self._draft.now - DAY, {ODDITY: "no uuid"}, uuid=None)

    def in_one_second(self) -> Iterator[Event]:
        """A few hundred events at once: a bulk import, and one person's scripted clicks."""
        for number in range(BURST):
            yield self._write(self._draft.now - 100 * DAY, {"import": number})
        for number in range(BURST):
            yield self._write(self._draft.now - 7 * DAY, {"click": number}, profile_id=self._profiles[0])

    def loose(self) -> Iterator[Event]:
        """Events without, or with a dangling, profile or metric."""
        for number, link in enumerate(LOOSE):
            yield self._write(self._draft.now - (number + 3) * DAY - HOUR, {"loose": True}, **link)

    def misdated(self) -> Iterator[Event]:
        """Events of the future, of 1995, and with a space where the T belongs."""
        for seconds in AHEAD:
            yield self._write(self._draft.now + seconds, {"ahead": seconds})
        for number in range(3):
            yield self._write(IN_1995 + number, {"old": number})
        for number in range(3):
            second = self._draft.now - (number + 5) * DAY
            yield self._write(second, {"spaced": number}, datetime=instant(second).replace("T", " "))


LOOSE: tuple[dict[str, str | None], ...] = (
    {"profile_id": None},
    {"profile_id": MISSING_PROFILE},
    {"metric_id": None},
    {"metric_id": MISSING_METRIC},
    {"metric_id": None, "profile_id": None},
)
