from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sources.klaviyo import contract
from sources.klaviyo.contract import Contract, Limit
from sources.klaviyo.contract.extract import Contract as Extract
from sources.klaviyo.contract.extract import dump, merge


def test_the_committed_contract_is_what_the_official_document_says(openapi: dict[str, Any], facts: Contract) -> None:
    made = Extract(openapi)
    text = dump({"revision": made.revision, "endpoints": made.endpoints, "objects": made.objects}) + "\n"
    committed = Path(contract.__file__).with_name(f"{facts.revision}.json")
    assert committed.read_text() == text


def test_the_file_of_a_revision_names_that_revision() -> None:
    assert contract.revisions()
    for revision in contract.revisions():
        assert contract.load(revision).revision == revision


def test_a_page_holds_at_most_1000_events_and_100_profiles(facts: Contract) -> None:
    assert facts.collection("/api/events").page_size == 1000
    assert facts.collection("/api/profiles").page_size == 100


def test_metrics_come_in_pages_whose_size_is_not_ours_to_choose(facts: Contract) -> None:
    assert facts.collection("/api/metrics").page_size is None


@pytest.mark.parametrize("on", ["updated", "created"])
def test_profiles_know_only_strict_operators_on_their_times(facts: Contract, on: str) -> None:
    assert facts.collection("/api/profiles").operators[on] == {"greater-than", "less-than"}


def test_lists_can_be_bounded_only_from_below(facts: Contract) -> None:
    assert facts.collection("/api/lists").operators["updated"] == {"greater-than"}


def test_events_take_half_open_ranges_of_time(facts: Contract) -> None:
    events = facts.collection("/api/events")
    assert events.allows("greater-or-equal", "datetime")
    assert events.allows("less-than", "datetime")
    assert not events.allows("equals", "datetime")
    assert not events.allows("less-than", "no such field")


def test_limits_are_those_of_the_endpoint_without_its_costly_parameters(facts: Contract) -> None:
    assert facts.collection("/api/events").limits == (Limit(350, 1), Limit(3500, 60))
    assert facts.collection("/api/profiles").limits == (Limit(75, 1), Limit(750, 60))


def test_every_endpoint_says_how_often_it_may_be_asked_and_what_the_key_needs(facts: Contract) -> None:
    for name, endpoint in facts.endpoints.items():
        assert endpoint.limits, name
        assert all(limit.requests > 0 and limit.seconds > 0 for limit in endpoint.limits), name
        assert endpoint.object in facts.objects, name
        assert set(endpoint.included) <= facts.objects.keys(), name
    assert facts.collection("/api/events").scopes == ("events:read",)


def test_an_attribution_has_no_attributes_and_points_to_what_it_credits(facts: Contract) -> None:
    attribution = facts.included(facts.collection("/api/events"), "attribution")
    assert attribution.attributes == {}
    assert {"event", "attributed-event", "campaign", "flow", "flow-message"} <= attribution.to_one


def test_free_form_objects_are_json_and_fixed_shapes_are_trees(facts: Contract) -> None:
    events = facts.objects[facts.collection("/api/events").object]
    profiles = facts.objects[facts.collection("/api/profiles").object]
    assert events.attributes["event_properties"] == "json"
    assert profiles.attributes["properties"] == "json"
    location = profiles.attributes["location"]
    assert isinstance(location, dict)
    assert location["latitude"] == "double"  # a number that is sometimes spelled as text


@pytest.mark.parametrize(
    ("left", "right", "both"),
    [
        ("bigint", "double", "double"),
        ("double", "text", "double"),
        ("timestamp", "text", "text"),
        ("text", "bool", "json"),
        ({"a": "text"}, "text", "json"),
        ({"a": "text", "b": "bigint"}, {"b": "double", "c": "bool"}, {"a": "text", "b": "double", "c": "bool"}),
    ],
)
def test_a_union_becomes_the_narrowest_type_that_holds_both(left: Any, right: Any, both: Any) -> None:
    assert merge(left, right) == both
    assert merge(right, left) == both
