"""A second Klaviyo, written from its OpenAPI document alone, for what the sandbox and the reader might both have misunderstood.

It answers each read of the document, out of an account of random objects, as differently as the document and known answers of Klaviyo allow.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import socket
import struct
from collections import Counter
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from threading import RLock, Thread
from typing import Self
from urllib.parse import parse_qsl, quote, urlencode, urlsplit
from zoneinfo import ZoneInfo

from tests.stranger.account import Account, parsed, spelled, token
from tests.stranger.document import Json, Operation
from tests.stranger.query import Condition, Refused, at, comparable, conditions

ALWAYS_LINKED = {
    ("campaign", "campaign-messages"),
    ("campaign-message", "campaign"),
    ("event", "profile"),
    ("event", "metric"),
}
"""Relations that Klaviyo was seen to give with their ids though nobody asked to include them."""

MISHAPS = ("throttled", "html", "empty", "json", "reset", "cut", "challenge", "cursor")


class Answer(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, code: str, detail: str, **source: str) -> None:
        super().__init__(detail)
        self.status = status
        error = {"id": "x", "status": status, "code": code, "title": "Invalid input.", "detail": detail}
        self.body: Json = {"errors": [error | {"source": source or {}, "links": [], "meta": []}]}


def odd(identity: str) -> bool:
    """A coin that falls alike for an object whenever it is asked for."""
    return hashlib.sha256(identity.encode()).digest()[0] % 2 == 1


def is_later(value: Json, clock: datetime) -> bool:
    moment = comparable(value)
    return isinstance(moment, datetime) and moment > clock


class Stranger:
    """A running server of an account. `mishaps` is how many requests of each kind of mishap go wrong."""

    def __init__(self, account: Account, mishaps: int = 3) -> None:
        self.account = account
        self.document = account.document
        self.random = Random(account.seed)
        self.left = Counter(dict.fromkeys(MISHAPS, mishaps))
        self.cursors: dict[str, tuple[str, list[str]]] = {}
        self.well: set[str] = set()
        self.requests: Counter[str] = Counter()
        self.refused: list[tuple[str, str]] = []
        self.clock = datetime(2027, 1, 1, tzinfo=UTC)
        self.lock = RLock()
        self.compact = self.random.random() < 0.5
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.handle(self, b"")

            def do_POST(self) -> None:
                server.handle(self, self.rfile.read(int(self.headers["Content-Length"])))

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"

    def __enter__(self) -> Self:
        Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.http.server_close()

    # --- HTTP

    def handle(self, request: BaseHTTPRequestHandler, posted: bytes) -> None:
        url = urlsplit(request.path)
        with self.lock:
            mishap = self.mishap(request.path)
            status, body, headers = 200, b"", {"Content-Type": "application/vnd.api+json"}
            if mishap in ("", "cursor"):
                try:
                    self.check(request)
                    answer = self.report(url.path, posted) if posted else self.read(url.path, url.query, mishap)
                    body = spelled(answer, ascii_only=self.account.ascii_only, compact=self.compact)
                    if self.random.random() < 0.6:
                        headers |= {
                            "RateLimit-Limit": "350, 350;w=1, 3500;w=60",
                            "RateLimit-Remaining": "0",
                            "RateLimit-Reset": "1",
                        }
                except Answer as error:
                    self.refused.append((request.path, str(error)))
                    status, body = error.status, json.dumps(error.body).encode()
            gzipped = "gzip" in request.headers.get("Accept-Encoding", "") and self.random.random() < 0.5
            chunked = self.random.random() < 0.4
        if mishap == "reset":
            request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            request.close_connection = True
            request.connection.close()
            return
        if mishap == "throttled":
            status, body, headers = (
                429,
                json.dumps(Answer(429, "throttled", "Request was throttled.").body).encode(),
                headers | {"Retry-After": "0"},
            )
        elif mishap in ("html", "challenge"):
            status, headers = (
                (502, {"Content-Type": "text/html"})
                if mishap == "html"
                else (403, {"Content-Type": "text/html", "cf-mitigated": "challenge"})
            )
            body = b"<html><body>Just a moment...</body></html>"
        elif mishap == "empty":
            status = 503
        elif mishap == "json":
            status, body = 500, json.dumps(Answer(500, "error", "A server error occurred.").body).encode()
        if gzipped and body:
            body, headers = gzip.compress(body, 1), headers | {"Content-Encoding": "gzip"}
        self.send(request, status, headers, body, chunked=chunked and mishap != "cut", cut=mishap == "cut")

    @staticmethod
    def send(
        request: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes, *, chunked: bool, cut: bool
    ) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        if chunked:
            request.send_header("Transfer-Encoding", "chunked")
            pieces = [body[start : start + 700] for start in range(0, len(body), 700)]
            body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        else:
            request.send_header("Content-Length", str(len(body) + (100 if cut else 0)))
        request.end_headers()
        request.wfile.write(body)
        if cut:
            request.close_connection = True

    def mishap(self, path: str) -> str:
        """What goes wrong now, if anything: never twice at one address in a row."""
        self.requests[path.split("?", maxsplit=1)[0]] += 1
        possible = [name for name in MISHAPS if self.left[name] and (name != "cursor" or "cursor" in path)]
        if path in self.well or not possible or self.random.random() > 0.08:
            self.well.discard(path)
            return ""
        self.well.add(path)
        mishap = self.random.choice(possible)
        self.left[mishap] -= 1
        return mishap

    @staticmethod
    def check(request: BaseHTTPRequestHandler) -> None:
        if not request.headers.get("Authorization", "").startswith("Klaviyo-API-Key pk_"):
            raise Answer(401, "not_authenticated", "Missing or invalid private key.")
        if request.headers.get("revision") != "2026-07-15":
            raise Answer(400, "invalid", "revision")

    # --- Reads

    def read(self, path: str, query: str, mishap: str = "") -> Json:
        found = self.document.find(path)
        if not found:
            raise Answer(404, "not_found", f"no such path: {path}")
        operation, identity = found
        asked = dict(parse_qsl(query, keep_blank_values=True))
        try:
            self.validate(operation, asked)
            if operation.many:
                return self.page(operation, identity, asked, mishap)
        except Refused as error:
            raise Answer(400, "invalid", error.detail, parameter=error.parameter) from error
        resource = self.one(operation, identity)
        if operation.relation and not resource:
            return {"data": None, "links": {"self": self.link(path)}}
        kind, name = operation.type, str(resource)
        if name not in self.account.objects[kind]:
            raise Answer(404, "not_found", f"A {kind} with id {name} does not exist.")
        return self.whole(operation, [self.shown(operation, kind, name, asked)], asked) | {
            "links": {"self": self.link(path)}
        }

    def validate(self, operation: Operation, asked: dict[str, str]) -> None:
        for name, value in asked.items():
            if name not in operation.parameters:
                raise Refused(f"{name} is no parameter of {operation.template}", name)
            listed = operation.listed(name)
            unknown = [one for one in value.split(",") if listed and one not in listed]
            if unknown:
                raise Refused(f"{unknown} not in {listed}", name)
        size = operation.parameters.get("page[size]")
        if size and "page[size]" in asked and not 1 <= int(asked["page[size]"]) <= size["schema"]["maximum"]:
            raise Refused("Page size must be an integer between 1 and the maximum", "page[size]")
        if operation.parameters.get("filter", {}).get("required") and not asked.get("filter"):
            raise Refused("filter is required", "filter")

    def one(self, operation: Operation, identity: str) -> str | None:
        """The id that a path to one resource leads to."""
        if not operation.relation:
            return identity
        kind = self.document.owner(operation)
        related = self.account.related.get((kind, operation.relation), {}).get(identity)
        if related is None:
            raise Answer(404, "not_found", f"A {kind} with id {identity} does not exist.")
        return related[0] if related else None

    def page(self, operation: Operation, identity: str, asked: dict[str, str], mishap: str) -> Json:
        cursor = asked.pop("page[cursor]", "")
        signature = json.dumps([operation.template, identity, sorted(asked.items())])
        if cursor:
            known, rest = self.cursors.get(cursor, ("", []))
            if known != signature or mishap:
                raise Refused("Invalid cursor provided.", "page[cursor]")
        else:
            rest = self.matching(operation, identity, asked)
        paged = "page[cursor]" in operation.parameters
        size = min(int(asked.get("page[size]", 1000)), self.random.choice((5, 9, 30))) if paged else len(rest)
        size = 0 if paged and rest and self.random.random() < 0.05 else size
        shown, rest = rest[:size], rest[size:]
        kind = self.document.owner(operation)
        data = [self.shown(operation, operation.type, one, asked, (kind, identity)) for one in shown]
        links: Json = {
            "self": self.link(operation.template),
            "prev": "https://a.klaviyo.com/api/?page%5Bcursor%5D=bogus",
        }
        if rest:
            # A row may come again at the head of the next page.
            again = shown[-1:] if self.random.random() < 0.2 else []
            following = token([len(self.cursors), operation.type, "~?"])
            self.cursors[following] = (signature, again + rest)
            parameters = [*asked.items(), ("page[cursor]", following)]
            self.random.shuffle(parameters)
            links["next"] = (
                self.link(operation.template.replace("{id}", quote(identity, safe=""))) + "?" + urlencode(parameters)
            )
        elif self.random.random() < 0.5:
            links["next"] = None
        whole = self.whole(operation, data, asked)
        if rest or self.random.random() < 0.7:
            whole["links"] = links
        return whole

    def link(self, path: str) -> str:
        return "https://a.klaviyo.com" + path + ("/" if self.random.random() < 0.5 else "")

    def matching(self, operation: Operation, identity: str, asked: dict[str, str]) -> list[str]:
        kind = operation.type
        if operation.relation:
            parent = self.document.owner(operation)
            related = self.account.related.get((parent, operation.relation), {})
            if identity not in self.account.objects[parent]:
                raise Answer(404, "not_found", f"A {parent} with id {identity} does not exist.")
            found = list(related.get(identity, []))
        else:
            parent, found = "", list(self.account.objects[kind])
        wanted = conditions(asked.get("filter", ""), operation)
        if kind == "campaign" and not operation.relation and not any(one.field == "messages.channel" for one in wanted):
            raise Refused("A channel filter is required to list campaigns.", "filter")
        if operation.template == "/api/coupon-codes" and not any(
            one.field in ("coupon.id", "profile.id") for one in wanted
        ):
            raise Refused("coupon.id or profile.id is required", "filter")
        if (
            kind in ("campaign", "flow")
            and not operation.relation
            and not any(one.field == "archived" for one in wanted)
        ):
            wanted = [*wanted, Condition("equals", "archived", value=False)]
        if any(one.operator.startswith("greater") and is_later(one.value, self.clock) for one in wanted):
            raise Refused("End date may not be in the future.", "filter")
        found = [
            one
            for one in found
            if all(condition.holds(self.values(kind, one, condition.field, (parent, identity))) for condition in wanted)
        ]
        sort = asked.get("sort", "")
        if not sort:
            return sorted(found, key=lambda one: hashlib.sha256(one.encode()).digest())
        keyed = sorted((self.sort_key(kind, one, sort.lstrip("-"), (parent, identity)), one) for one in found)
        return [one for _, one in (reversed(keyed) if sort.startswith("-") else keyed)]

    def sort_key(self, kind: str, one: str, field: str, of: tuple[str, str]) -> Json:
        values = self.values(kind, one, field, of)
        return (0, "") if not values else (1, max(comparable(value) for value in values))

    def values(self, kind: str, one: str, field: str, of: tuple[str, str]) -> list[Json]:
        account = self.account
        if field in ("id", "ids"):
            return [one]
        if field == "messages.channel":
            return [account.channel[one]]
        if field == "joined_group_at":
            return [account.joined[of[0], of[1], one]]
        relation = field.removesuffix("_id").removesuffix(".id")
        for name in (relation, relation + "s", "categories" if relation == "category" else ""):
            if (kind, name) in account.related and (field != relation or name == field):
                return list(account.related[kind, name].get(one, []))
        found = at(account.objects[kind][one]["attributes"], field.split("."))
        return found if field != "archived" else [bool(found and found[0])]

    # --- Resources as they are shown

    def shown(
        self, operation: Operation, kind: str, one: str, asked: dict[str, str], of: tuple[str, str] = ("", "")
    ) -> Json:
        if operation.ids_only:
            return {"type": kind, "id": one}
        joined = self.account.joined.get((*of, one)) if operation.relation == "profiles" else None
        return self.resource(kind, one, asked, operation, joined)

    def resource(
        self, kind: str, one: str, asked: dict[str, str], operation: Operation, joined: str | None = None
    ) -> Json:
        kept = self.account.objects[kind][one]
        told = operation.attributes[kind] | {*self.account.extra.get(kind, ())}
        told -= {*operation.listed(f"additional-fields[{kind}]")} - {
            *asked.get(f"additional-fields[{kind}]", "").split(",")
        }
        attributes = {name: value for name, value in kept["attributes"].items() if name in told}
        if joined:
            attributes["joined_group_at"] = joined
        sparse = asked.get(f"fields[{kind}]")
        if sparse is not None:
            attributes = self.sparse(attributes, sparse.split(","))
        resource: Json = {
            "type": kind,
            "id": one,
            "attributes": attributes,
            "links": {"self": self.link(f"/api/{kind}s/{quote(one)}")},
        }
        relationships = self.relationships(
            kind, one, asked.get("include", "").split(",") if operation.type == kind else []
        )
        if relationships:
            resource["relationships"] = relationships
        if not attributes and odd(one):
            del resource["attributes"]
        return resource

    @staticmethod
    def sparse(attributes: Json, names: list[str]) -> Json:
        found: Json = {}
        for name in names:
            head, _, rest = name.partition(".")
            if head in attributes:
                inner = attributes[head]
                if rest and isinstance(inner, dict):
                    found[head] = found.get(head, {}) | Stranger.sparse(inner, [rest])
                else:
                    found[head] = inner
        return found

    def relationships(self, kind: str, one: str, included: list[str]) -> Json:
        shown: Json = {}
        for name, (target, many) in self.document.relations(kind).items():
            ids = self.account.related.get((kind, name), {}).get(one, [])
            linkage: Json = [{"type": target, "id": other} for other in self.random.sample(ids, len(ids))]
            links = {"self": self.link(f"/api/{kind}s/{quote(one)}/relationships/{name}"), "related": self.link("/api")}
            if name not in included and (kind, name) not in ALWAYS_LINKED and kind != "attribution":
                shown[name] = {"links": links}
            elif many:
                shown[name] = {"data": linkage, "links": links}
            elif ids or odd(one):
                shown[name] = {"data": linkage[0] if ids else None, "links": links}
        if odd(one):
            shown["brand-new-things"] = {"data": [{"type": "brand-new-thing", "id": "1"}]}
        return shown

    def whole(self, operation: Operation, data: list[Json], asked: dict[str, str]) -> Json:
        whole: Json = {"data": data if operation.many else data[0]}
        if self.random.random() < 0.3:
            whole["meta"] = {"agent_hints": {"next_steps": ["…"]}}
        included: list[Json] = []
        for name in filter(None, asked.get("include", "").split(",")):
            target = self.document.relations(operation.type)[name][0]
            others = dict.fromkeys(
                other for one in data for other in self.account.related[operation.type, name].get(one["id"], [])
            )
            included += [self.resource(target, other, asked, operation) for other in others]
        if "include" in asked:
            included += self.random.sample(included, len(included) // 4)
            included.append(
                {"type": "brand-new-thing", "id": "1", "attributes": {"name": "nobody asked"}, "links": {"self": "x"}}
            )
            self.random.shuffle(included)
            whole["included"] = included
        return whole

    # --- Reports and aggregates

    def report(self, path: str, posted: bytes) -> Json:
        data = json.loads(posted)["data"]
        asked = data["attributes"]
        if data["type"] == "metric-aggregate":
            return {
                "data": {
                    "type": "metric-aggregate",
                    "id": "x",
                    "attributes": self.aggregate(asked),
                    "links": {"self": "x"},
                }
            }
        subject = data["type"].split("-")[0]
        series = "interval" in asked
        group_by = asked.get("group_by") or {
            "campaign": ["campaign_id", "campaign_message_id", "send_channel"],
            "flow": ["flow_id", "flow_message_id", "send_channel"],
        }.get(subject, [f"{subject}_id"])
        start, end = (datetime.fromisoformat(asked["timeframe"][name]) for name in ("start", "end"))
        steps = [start + timedelta(days=day) for day in range((end - start).days + 1)]
        results = []
        for one in list(self.account.objects[subject])[:3]:
            random = Random(f"{one} {json.dumps(asked, sort_keys=True)}")
            groupings = {
                name: one if name == f"{subject}_id" else random.choice(("email", "x", "é")) for name in group_by
            }
            lengths = len(steps) if series else 1
            figures: Json = {name: random.choices((0, 1, 0.25, None), k=lengths) for name in asked["statistics"]}
            if not series:
                figures = {name: number for name, (number,) in figures.items()}
            if random.random() < 0.3 and not series:
                figures.popitem()
            results.append({"groupings": groupings, "statistics": figures})
        attributes: Json = {"results": results}
        if series:
            attributes["date_times"] = [moment.strftime("%Y-%m-%dT00:00:00+00:00") for moment in steps]
        return {
            "data": {"type": data["type"], "attributes": attributes},
            "links": {"self": self.link(path), "next": None},
        }

    def aggregate(self, asked: Json) -> Json:
        """Counts of events, by intervals of a time zone."""
        bounds = {}
        for text in asked["filter"]:
            operator, _, rest = text.partition("(")
            field, _, value = rest.rstrip(")").partition(",")
            if field == "datetime":
                bounds[operator] = parsed(value).replace(tzinfo=parsed(value).tzinfo or UTC)
        first, last = bounds["greater-or-equal"], bounds["less-than"]
        zone = ZoneInfo(asked.get("timezone", "UTC"))
        interval = asked.get("interval", "day")
        step = first.astimezone(zone).replace(minute=0, second=0, microsecond=0)
        if interval != "hour":
            step = step.replace(hour=0)
        if interval == "month":
            step = step.replace(day=1)
        if interval == "week":
            step -= timedelta(days=step.weekday())
        dates = []
        while step < last:
            dates.append(step)
            step = (
                (step.replace(day=28) + timedelta(days=4)).replace(day=1)
                if interval == "month"
                else step + timedelta(**{f"{interval}s": 1})
            )
        counts, people = [0] * len(dates), [set[str]() for _ in dates]
        related = self.account.related
        for one, event in self.account.objects["event"].items():
            moment = parsed(event["attributes"]["datetime"])
            if related["event", "metric"].get(one) == [asked["metric_id"]] and first <= moment < last:
                place = max(index for index, date in enumerate(dates) if date <= moment)
                counts[place] += 1
                people[place].update(related["event", "profile"].get(one, []))
        measured = {"count": counts, "sum_value": [0.0] * len(dates), "unique": [len(some) for some in people]}
        rows = [
            {
                "dimensions": [""] * len(asked.get("by") or []),
                "measurements": {name: measured[name] for name in asked["measurements"]},
            }
        ]
        return {"dates": [date.astimezone(UTC).isoformat() for date in dates], "data": rows if any(counts) else []}
