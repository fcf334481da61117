"""An account of anything that the document allows: each type at random, with all that JSON can hold."""

from __future__ import annotations

import base64
import json
import re
import string
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta, timezone
from random import Random

from tests.stranger.document import Document, Json

END = datetime(2026, 10, 1, tzinfo=UTC)
"""Nothing in a new account is younger than this."""

COUNTS = {
    "account": 1,
    "tracking-setting": 1,
    "event": 90,
    "profile": 45,
    "catalog-item": 18,
    "metric": 6,
    "list": 5,
    "attribution": 25,
    "coupon-code": 12,
    "flow-action": 12,
    "tag": 8,
}
AWKWARD = ("été", "a b", "#1", "50%", "?x=1&y", "a,b", "(1)", "+", "日本", "[x]", "x/y", "a:b", "plain")
"""Within ids that are not Klaviyo's own."""
ROLES = ("revenue", "started_checkout", "viewed_product", "added_to_cart")
CHANNELS = ("email", "sms", "mobile_push")

HALF = re.compile("[\ud800-\udfff]")
"""Half a character, as a text that was cut within one has it."""

LONG = "long " * 60
TEXTS = (
    "", " ", "null", "true", "0", "-1.50", "2024-02-30", "2026-01-01T00:00:00Z", '{"a": [1]}', "[]", '"', "\\", "\\u0000", "a\tb\r\nc",
    "O'Brien; DROP TABLE x --", "Zoë Ångström", "日本語", "שלום عربي", "👩‍👩‍👧‍👦 🏳️‍🌈", "e\u0301", "\u200b\ufeff", "nul\x00nul", "lone \ud800 high", "\udfff low", "\U0010ffff",
    "%s {0} $1 ${x} {{ y }}", LONG, "\x7f\x1b[31m", "\u2028\u2029", "NaN", "Infinity",
)  # fmt: skip
KEYS = (
    "", " ", ".", "a.b", "a__b", "$value", "$extra", "Key", "key", "KEY", "kéy", "日本", "👍", "9", "order", "select", "[0]", "*", '"', "'", "\\", "/", "nul\x00key",
    "lone\ud800", "\u202eltr", "x" * 300, "Items", "items", "id", "type", "_id", "é", "e\u0301",
)  # fmt: skip
NUMBERS: tuple[Json, ...] = (
    0,
    -1,
    7,
    2**31,
    2**53 + 1,
    2**63,
    -(2**63) - 1,
    10**40,
    0.1,
    -0.0,
    1e-9,
    1.5e300,
    123456.789,
)
RAW = ("1.10", "1E5", "1e400", "-0", "123456789012345678901234567890.12345678901234567890")
"""Numbers as no Python number is spelled; see `spelled`."""

OWNED = ("import-errors", "schema-versions")
"""Relations of which no two objects share anything, though only their paths tell."""

EXTRA = (
    "brandNew",
    "Order Count",
    "naïve-key",
    "select",
    "_deleted_at",
    "name2",
    "9lives",
    "location__city",
    "Name",
    "data",
    "y" * 180,
)


