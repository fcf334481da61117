"""What reports need to know of the account they are about: its time zone, its beginning, its metrics by name."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, wraps
from typing import Any, Concatenate, Final, ParamSpec, TypeVar
from urllib.parse import urlencode
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import pendulum
from pendulum import DateTime

from sources.klaviyo.client import Client
from sources.klaviyo.contract import Contract
from sources.klaviyo.documents import decoded
from sources.klaviyo.errors import MalformedPage, UnknownMetric
from sources.klaviyo.tally import Tally
from sources.klaviyo.windows import moment

REVENUE: Final = "revenue"
"""The role of the metric by which Klaviyo reckons revenue."""
USUAL_REVENUE: Final = "Placed Order"
"""The metric that means revenue in accounts that have mapped none."""

Json = dict[str, Any]
P = ParamSpec("P")
T = TypeVar("T")


class Page(msgspec.Struct):
    data: list[Json]
    links: Json | None = None


# What nobody reads here may be beyond a double.
PAGE: Final = msgspec.json.Decoder(Page, float_hook=float)


def page(body: bytes) -> Page:
    try:
        return decoded(PAGE, body)
    except msgspec.MsgspecError as error:
        raise MalformedPage(f"not a JSON:API collection: {type(error).__name__}") from None


def told(thing: Json) -> Json:
    """What is said of it: nothing has many spellings."""
    return thing.get("attributes") or {}


def created(metric: Json) -> DateTime | None:
    text = told(metric).get("created")
    try:
        return moment(str(text)) if text else None
    except ValueError:
        raise MalformedPage(f"metric {metric['id']} was created at what is no time") from None


def one_at_a_time(method: Callable[Concatenate[Account, P], T]) -> Callable[Concatenate[Account, P], T]:
    @wraps(method)
    def locked(self: Account, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with self.lock:
            return method(self, *args, **kwargs)

    return locked


@dataclass
class Account:
    """Asks for each fact once, when it is needed first. Thread-safe; raises a KlaviyoError."""

    client: Client
    contract: Contract
    tally: Tally
    """Counts the requests."""
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @one_at_a_time
    def zone(self) -> ZoneInfo:
        return self._zone

    @one_at_a_time
    def beginning(self) -> DateTime:
        """The day on which the account counted anything first."""
        return min(filter(None, map(created, self.metrics)), default=pendulum.now("UTC"))

    @one_at_a_time
    def metrics_named(self, names: Sequence[str]) -> list[str]:
        """Ids of the metrics with these names, custom ones among them; by default of what the account calls revenue.

        One name may mean several metrics: two integrations often have a Placed Order each. `Placed Order (Shopify)` is
        the one of that integration. Raises UnknownMetric.
        """
        if not names:
            return self.revenue
        found = [self.named.get(name, []) for name in names]
        unknown = [name for name, ids in zip(names, found, strict=True) if not ids]
        if unknown:
            raise UnknownMetric(f"no metric named {', '.join(unknown)} in this account; there are: {self.known_names}")
        return [*dict.fromkeys(id_ for ids in found for id_ in ids)]

    # --- asked once --------------------------------------------------------------------------------------------------

    @cached_property
    def _zone(self) -> ZoneInfo:
        accounts = self.collection("/api/accounts")
        name = told(accounts[0]).get("timezone") if accounts else None
        try:
            return ZoneInfo(name or "UTC")
        except (ZoneInfoNotFoundError, ValueError):
            raise MalformedPage(f"the account's time zone {name!r} is not known on this machine") from None

    @cached_property
    def metrics(self) -> list[Json]:
        return self.collection("/api/metrics")

    @cached_property
    def revenue(self) -> list[str]:
        for mapped in self.collection("/api/mapped-metrics", "include=metric,custom-metric"):
            links = mapped.get("relationships") or {}
            ids = [(links.get(kind) or {}).get("data") for kind in ("metric", "custom-metric")]
            if mapped["id"] == REVENUE and any(ids):
                return [str(one["id"]) for one in ids if one][:1]
        if USUAL_REVENUE not in self.named:
            raise UnknownMetric(
                f"the account maps no metric to revenue, and has none named {USUAL_REVENUE}: name those that count as "
                f"conversions in sources.klaviyo.conversion_metrics; there are: {self.known_names}"
            )
        return self.named[USUAL_REVENUE]

    @cached_property
    def named(self) -> dict[str, list[str]]:
        """Ids by name, and by name with the integration's in brackets."""
        named: dict[str, list[str]] = {}
        for metric in [*self.metrics, *self.collection("/api/custom-metrics")]:
            name = str(told(metric).get("name"))
            integration = (told(metric).get("integration") or {}).get("name")
            for spelling in (name, f"{name} ({integration})" if integration else ""):
                if spelling:
                    named.setdefault(spelling, []).append(str(metric["id"]))
        return named

    @property
    def known_names(self) -> str:
        return ", ".join(sorted({str(told(metric).get("name")) for metric in self.metrics}))

    def first_page(self, path: str, parameters: Mapping[str, str]) -> list[Json]:
        """The first objects of a collection."""
        return self.client.read(
            self.contract.collection(path), f"{path}?{urlencode(parameters)}", page, self.tally
        ).data

    def collection(self, path: str, query: str = "") -> list[Json]:
        endpoint = self.contract.collection(path)
        rows, target = [], f"{path}?{query}" if query else path
        while target:
            answer = self.client.read(endpoint, target, page, self.tally)
            self.tally.count(pages=1)
            rows += answer.data
            target = (answer.links or {}).get("next") or ""
        return rows
