from __future__ import annotations

from datetime import timedelta

import pendulum
import pytest

from sources.klaviyo.contract import REVISION, Contract, Endpoint, load, revisions
from sources.klaviyo.errors import UnknownResource
from sources.klaviyo.rereads import TIERS
from sources.klaviyo.resources import NAMES, RESOURCES, TABLE, at, select
from sources.klaviyo.spec import Cursor, Resource
from sources.klaviyo.tables import BOOKKEEPING, table
from tests.sources.filters import conditions

BOOKKEEPING_NAMES = ["_row_hash", "_first_seen_at", "_changed_at", "_deleted_at"]


def spelled(resource: Resource) -> str:
    return resource.name + (f" since {resource.since}" if resource.since else "")


each_resource = pytest.mark.parametrize("resource", TABLE, ids=spelled)
each_host = pytest.mark.parametrize("host", dict.fromkeys(resource.host for resource in TABLE), ids=spelled)


@pytest.fixture
def facts(request: pytest.FixtureRequest) -> Contract:
    """Of the default revision, or of one that tells the resource where that does not."""
    given = request.node.callspec.params
    resource = given["resource"] if "resource" in given else given["host"]
    return load(next(revision for revision in (REVISION, *revisions()) if resource.told_at(revision)))


def endpoint_of(resource: Resource, facts: Contract) -> Endpoint:
    return facts.collection(resource.endpoint)


@each_resource
def test_klaviyo_lists_the_collection(resource: Resource, facts: Contract) -> None:
    assert f"GET {resource.endpoint}" in facts.endpoints


@each_resource
def test_the_relationship_may_be_included(resource: Resource, facts: Contract) -> None:
    if resource.include:
        assert resource.include in endpoint_of(resource, facts).include
        assert resource.include in facts.objects[endpoint_of(resource, facts).object].related


@each_host
def test_linked_relationships_may_be_included_and_lead_to_one(host: Resource, facts: Contract) -> None:
    assert set(host.linked) <= endpoint_of(host, facts).include
    assert set(host.linked) <= facts.objects[endpoint_of(host, facts).object].to_one.keys()


@each_host
def test_the_cursor_bounds_a_request_on_both_sides_and_orders_it(host: Resource, facts: Contract) -> None:
    if host.cursor is None:
        return
    endpoint = endpoint_of(host, facts)
    for field in filter(None, (host.cursor.field, host.cursor.first_load)):
        assert endpoint.allows("less-than", field)
        assert endpoint.allows("greater-or-equal", field) or endpoint.allows("greater-than", field)
        assert field in endpoint.sort


@each_host
def test_other_times_of_change_bound_a_request_below_and_order_it(host: Resource, facts: Contract) -> None:
    for field in host.cursor.also if host.cursor else ():
        assert endpoint_of(host, facts).allows("greater-or-equal", field)
        assert field in endpoint_of(host, facts).sort


@each_host
def test_the_cursor_is_an_instant_of_the_table(host: Resource, facts: Contract) -> None:
    if host.cursor is not None:
        types = {column.name: column.type for column in table(host, facts).columns}
        assert types[host.cursor.field] == "timestamp"
        assert types[host.cursor.first_load or host.cursor.field] == "timestamp"


@each_host
def test_a_strict_lower_bound_is_met_only_where_times_are_whole_seconds(host: Resource, facts: Contract) -> None:
    """Elsewhere asking from one second before would not reach a row of that second's first half."""
    if host.cursor and not endpoint_of(host, facts).allows("greater-or-equal", host.cursor.field):
        assert host.name == "profiles"


@each_host
def test_the_partitions_ask_only_what_the_filters_allow(host: Resource, facts: Contract) -> None:
    for condition in host.partitions.values():
        for operator, on, _ in conditions(condition):
            assert endpoint_of(host, facts).allows(operator, on), condition


@each_host
def test_no_two_partitions_ask_the_same(host: Resource) -> None:
    assert len(set(host.partitions.values())) == len(host.partitions) > 0


def test_campaigns_are_asked_for_on_every_channel_archived_or_not() -> None:
    (campaigns,) = select(["campaigns"])
    asked = sorted(tuple(one.value for one in conditions(query)) for query in campaigns.partitions.values())
    channels = ('"email"', '"mobile_push"', '"sms"')
    assert asked == sorted(query for channel in channels for query in ((channel,), (channel, "true")))


@each_host
def test_the_additional_fields_are_on_offer(host: Resource, facts: Contract) -> None:
    endpoint = endpoint_of(host, facts)
    offered = endpoint.additional_fields.get(facts.objects[endpoint.object].type, [])
    assert set(host.additional_fields) <= set(offered)


@each_host
def test_a_field_that_is_not_asked_for_has_no_columns(host: Resource, facts: Contract) -> None:
    endpoint = endpoint_of(host, facts)
    offered = {field for fields in endpoint.additional_fields.values() for field in fields}
    tops = {column.name.split("__")[0] for column in table(host, facts).columns if not host.include}
    assert tops & offered == ({*host.additional_fields} if not host.include else set())