class Account:
    """Objects by type and id, and what is related to what. All of it follows from the seed."""

    def __init__(self, document: Document, seed: int) -> None:
        self.document = document
        self.seed = seed
        self.random = Random(seed)
        self.ascii_only = self.random.random() < 0.5
        # Only where everything is escaped can half a character be sent at all.
        self.texts = [text for text in TEXTS if self.ascii_only or not HALF.search(text)]
        self.keys = [key for key in KEYS if self.ascii_only or not HALF.search(key)]
        self.objects: dict[str, dict[str, Json]] = {}
        self.related: dict[tuple[str, str], dict[str, list[str]]] = {}
        self.joined: dict[tuple[str, str, str], str] = {}
        self.stamps = {kind: self.stamped(kind) for kind in document.types}
        self.extra = {
            kind: self.random.sample(EXTRA, 2) for kind in sorted(document.types) if self.random.random() < 0.7
        }
        for kind in sorted(document.types):
            self.objects[kind] = {}
            for place in range(COUNTS.get(kind, self.random.randint(4, 9))):
                self.add(kind, place)
        self.relate()
        self.channel = {campaign: self.random.choice(CHANNELS) for campaign in self.objects["campaign"]}
        for kind in ("list", "segment"):
            for group, members in self.related[kind, "profiles"].items():
                self.joined |= {(kind, group, member): self.moment(end=END, seconds=True) for member in members}
        self.count()

    def count(self) -> None:
        """Tell of lists and segments how many members they have, where they tell at all."""
        for kind in ("list", "segment"):
            for group, members in self.related[kind, "profiles"].items():
                kept = self.objects[kind][group]["attributes"]
                if kept.get("profile_count") is not None:
                    kept["profile_count"] = len(members)

    def stamped(self, kind: str) -> set[str]:
        """The attributes by which the document lets sort or filter in time: Klaviyo has them of every object."""
        known: set[str] = set()
        for operation in self.document.operations.values():
            if operation.type == kind:
                dated = {
                    name
                    for name, told in operation.filters.items()
                    if told.get("value", {}).get("format") == "date-time"
                }
                known |= dated | {name.lstrip("-") for name in operation.listed("sort")}
        return {name for name in known if name.startswith(("created", "updated", "datetime", "timestamp", "joined"))}

    # --- One object

    def add(self, kind: str, place: int) -> str:
        identity = self.identity(kind, place)
        self.objects[kind][identity] = {"type": kind, "id": identity, "attributes": self.attributes(kind, identity)}
        return identity

    def attributes(self, kind: str, identity: str) -> Json:
        schema = self.document.resolved(self.document.types[kind]["properties"].get("attributes", {}))
        if not schema:
            return {}
        attributes: Json = self.of_object(schema, 0, self.stamps[kind])
        attributes.pop("joined_group_at", None)
        for name in self.extra.get(kind, ()):
            if self.random.random() < 0.6:
                attributes[name] = self.anything(2)
        match kind:
            case "event":
                moment = self.moment(end=END, seconds=True, recent=self.random.random() < 0.2)
                attributes |= {"datetime": moment, "timestamp": int(parsed(moment).timestamp())}
            case "metric":
                attributes |= {name: self.moment(end=END) for name in ("created", "updated") if attributes.get(name)}
            case "account":
                attributes["timezone"] = "Europe/Copenhagen"
            case "profile":
                self.tell_suppressions_apart(attributes)
            case "coupon-code":
                attributes["unique_code"] = identity
        return attributes

    @staticmethod
    def tell_suppressions_apart(attributes: Json) -> None:
        """Nobody is suppressed twice for one reason."""
        marketing = ((attributes.get("subscriptions") or {}).get("email") or {}).get("marketing") or {}
        for name in ("suppression", "list_suppressions"):
            for place, element in enumerate(marketing.get(name) or ()):
                element["reason"] = ("HARD_BOUNCE", "USER_SUPPRESSED", "SPAM_COMPLAINT", "Brand new: ✨")[place]

    def identity(self, kind: str, place: int) -> str:
        choice = self.random.choice
        if kind.startswith("catalog-") and not kind.endswith("-job"):
            kind = "catalog"
        spelled_by_type = {
            "catalog": lambda: f"$custom:::$default:::SKU-{place}/{choice(AWKWARD)}",
            "coupon": lambda: f"{choice(AWKWARD)}-{place}",
            "coupon-code": lambda: f"{choice(AWKWARD)}-{place}",
            "push-token": lambda: f"{choice(AWKWARD)}-{place}",
            "flow-action": lambda: str(10_000_000 + place * 7),
            "mapped-metric": lambda: (*ROLES, *map(str, range(place)))[place],
            "object-record": lambda: f"{self.ulid()}:::{choice(AWKWARD)}-{place}",
            "webhook-topic": lambda: f"event:klaviyo.topic_{place}",
        }
        usual = choice((self.short, self.ulid, lambda: f"{self.random.getrandbits(128):032x}"))
        return spelled_by_type.get(kind, usual)()

    def short(self) -> str:
        return "".join(self.random.choices(string.ascii_letters + string.digits, k=6))

    def ulid(self) -> str:
        return "01" + "".join(self.random.choices("0123456789ABCDEFGHJKMNPQRSTVWXYZ", k=24))

    # --- A value of a schema

    def value(self, schema: Json, depth: int, *, never_null: bool = False) -> Json:
        schema, random = self.document.resolved(schema), self.random
        if schema.get("nullable") and not never_null and (depth > 6 or random.random() < 0.2):
            return None
        if "oneOf" in schema or "anyOf" in schema:
            return self.value(random.choice(schema.get("oneOf") or schema["anyOf"]), depth)
        if "enum" in schema:
            is_open = len(schema["enum"]) > 1 and schema.get("type") == "string"
            return "Brand new: ✨" if is_open and random.random() < 0.1 else random.choice(schema["enum"])
        makers: dict[str, Callable[[], Json]] = {
            "object": lambda: self.of_object(schema, depth) if schema.get("properties") else self.free(4),
            "array": lambda: [self.value(schema.get("items", {}), depth + 1) for _ in range(self.length(depth))],
            "string": lambda: self.text(schema.get("format", "")),
            "integer": lambda: random.choice((0, 1, -5, 42, 2**31, 2**53 + 1)),
            "number": lambda: random.choice((0, 1, -2.5, 19.99, 1e-7, 1e21, 0.1)),
            "boolean": lambda: random.random() < 0.5,
        }
        return makers.get(schema.get("type", ""), lambda: self.anything(3))()

    def length(self, depth: int) -> int:
        return 0 if depth > 5 else self.random.choice((0, 1, 1, 3))

    def of_object(self, schema: Json, depth: int, stamps: Collection[str] = ()) -> Json:
        required = schema.get("required", ())
        new = {self.random.choice(self.keys): self.anything(1)} if depth and self.random.random() < 0.1 else {}
        return new | {
            name: self.value(told, depth + 1, never_null=name in stamps)
            for name, told in schema["properties"].items()
            if name in required or name in stamps or self.random.random() < (0.85 if depth < 4 else 0.2)
        }

    def text(self, form: str) -> str:
        if form == "date-time":
            return self.moment(end=END)
        if form == "date":
            return f"2026-0{self.random.randint(1, 9)}-11"
        if form == "time":
            return "08:30:00"
        return self.random.choice(self.texts) if self.random.random() < 0.5 else f"text {self.random.random()}"

    def moment(self, end: datetime, *, seconds: bool = False, recent: bool = False) -> str:
        """A time before `end`, in any spelling that ISO 8601 or a known Klaviyo answer has."""
        when = end - timedelta(seconds=self.random.randint(60, 6 * 86_400 if recent else 900 * 86_400))
        when = when.replace(microsecond=0 if seconds else self.random.choice((0, 1, 120_000, 918_411)))
        match self.random.randrange(5):
            case 0:
                return when.isoformat().replace("+00:00", "Z")
            case 1:
                return when.astimezone(timezone(timedelta(hours=self.random.choice((-7, 5.5, 2))))).isoformat()
            case 2:
                return when.isoformat(" ")
            case 3:
                return when.isoformat(timespec="microseconds")
        return when.isoformat()

    # --- Free-form values

    def free(self, depth: int) -> Json:
        keys = self.random.sample(self.keys, self.random.randint(0, 7))
        return {key: self.anything(depth) for key in keys}

    def anything(self, depth: int) -> Json:
        choice = self.random.randrange(9 if depth > 0 else 6)
        if choice < 2:
            return self.random.choice(self.texts)
        if choice < 4:
            return self.random.choice(NUMBERS)
        if choice == 4:
            return f"@@{self.random.choice(RAW)}@@"
        if choice == 5:
            return self.random.choice((True, False, None, self.moment(end=END)))
        if choice == 6:
            return [self.anything(depth - 1) for _ in range(self.random.randrange(4))]
        return self.free(depth - 1)

    # --- What happens

    def change(self, when: datetime) -> None:
        """Change an object of some types, take one of others away, and let some come."""
        for kind in self.random.sample(sorted(self.objects), 15):
            kept = self.objects[kind]
            identity = next(iter(kept))
            if kind in ("event", "conversation"):  # what happened, or was said somewhere, stays so
                continue
            old, new = kept[identity]["attributes"], self.attributes(kind, identity)
            for name in self.stamps[kind] & {*old}:
                new[name] = old[name] if name.startswith("created") else when.isoformat()
            kept[identity]["attributes"] = new
        for kind in ("tag", "review", "coupon", "catalog-item"):
            self.remove(kind, list(self.objects[kind])[1])
        for kind in ("tag", "profile", "event"):
            new = self.objects[kind][self.add(kind, 1_000)]
            for name in {*new["attributes"]} & {*self.stamps[kind]} - {"timestamp"}:
                new["attributes"][name] = when.isoformat()
            new["attributes"] |= {"timestamp": int(when.timestamp())} if kind == "event" else {}
            for relation, pairs in self.related.items():
                if relation[0] == kind:
                    pairs[new["id"]] = []
        self.related["list", "profiles"][next(iter(self.objects["list"]))].append(
            new_profile := [*self.objects["profile"]][-1]
        )
        self.related["profile", "lists"][new_profile].append(next(iter(self.objects["list"])))
        self.joined["list", next(iter(self.objects["list"])), new_profile] = when.isoformat()
        self.count()

    def remove(self, kind: str, identity: str) -> None:
        del self.objects[kind][identity]
        for (owner, relation), pairs in self.related.items():
            if owner == kind:
                pairs.pop(identity, None)
            leads_to = self.document.relations(owner).get(relation, ("", False))[0]
            for others in pairs.values():
                # What has happened goes on naming who is gone.
                if identity in others and leads_to in (kind, "") and owner != "event":
                    others.remove(identity)

    def told(self, kind: str, identity: str) -> Json:
        """All that Klaviyo may say in an answer about an object, in one order: with what it is related to, and whom its attributions name."""
        own = {name: sorted(pairs.get(identity, ())) for (owner, name), pairs in self.related.items() if owner == kind}
        named = [
            sorted(pairs[one])
            for (owner, _), pairs in self.related.items()
            for one in own.get("attributions", ())
            if owner == "attribution"
        ]
        return [self.objects[kind][identity], own, named]

    # --- Relations

    def relate(self) -> None:
        """Fill every relation of every type, the two directions of one alike."""
        relations = {kind: self.document.relations(kind) for kind in sorted(self.document.types)}
        wanted = [(kind, name, *target) for kind, found in relations.items() for name, target in found.items()]
        for kind, name, target, many in sorted(wanted, key=lambda told: (told[3], told)):
            if (kind, name) in self.related or target not in self.objects:
                continue
            others = list(self.objects[target])
            inverse = self.inverse(kind, name, target, relations[target])
            # What hangs from something is never without it.
            counts = (0, 1, 2, 4) if many else (1,) if inverse else (0, 1, 1)
            pairs = {
                identity: self.random.sample(others, min(len(others), self.random.choice(counts)))
                for identity in self.objects[kind]
            }
            self.related[kind, name] = pairs
            if inverse and (target, inverse) not in self.related:
                self.related[target, inverse] = {
                    other: [identity for identity in pairs if other in pairs[identity]] for other in others
                }

        for operation in self.document.operations.values():
            parent = self.document.owner(operation)
            owned = operation.relation in OWNED
            if operation.relation and (owned or (parent, operation.relation) not in self.related):
                self.related[parent, operation.relation] = self.reached(parent, operation.type)

    def reached(self, parent: str, kind: str) -> dict[str, list[str]]:
        """What a path leads to that no relation of its parent tells of: the other direction of one that there is, or a share of all."""
        pairs: dict[str, list[str]] = {identity: [] for identity in self.objects[parent]}
        back = [name for name, (target, _) in self.document.relations(kind).items() if target == parent]
        for place, one in enumerate(self.objects[kind]):
            for owner in self.related[kind, back[0]][one] if back else [list(pairs)[place % len(pairs)]]:
                pairs[owner].append(one)
        return pairs

    def inverse(self, kind: str, name: str, target: str, relations: dict[str, tuple[str, bool]]) -> str:
        back = [
            other
            for other, (leads_to, many) in relations.items()
            if leads_to == kind and many and (target, other) != (kind, name)
        ]
        ours = [other for other, (leads_to, _) in self.document.relations(kind).items() if leads_to == target]
        return back[0] if len(back) == 1 and (len(ours) == 1 or name == target) else ""


def parsed(text: str) -> datetime:
    return datetime.fromisoformat(text)


def spelled(value: Json, *, ascii_only: bool, compact: bool) -> bytes:
    """JSON as one server or another writes it."""
    separators = (",", ":") if compact else None
    text = json.dumps(value, ensure_ascii=ascii_only, separators=separators)
    for number in RAW:
        text = text.replace(f'"@@{number}@@"', number)
    return text.encode()


def token(value: Json) -> str:
    """An opaque text, as cursors are: with what base64 has beside letters and digits."""
    return base64.b64encode(json.dumps(value).encode()).decode()
