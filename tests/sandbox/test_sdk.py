"""Klaviyo's own Python client reads the sandbox as it would read Klaviyo."""

from __future__ import annotations

from typing import Any

import pytest
from klaviyo_api import KlaviyoAPI

from sandbox.contract import Endpoint, load
from sandbox.server import Sandbox
from sandbox.story import synthesize
from tests.sandbox import official, reading
from tests.sandbox.tiny import tiny_account

SERVED = list(reading.paths(load("2026-07-15"), tiny_account()))

CITY = {("StreetAddress", "city")}
SAMPLES = {("MetricPropertyResponseObjectResourceExtendedAttributes", "sample_values")}

# The client refuses these, and wrongly: the model and the field that it refuses, and nothing else.
KNOWN_BUGS = {
    # The document has had `city` nullable since 2026-07-15; the client of that revision insists on a text.
    "get_account": CITY,
    "get_accounts": CITY,
    # The document has texts, numbers and booleans here; the client insists on objects.
    "get_metric_property": SAMPLES,
    "get_properties_for_metric": SAMPLES,
    # The API answers `data: null` where there is no image (so recorded); document and client know only images.
    "get_image_for_campaign_message": {("GetImageResponse", "data")},
}


REPORTS = [endpoint for endpoint in load("2026-07-15").endpoints if endpoint.path.endswith("-reports")]


@pytest.fixture(scope="module")
def groups(sandbox: Sandbox) -> list[Any]:
    return official.groups(sandbox.url)


@pytest.mark.parametrize(("endpoint", "path"), SERVED, ids=[endpoint.facts.operation for endpoint, _ in SERVED])
def test_the_official_client_understands(endpoint: Endpoint, path: str, groups: list[Any]) -> None:
    operation = endpoint.facts.operation
    call = getattr(official.group_of(endpoint, groups), operation)
    assert {*official.refused(call, endpoint, path)} == KNOWN_BUGS.get(operation, set())


@pytest.mark.parametrize("endpoint", REPORTS, ids=[endpoint.facts.operation for endpoint in REPORTS])
def test_the_official_client_reads_reports(endpoint: Endpoint) -> None:
    account = synthesize(scale=0.1)
    with Sandbox(account, limits="off") as running:
        order = next(one.id for one in account.objects["metric"].values() if one.attributes["name"] == "Placed Order")
        client = KlaviyoAPI("pk_sandbox", max_retries=1, test_host=running.url)
        answer = getattr(client.Reporting, endpoint.facts.operation)(reading.report(endpoint, order))
    results = answer.data.attributes.results
    assert results
    assert all(row.groupings and row.statistics for row in results)
    if endpoint.facts.report and endpoint.facts.report.intervals:
        assert len(answer.data.attributes.date_times) == len(next(iter(results[0].statistics.values())))
