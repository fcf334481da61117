from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
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


def test_an_unknown_revision_is_refused_with_the_setting_and_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"sources\.klaviyo\.revision: '2020-01-01' .* 2026-07-15, 2026-10-15"):
        contract.load("2020-01-01")


def test_a_merge_patch_takes_away_merges_and_replaces() -> None:
    facts = {"gone": 1, "kept": 2, "tree": {"gone": 1, "kept": [1, 2], "leaf": 1}}
    patch = {"gone": None, "tree": {"gone": None, "kept": [3], "leaf": {"new": 1}}, "new": {"tree": {"leaf": 1}}}
    made = {"kept": 2, "tree": {"kept": [3], "leaf": {"new": 1}}, "new": {"tree": {"leaf": 1}}}
    assert contract.patched(facts, patch) == made


def test_a_file_on_top_of_another_says_what_differs_and_nothing_else() -> None:
    folder = Path(contract.__file__).parent
    files = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
    patches = [patch for patch in files.values() if "base" in patch]
    assert patches

    def repeated(facts: Any, differing: Any, place: str) -> Iterator[str]:
        if not isinstance(differing, dict) or not isinstance(facts, dict):
            if facts == differing:
                yield place
            return
        for name in differing.keys() & facts.keys():
            yield from repeated(facts[name], differing[name], f"{place} > {name}")
        yield from (f"{place} > {name}" for name, fact in differing.items() if fact is None and name not in facts)

    for patch in patches:
        assert not list(repeated(files[patch["base"]], patch, patch["revision"]))


@pytest.mark.parametrize("revision", contract.revisions())
def test_every_path_of_a_revision_still_answers_with_an_object_that_it_describes(revision: str) -> None:
    facts = contract.load(revision)
    for name, endpoint in facts.endpoints.items():
        kind = facts.objects[endpoint.object].type
        assert endpoint.limits, name
        assert set(endpoint.included) <= facts.objects.keys(), name
        included = {facts.objects[shape].type for shape in endpoint.included}
        assert bool(included) == bool(endpoint.include), name
        assert kind, name


def test_campaigns_of_2026_10_15_say_little_themselves() -> None:
    facts = contract.load("2026-10-15")
    campaigns = facts.collection("/api/campaigns")
    assert {"campaign-audiences", "campaign-messages", "tags"} == campaigns.include
    assert not campaigns.allows("equals", "messages.channel")
    assert facts.objects[campaigns.object].attributes.keys() == {"created_at", "updated_at", "definition"}
    messages = facts.collection("/api/campaign-messages")
    assert messages.page_size == 100
    assert messages.allows("greater-or-equal", "updated")
    variations = facts.collection("/api/campaign-messages/{id}/campaign-variations")
    assert facts.objects[variations.object].type == "campaign-variation"


@pytest.mark.parametrize(("revision", "day"), [("2024-10-15", date(2026, 10, 15)), ("2026-07-15", date(2028, 7, 15))])
def test_a_revision_is_served_for_two_years(revision: str, day: date) -> None:
    assert contract.retirement(revision) == day


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
    assert {"event", "attributed-event", "campaign", "flow", "flow-message"} <= attribution.to_one.keys()


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