@each_host
def test_walks_over_one_collection_ask_it_the_same_questions(host: Resource, facts: Contract) -> None:
    for other in at(facts.revision):
        if other.endpoint == host.endpoint:
            assert [*other.host.partitions] == [*host.partitions]


def test_no_two_resources_share_a_name() -> None:
    assert len(set(NAMES)) == len(NAMES) == len(RESOURCES)


@each_resource
def test_the_table_has_a_key_and_says_its_grain(resource: Resource, facts: Contract) -> None:
    names = [column.name for column in table(resource, facts).columns]
    key = table(resource, facts).key
    assert key
    assert [*key] == names[: len(key)]
    assert resource.grain.startswith("one row per ")


@each_resource
def test_no_two_columns_of_a_table_share_a_name(resource: Resource, facts: Contract) -> None:
    names = [column.name for column in table(resource, facts).columns]
    assert len({name.lower() for name in names}) == len(names)


@each_resource
def test_no_column_takes_a_name_that_we_or_dlt_use(resource: Resource, facts: Contract) -> None:
    for column in table(resource, facts).columns:
        assert not column.name.startswith("_") or column in (*BOOKKEEPING, *table(resource, facts).former)
        assert not column.name.endswith("__v_json")


@each_resource
def test_links_are_nothing_but_the_pair_of_ids_and_what_is_told_of_the_link(
    resource: Resource, facts: Contract
) -> None:
    if resource.links:
        made = table(resource, facts)
        assert len(made.key) == 2
        assert [column.name for column in made.columns] == [*made.key, *resource.fields, *BOOKKEEPING_NAMES]


@each_resource
def test_every_row_says_what_it_is_known_by_and_when_it_came_changed_and_went(
    resource: Resource, facts: Contract
) -> None:
    assert [column.name for column in table(resource, facts).columns][-4:] == BOOKKEEPING_NAMES


@each_resource
def test_whatever_rides_along_rides_with_a_resource_of_the_table(resource: Resource) -> None:
    assert resource.host in TABLE
    assert (resource.since, resource.until) == (resource.host.since, resource.host.until)
    assert resource.host.along is None


def test_names_are_the_last_segment_of_their_path_with_underscores_unless_only_a_part_of_it_is_read() -> None:
    for resource in RESOURCES:
        if not (resource.include or resource.each or resource.fields or resource.links):
            assert resource.endpoint.endswith(f"/{resource.name.replace('_', '-')}")


# --- selection -----------------------------------------------------------------------------------------------------


def test_nothing_named_selects_all_that_is_not_optional() -> None:
    assert select(None) == select([]) == tuple(resource for resource in RESOURCES if not resource.optional)


def test_what_is_optional_is_read_when_it_is_named() -> None:
    assert [resource.name for resource in select(["push_tokens", "tags"])] == ["push_tokens", "tags"]


@each_resource
def test_what_is_read_by_default_needs_nothing_that_is_not(resource: Resource) -> None:
    assert resource.optional or not resource.host.optional


def test_what_is_named_comes_in_the_order_of_the_table_and_once() -> None:
    chosen = select(["events", "accounts", "profiles", "events"])
    assert [resource.name for resource in chosen] == ["accounts", "profiles", "events"]


def test_an_unknown_name_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(UnknownResource) as refused:
        select(["events", "evnets", "acounts"])
    assert "acounts, evnets" in str(refused.value)
    assert all(name in str(refused.value) for name in NAMES)


# --- the vocabulary refuses what makes no sense --------------------------------------------------------------------


def test_what_rides_along_has_no_path_of_its_own() -> None:
    host = Resource(name="events", grain="")
    with pytest.raises(ValueError, match="rides along events"):
        Resource(name="x", grain="", along=host, include="attributions", path="/api/x")
    with pytest.raises(ValueError, match="rides along events"):
        Resource(name="x", grain="", along=host)
    with pytest.raises(ValueError, match="rides along events"):
        Resource(name="x", grain="", along=host, include="attributions", cursor=Cursor(field="datetime"))


def test_links_name_what_they_link() -> None:
    with pytest.raises(ValueError, match="need the relationship"):
        Resource(name="x", grain="", links=True)


MOMENT = pendulum.datetime(2026, 11, 22)


def test_each_run_asks_for_a_week_of_events_again_and_for_minutes_of_everything_else() -> None:
    assert TIERS[0].due(MOMENT, MOMENT)
    assert TIERS[0].reach == timedelta(days=7)
    assert {resource.cursor.lookback for resource in RESOURCES if resource.cursor} == {timedelta(minutes=10)}
    assert [resource.name for resource in RESOURCES if resource.cursor and not resource.cursor.marks_change] == [
        "events"
    ]
