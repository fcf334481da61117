from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from sandbox.server import Sandbox
from tests.sandbox.tiny import NOW, tiny_account

HEADERS = {
    "Authorization": "Klaviyo-API-Key pk_sandbox",
    "revision": "2026-07-15",
    "Accept": "application/vnd.api+json",
}


class Client:
    """Asks a sandbox as any program would."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.headers.update(HEADERS)

    def ask(self, path: str, headers: dict[str, str] | None = None, **parameters: Any) -> requests.Response:
        return self.session.get(self._address(path), params=parameters or None, headers=headers, timeout=10)

    def get(self, path: str, **parameters: Any) -> Any:
        answer = self.ask(path, **parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def error(self, path: str, **parameters: Any) -> tuple[int, dict[str, Any]]:
        answer = self.ask(path, **parameters)
        assert answer.status_code != 200, answer.text
        return answer.status_code, answer.json()["errors"][0]

    def pages(self, path: str, **parameters: Any) -> list[Any]:
        documents = [self.get(path, **parameters)]
        while documents[-1]["links"]["next"]:
            documents.append(self.get(documents[-1]["links"]["next"]))
            assert len(documents) < 1_000, "this walk does not end"
        return documents

    def ids(self, path: str, **parameters: Any) -> list[str]:
        return [row["id"] for page in self.pages(path, **parameters) for row in page["data"]]

    def aggregate(self, *, start: int, days: int, **attributes: Any) -> Any:
        answer = self.ask_aggregate(start=start, days=days, **attributes)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ask_aggregate(self, *, start: int, days: int, **attributes: Any) -> requests.Response:
        """The orders of so many days, unless the attributes say otherwise."""
        bounds = [datetime.fromtimestamp(second, UTC).isoformat() for second in (start, start + days * 86_400)]
        body = {
            "metric_id": "ORDER",
            "measurements": ["count", "sum_value", "unique"],
            "filter": [f"greater-or-equal(datetime,{bounds[0]})", f"less-than(datetime,{bounds[1]})"],
        } | attributes
        data = {"data": {"type": "metric-aggregate", "attributes": body}}
        return self.session.post(self._address("/api/metric-aggregates"), json=data, timeout=10)

    def metric(self, name: str) -> str:
        """The id of the first metric of that name."""
        found: str = next(row["id"] for row in self.get("/api/metrics")["data"] if row["attributes"]["name"] == name)
        return found

    def _address(self, path: str) -> str:
        return path if path.startswith("http") else self.url + path


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """One that the tests of a module only read."""
    with Sandbox(tiny_account(), limits="off", now=NOW) as running:
        yield running


@pytest.fixture(scope="module")
def client(sandbox: Sandbox) -> Client:
    return Client(sandbox.url)
