"""Bytes in, rows out."""

from __future__ import annotations

import json
import string
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pendulum
import pyarrow as pa
import pytest
from dlt.common.normalizers.naming.snake_case import NamingConvention
from hypothesis import given
from hypothesis import strategies as st

from sources.klaviyo.errors import MalformedPage
from sources.klaviyo.resources import NAMES, RESOURCES
from sources.klaviyo.tables import ARROW
from sources.klaviyo.windows import Window
from tests.sources.pages import document, page, reader, row, rows, thing

AN_HOUR = "2026-06-23T00:15:23+00:00"
INSTANT = datetime(2026, 6, 23, 0, 15, 23, tzinfo=UTC)


def event(properties: object = b"{}", id_: str = "E1", **attributes: object) -> bytes:
    return thing("event", id_, {"datetime": AN_HOUR, "event_properties": properties, **attributes})


def profile(**attributes: object) -> bytes:
    return document(thing("profile", "P1", attributes))


# --- columns -------------------------------------------------------------------------------------------------------


def test_an_event_is_a_row_of_typed_columns() -> None:
    attributes = {"timestamp": 1782173723, "datetime": AN_HOUR, "uuid": "f920", "event_properties": {"$value": 1}}
    body = document(thing("event", "E1", attributes, metric=("metric", "M1"), profile=("profile", "P1")))
    found = row(body, "events")
    assert isinstance(found.pop("_row_hash"), int)
    assert found == {
        "id": "E1",
        "metric_id": "M1",
        "profile_id": "P1",
        "timestamp": 1782173723,
        "datetime": INSTANT,
        "uuid": "f920",
        "event_properties": '{"$value": 1}',
        "_former_profile_id": None,
        "_first_seen_at": None,
        "_changed_at": None,
        "_deleted_at": None,
    }


@pytest.mark.parametrize("name", [resource.name for resource in RESOURCES if not resource.shows_parent])
def test_an_empty_page_has_every_column_in_its_type_and_no_row(name: str) -> None:
    (table,) = reader(name).tables
    made = page(document(), name)
    assert made.rows[name].schema == table.schema == pa.schema([(c.name, ARROW[c.type]) for c in table.columns])
    assert made.rows[name].num_rows == made.received == made.unchanged == 0
    assert made.columns[name] == table.columns
    assert made.next is None
    assert made.last is None


@pytest.mark.parametrize("name", NAMES)
def test_an_object_with_nothing_but_an_id_is_a_row_of_nulls(name: str) -> None:
    (table,) = reader(name).tables
    for bare in (b'{"type":"x","id":"1"}', b'{"type":"x","id":"1","attributes":null,"relationships":null}'):
        body = b'{"data":' + bare + b"}" if table.resource.shows_parent else document(bare)
        made = page(body, name).rows[name]
        assert made.schema == table.schema
        if not (table.resource.include or table.resource.each):
            (only,) = made.to_pylist()
            ids = {*table.key, table.parent}
            assert {column for column, value in only.items() if value is not None} <= {*ids, "_row_hash"}


def test_nested_objects_of_fixed_shape_become_columns() -> None:
    found = row(profile(location={"city": "Aarhus", "latitude": 56.1, "zip": "00501"}), "profiles")
    assert (found["location__city"], found["location__latitude"], found["location__zip"]) == ("Aarhus", 56.1, "00501")
    assert found["location__country"] is None


def test_deeper_nesting_becomes_columns_too() -> None:
    marketing = {"consent": "SUBSCRIBED", "can_receive_email_marketing": True, "suppression": [{"reason": "X"}]}
    found = row(profile(subscriptions={"email": {"marketing": marketing}, "sms": None}), "profiles")
    assert found["subscriptions__email__marketing__consent"] == "SUBSCRIBED"
    assert found["subscriptions__email__marketing__can_receive_email_marketing"] is True
    assert found["subscriptions__email__marketing__suppression"] == '[{"reason": "X"}]'
    assert found["subscriptions__sms__marketing__consent"] is None


@pytest.mark.parametrize("branch", [None, {}, {"city": None}])
def test_a_missing_value_is_null_on_whatever_level_it_is_missing(branch: object) -> None:
    for found in (row(profile(location=branch), "profiles"), row(profile(), "profiles")):
        assert found["location__city"] is None
        assert "location__v_json" not in found


def test_a_null_in_a_json_column_is_null_and_not_the_word() -> None:
    assert row(document(event(None)), "events")["event_properties"] is None
    assert row(document(thing("event", "E1")), "events")["event_properties"] is None


def test_of_a_key_given_twice_the_last_value_counts() -> None:
    body = b'{"data":[{"type":"profile","id":"P1","attributes":{"email":"old","title":"x","email":"new"}}]}'
    assert row(body, "profiles")["email"] == "new"


def test_keys_given_twice_in_free_form_json_are_both_kept() -> None:
    assert row(document(event(b'{"a":1,"a":2}')), "events")["event_properties"] == '{"a":1,"a":2}'


def test_ids_are_opaque_text() -> None:
    ids = ["116466132", "$custom:::$default:::shirt", "review:123", "Größe 🛒", ""]
    body = document(*(thing("profile", id_) for id_ in ids))
    assert [found["id"] for found in rows(body, "profiles")] == ids


def test_a_page_with_whitespace_between_everything_reads_the_same() -> None:
    attributes: dict[str, object] = {"datetime": AN_HOUR, "event_properties": {"a": [1, 2]}}
    spaced = json.dumps(json.loads(document(thing("event", "E1", attributes))), indent=3).encode()
    found = row(b" \n" + spaced + b"\n ", "events")
    assert found["datetime"] == INSTANT
    assert json.loads(found["event_properties"]) == {"a": [1, 2]}


def test_a_huge_text_arrives_whole() -> None:
    essay = "All work and no play. " * 50_000
    assert row(profile(organization=essay), "profiles")["organization"] == essay
    assert json.loads(row(document(event({"essay": essay})), "events")["event_properties"])["essay"] == essay


def test_a_nul_escape_arrives_in_text_and_in_json() -> None:
    assert row(profile(title="a\0b"), "profiles")["title"] == "a\0b"
    assert row(document(event(b'{"a":"\\u0000"}')), "events")["event_properties"] == '{"a":"\\u0000"}'


def test_escaped_and_plain_characters_are_the_same_text() -> None:
    assert row(profile(title=b'"\\u0041\\ud83d\\uddfc\\n"'), "profiles")["title"] == "A🗼\n"
    assert row(profile(title='"A🗼"'.encode()), "profiles")["title"] == "A🗼"


# --- instants ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spelled", "instant"),
    [
        ("2026-06-23T00:15:23+00:00", INSTANT),
        ("2026-06-23T00:15:23Z", INSTANT),
        ("2026-06-23 00:15:23+00:00", INSTANT),
        ("2026-06-23T00:15:23", INSTANT),
        ("2026-06-23 00:15:23", INSTANT),
        ("2026-06-23T02:15:23+02:00", INSTANT),
        ("2026-06-22T19:15:23-05:00", INSTANT),
        ("2026-06-23T00:15:23.918411+00:00", INSTANT.replace(microsecond=918_411)),
        ("2026-06-23 00:15:23.918411+00:00", INSTANT.replace(microsecond=918_411)),
        ("2026-06-23T00:15:23.918411", INSTANT.replace(microsecond=918_411)),
        ("2026-06-23T00:15:23.5Z", INSTANT.replace(microsecond=500_000)),
        ("2026-06-23", INSTANT.replace(hour=0, minute=0, second=0)),
        ("1990-01-01T00:00:00+00:00", datetime(1990, 1, 1, tzinfo=UTC)),
        ("2027-11-22T00:00:00+00:00", datetime(2027, 11, 22, tzinfo=UTC)),
    ],
)
def test_an_instant_is_read_in_whatever_spelling_it_comes(spelled: str, instant: datetime) -> None:
    alone = document(event(datetime=spelled))
    assert row(alone, "events")["datetime"] == instant
    among = document(event(id_="E0"), event(datetime=spelled), event(id_="E2", datetime="nonsense"))
    assert [found["datetime"] for found in rows(among, "events")] == [INSTANT, instant, None]


@pytest.mark.parametrize(
    "nonsense", ["", "nonsense", "0000-00-00", "2026-02-30T00:00:00Z", "P1D", 1782173723, True, []]
)
def test_what_is_no_instant_is_kept_beside_the_column(nonsense: object) -> None:
    found = row(document(event(datetime=nonsense)), "events")
    assert found["datetime"] is None
    assert json.loads(found["datetime__v_json"]) == nonsense


def test_what_the_contract_types_too_loosely_is_typed_all_the_same() -> None:
    metric = thing("metric", "M1", {"created": AN_HOUR, "updated": "2026-06-23 00:15:23+00:00"})
    found = row(document(metric), "metrics")
    assert found["created"] == found["updated"] == INSTANT


def test_a_date_is_a_date() -> None:
    campaign = thing("campaign", "C1", {"send_strategy": {"method": "throttled", "date": "2026-06-23"}})
    assert row(document(campaign), "campaigns")["send_strategy__date"] == date(2026, 6, 23)


def test_the_page_tells_the_highest_cursor_it_saw_whatever_the_order() -> None:
    spelled = ["2026-06-23T00:15:23Z", "2026-06-25 00:00:00+00:00", "2026-06-24T00:00:00"]
    body = document(*(event(id_=f"E{number}", datetime=text) for number, text in enumerate(spelled)))
    assert page(body, "events").last == datetime(2026, 6, 25, tzinfo=UTC)
    assert page(document(thing("list", "L1", {"updated": AN_HOUR})), "lists").last is None


# --- values that do not fit ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "attribute", "column", "value"),
    [
        ("events", "timestamp", "timestamp", b"12345678901234567890123456789"),
        ("events", "timestamp", "timestamp", b"9223372036854775808"),
        ("events", "timestamp", "timestamp", b"1.5"),
        ("events", "timestamp", "timestamp", b'"soon"'),
        ("events", "uuid", "uuid", b'{"a" : 1}'),
        ("events", "uuid", "uuid", b"[]"),
        ("campaigns", "archived", "archived", b"1"),
        ("campaigns", "archived", "archived", b'"true"'),
        ("accounts", "contact_information", "contact_information", b'"text"'),
        ("accounts", "contact_information", "contact_information", b"[]"),
    ],
)
def test_a_value_that_does_not_fit_is_kept_beside_its_column_as_it_was(
    name: str, attribute: str, column: str, value: bytes
) -> None:
    body = document(thing("x", "1", {attribute: value}), thing("x", "2"))
    first, second = rows(body, name)
    assert first.get(column) is None
    assert first[f"{column}__v_json"] == value.decode()
    assert second[f"{column}__v_json"] is None
    assert (f"{column}__v_json", "json") in page(body, name).columns[name]


def test_one_value_that_does_not_fit_harms_no_other() -> None:
    values = [b"1", b'"2"', b"null", b'"x"', b"-9223372036854775808", b"9223372036854775807", b"4.0"]
    body = document(*(event(id_=f"E{number}", timestamp=value) for number, value in enumerate(values)))
    found = rows(body, "events")
    assert [one["timestamp"] for one in found] == [1, 2, None, None, -(2**63), 2**63 - 1, 4]
    assert [one["timestamp__v_json"] for one in found] == [None, None, None, '"x"', None, None, None]


@pytest.mark.parametrize("spelled", ["123", "1.50", "1E+3", "true", "12345678901234567890123456789"])
def test_a_number_or_truth_value_in_a_text_column_is_text_as_it_was_spelled(spelled: str) -> None:
    assert row(profile(external_id=spelled.encode()), "profiles")["external_id"] == spelled


def test_a_number_spelled_as_text_is_a_number_where_numbers_belong() -> None:
    found = row(profile(location={"latitude": "40.712800", "longitude": -74.006}), "profiles")
    assert (found["location__latitude"], found["location__longitude"]) == (40.7128, -74.006)


def test_an_attribute_that_the_contract_does_not_know_becomes_a_json_column() -> None:
    body = document(event(id_="E1"), event(id_="E2", new_thing={"a": [1.50]}))
    made = page(body, "events")
    assert [one["new_thing"] for one in made.rows["events"].to_pylist()] == [None, '{"a": [1.5]}']
    assert made.columns["events"][-1] == ("new_thing", "json")
    assert "new_thing" not in page(document(event()), "events").rows["events"].column_names


ODD = [
    *("fooBar", "foo_bar", "Foo Bar", "FOO_BAR", "foo__bar", "_foo_bar", "foo_bar_"),
    *("Uuid", "uuid__v_json", "_row_hash", "_first_seen_at", "_dlt_load_id", "metric_id", "id"),
    *("", " ", "1st", "naïve", "naive", "ключ", "$value", "a" * 90, "a" * 91),
]


def assert_each_has_a_column_of_its_own(attributes: Mapping[str, int]) -> None:
    made = page(document(thing("event", "E1", attributes)), "events")
    known = {column.name for column in reader("events").tables[0].columns}
    added = [column.name for column in made.columns["events"] if column.name not in known]
    (found,) = made.rows["events"].to_pylist()
    assert sorted(json.loads(found[name]) for name in added) == sorted(attributes.values())
    # As dlt names them, on a warehouse that tells no cases apart.
    assert all(SNAKE_CASE.normalize_path(name) == name for name in added)
    assert len({SNAKE_CASE.normalize_path(name).lower() for name in [*known, *added]}) == len(known) + len(added)


SNAKE_CASE = NamingConvention()


def test_attributes_of_like_names_and_of_names_that_no_column_has_are_all_kept_apart() -> None:
    assert_each_has_a_column_of_its_own({name: place for place, name in enumerate(ODD)})


@given(st.dictionaries(st.text("aAbB_1 .ü", max_size=6), st.integers(), max_size=8))
def test_whatever_attributes_are_called_each_has_a_column_of_its_own(attributes: dict[str, int]) -> None:
    assert_each_has_a_column_of_its_own(attributes)


def test_the_column_of_an_odd_name_does_not_depend_on_what_else_is_on_the_page() -> None:
    alone, beside = (
        page(document(thing("event", "E1", one)), "events") for one in ({"fooBar": 1}, {"foo_bar": 2, "fooBar": 1})
    )
    (name,) = [column.name for column in alone.columns["events"] if column.name.startswith("foobar")]
    assert beside.rows["events"].to_pylist()[0][name] == "1"


def test_an_unknown_attribute_of_a_nested_object_becomes_a_json_column_in_its_place() -> None:
    found = row(profile(location={"city": "Aarhus", "planet": "Earth"}), "profiles")
    assert found["location__planet"] == '"Earth"'
    assert found["location__city"] == "Aarhus"


def test_known_columns_keep_their_order_whatever_a_page_adds() -> None:
    known = page(document(), "profiles").rows["profiles"].column_names
    body = document(thing("profile", "P1", {"new": 1, "location": "nowhere", "email": {"a": 1}}))
    assert page(body, "profiles").rows["profiles"].column_names[: len(known)] == known


# --- relationships -------------------------------------------------------------------------------------------------


def test_to_one_relationships_become_ids() -> None:
    tag = thing("tag", "T1", {"name": "seasonal"}, tag_group=("tag-group", "G1"))
    assert row(document(tag), "tags")["tag_group_id"] == "G1"


def test_a_relationship_without_data_is_null() -> None:
    empty = thing("event", "E1", metric=None)
    links_only = b'{"type":"event","id":"E1","relationships":{"metric":{"links":{"self":"x"}}}}'
    for body in (document(empty), document(links_only), document(thing("event", "E1"))):
        assert row(body, "events")["metric_id"] is None


def test_links_are_pairs_and_each_pair_is_there_once() -> None:
    tags = [("tag", "T1"), ("tag", "T2"), ("tag", "T1")]
    body = document(thing("list", "L1", tags=tags), thing("list", "L2", tags=[]), thing("list", "L3", tags=tags[:1]))
    pairs = [(one["list_id"], one["tag_id"]) for one in rows(body, "list_tags")]
    assert pairs == [("L1", "T1"), ("L1", "T2"), ("L3", "T1")]


def attributed(id_: str = "E1", campaign: str = "C1", link: str = "x") -> bytes:
    """A page with one event, credited to a campaign."""
    owner = thing("event", id_, {"datetime": AN_HOUR}, attributions=[("attribution", "A1")])
    child = thing("attribution", "A1", event=("event", id_), campaign=("campaign", campaign), flow=None)
    links = b'{"related":"https://a.klaviyo.com/%b"}' % link.encode()
    owner = owner.replace(b'"attributions": {', b'"attributions": {"links":' + links + b",")
    return document(owner, included=[child])


def test_an_attribution_is_a_row_with_the_ids_it_points_to() -> None:
    found = row(attributed(), "event_attributions")
    assert {name: value for name, value in found.items() if value is not None and name != "_row_hash"} == {
        "id": "A1",
        "event_id": "E1",
        "campaign_id": "C1",
    }


def test_a_child_that_does_not_name_its_parent_gets_it_from_the_parents_linkage() -> None:
    owner = thing("event", "E1", attributions=[("attribution", "A1"), ("attribution", "A2")])
    children = [thing("attribution", "A1"), thing("attribution", "A2", event=("event", "E9"))]
    found = rows(document(owner, included=children), "event_attributions")
    assert {one["id"]: one["event_id"] for one in found} == {"A1": "E1", "A2": "E9"}


def test_a_child_belongs_to_the_object_in_whose_relationships_it_is_found() -> None:
    owners = [thing("flow", f"F{n}", flow_actions=[("flow-action", f"A{n}")]) for n in (1, 2)]
    children = [thing("flow-action", f"A{n}", {"definition": {"type": "time-delay"}}) for n in (2, 1)]
    found = rows(document(*owners, included=children), "flow_actions")
    assert [(one["id"], one["flow_id"], one["definition__type"]) for one in found] == [
        ("A1", "F1", "time-delay"),
        ("A2", "F2", "time-delay"),
    ]


def test_what_is_included_for_another_relationship_is_no_row() -> None:
    owner = thing("flow", "F1", flow_actions=[("flow-action", "A1")], tags=[("tag", "T1")])
    included = [thing("tag", "T1", {"name": "x"}), thing("flow-action", "A1"), thing("flow-action", "A9")]
    made = page(document(owner, included=included), "flow_actions", "flow_tags")
    assert made.rows["flow_actions"]["id"].to_pylist() == ["A1"]
    assert made.rows["flow_tags"]["tag_id"].to_pylist() == ["T1"]


def test_a_child_that_is_linked_but_not_included_is_no_row() -> None:
    owner = thing("event", "E1", attributions=[("attribution", "A1")])
    assert rows(document(owner), "event_attributions") == []


SUPPRESSED = {"reason": "HARD_BOUNCE", "timestamp": "2026-01-02T03:04:05Z", "new": 1}


def suppressions(found: object) -> list[dict[str, Any]]:
    marketing = {"email": {"marketing": found}}
    return rows(document(thing("profile", "P1", {"subscriptions": marketing})), "profile_suppressions")


def test_the_elements_of_an_array_are_rows_of_their_owner() -> None:
    first, second = suppressions({"suppression": [SUPPRESSED, {"reason": "UNSUBSCRIBE"}]})
    assert (first["profile_id"], first["reason"], first["new"]) == ("P1", "HARD_BOUNCE", "1")
    assert first["timestamp"] == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert (second["profile_id"], second["reason"], second["timestamp"]) == ("P1", "UNSUBSCRIBE", None)


@pytest.mark.parametrize(
    "found", [None, {}, [], "x", {"suppression": None}, {"suppression": "x"}, {"suppression": [None]}]
)
def test_where_there_is_no_such_array_there_are_no_rows(found: object) -> None:
    assert suppressions(found) == []


def test_a_key_that_an_element_lacks_is_empty_and_not_null() -> None:
    (only,) = suppressions({"suppression": [{"timestamp": None, "reason": None}]})
    assert only["reason"] == ""


def test_the_next_page_is_the_link_as_it_stands() -> None:
    link = "https://a.klaviyo.com/api/events/?page%5Bcursor%5D=abc"
    assert page(document(next_page=link), "events").next == link
    assert page(b'{"data":[]}', "events").next is None


# --- hashes --------------------------------------------------------------------------------------------------------


def digest(body: bytes) -> int:
    found: int = row(body, "events")["_row_hash"]
    return found


def test_the_same_object_has_the_same_hash_and_any_change_another() -> None:
    usual = digest(document(event({"a": 1})))
    assert digest(document(event({"a": 1}))) == usual
    changed = [
        event({"a": 2}),
        event({"a": "1"}),
        event({"a": 1}, id_="E2"),
        event({"a": 1}, uuid="x"),
        event({"a": 1}, datetime="2026-06-23T00:15:24+00:00"),
        event({"a": 1}, unheard_of=None),
        event({"a": 1}, never_heard_of=None),
        thing("event", "E1", {"datetime": AN_HOUR, "event_properties": {"a": 1}}, metric=("metric", "M1")),
    ]
    hashes = {digest(document(one)) for one in changed}
    assert len(hashes) == len(changed)
    assert usual not in hashes


def test_the_hash_changes_when_an_attribution_comes_or_changes() -> None:
    without = document(thing("event", "E1", {"datetime": AN_HOUR}))
    assert len({digest(without), digest(attributed()), digest(attributed(campaign="C2"))}) == 3


def test_the_hash_does_not_change_with_links_or_with_company_on_the_page() -> None:
    assert digest(attributed(link="x")) == digest(attributed(link="y"))
    company = document(event(id_="E0"), event())
    assert rows(company, "events")[1]["_row_hash"] == digest(document(event(), next_page="https://x/"))


def test_what_hangs_from_an_object_or_lies_within_it_has_a_hash_of_its_own() -> None:
    usual, other = (row(attributed(campaign=campaign), "event_attributions") for campaign in ("C1", "C2"))
    assert usual["_row_hash"] != other["_row_hash"]
    (tagged,) = (rows(document(thing("list", "L1", tags=[("tag", "T1")])), "list_tags"),)
    assert len({one["_row_hash"] for one in tagged}) == 1
    suppressions = [{"reason": "X"}, {"reason": "Y"}]
    marketing = {"suppression": suppressions}
    found = rows(profile(subscriptions={"email": {"marketing": marketing}}), "profile_suppressions")
    assert len({one["_row_hash"] for one in found}) == len(suppressions)


def test_what_is_known_is_left_out_with_its_children() -> None:
    body = attributed()
    made = page(body, "events", "event_attributions", known={digest(body)})
    assert made.rows["events"].num_rows == made.rows["event_attributions"].num_rows == 0
    assert (made.received, made.unchanged) == (1, 1)
    assert made.last == INSTANT  # left out, but seen


def test_only_what_is_known_is_left_out() -> None:
    body = document(event(id_="E1"), event(id_="E2"), event(id_="E3"))
    known = {one["_row_hash"] for one in rows(body, "events") if one["id"] != "E2"}
    made = page(body, "events", known=known)
    (left,) = made.rows["events"].to_pylist()
    assert left["id"] == "E2"
    assert left["_row_hash"] not in known
    assert (made.received, made.unchanged) == (3, 2)


# --- what lies in a window -----------------------------------------------------------------------------------------

SECOND = timedelta(seconds=1)
AROUND_NOON = [INSTANT + timedelta(milliseconds=500 * step) for step in range(-4, 7)]


@given(st.lists(st.sampled_from(AROUND_NOON) | st.none(), max_size=6), st.integers(-2, 3), st.integers(-2, 3))
def test_rows_outside_the_window_are_left_out_and_those_without_a_time_are_not(
    times: list[datetime | None], start: int, end: int
) -> None:
    within = Window(pendulum.instance(INSTANT + start * SECOND), pendulum.instance(INSTANT + end * SECOND))
    body = document(*(event(id_=str(n), datetime=time and time.isoformat()) for n, time in enumerate(times)))
    made = page(body, "events", within=within)
    kept = [str(n) for n, time in enumerate(times) if time is None or within.start <= time < within.end]
    assert made.rows["events"]["id"].to_pylist() == kept
    assert made.unchanged == 0
    assert (made.first, made.last) == (min(filter(None, times), default=None), max(filter(None, times), default=None))


def test_what_is_left_out_of_a_window_takes_its_children_along() -> None:
    within = Window(pendulum.instance(INSTANT + SECOND), pendulum.instance(INSTANT + 2 * SECOND))
    made = page(attributed(), "events", "event_attributions", within=within)
    assert made.rows["events"].num_rows == made.rows["event_attributions"].num_rows == 0


# --- broken pages --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'"text"',
        b"<html><body>Just a moment...</body></html>",
        b'{"errors":[{"status":500}]}',
        b'{"data":null}',
        b'{"data":{"type":"event","id":"E1"}}',
        b'{"data":[]} {"data":[]}',
        b'{"data":[{"type":"event"}]}',
        b'{"data":[{"type":"event","id":null}]}',
        b'{"data":[{"type":"event","id":1}]}',
        b'{"data":[{"type":"event","id":"E1","attributes":"text"}]}',
        b'{"data":[{"type":"event","id":"E1","attributes":{"event_properties":{"a":01}}}]}',
        b'{"data":[{"type":"event","id":"E1","attributes":{"event_properties":{"a":"\\x"}}}]}',
        b'{"data":[{"type":"event","id":"E1","attributes":{"event_properties":{"a":"\n"}}}]}',
        b'{"data":[{"type":"event","id":"E\xff"}]}',
        b'{"data":[{"type":"event","id":"E1","attributes":{"uuid":"\xff"}}]}',
        b'{"data":[{"type":"event","id":"E1","attributes":{"\xff":1}}]}',
        b'{"data":[{"type":"event","id":"E1","attributes":{"event_properties":{"a":"\xc3\x28"}}}]}',
    ],
)
def test_a_body_that_is_no_page_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedPage):
        page(body, "events", "event_attributions")


@given(st.integers(min_value=0))
def test_a_page_cut_anywhere_is_malformed(place: int) -> None:
    whole = attributed()
    with pytest.raises(MalformedPage):
        page(whole[: place % len(whole)], "events", "event_attributions")


def test_the_message_of_a_malformed_page_shows_nothing_of_it() -> None:
    with pytest.raises(MalformedPage) as malformed:
        page(b'{"data":[{"type":"profile","id":"P1","attributes":"anna@example.com"}]}', "profiles")
    assert "anna" not in str(malformed.value)


# --- properties ----------------------------------------------------------------------------------------------------

ESCAPES = st.sampled_from(["\\u0000", "\\n", "\\/", "\\u00e9", "\\ud83d\\ude00", '\\"', "\\\\"])
TEXTS = st.one_of(
    st.text(max_size=20).map(json.dumps),
    st.text(max_size=20).map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.lists(ESCAPES, max_size=4).map(lambda parts: f'"{"".join(parts)}"'),
)
NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?", fullmatch=True).filter(
    str.isascii
)
SCALARS = st.one_of(TEXTS, NUMBERS, st.sampled_from(["true", "false", "null"]))
SPACE = st.text(" \n\t\r", max_size=2)


def objects(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pairs = st.tuples(SPACE, TEXTS, SPACE, SPACE, values, SPACE).map(lambda p: f"{p[0]}{p[1]}{p[2]}:{p[3]}{p[4]}{p[5]}")
    return st.lists(pairs, max_size=4).map(lambda members: "{" + ",".join(members) + "}")


def arrays(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(values, max_size=4).map(lambda members: "[" + ",".join(members) + "]")


JSON_TEXTS = st.recursive(SCALARS, lambda inner: arrays(inner) | objects(inner), max_leaves=8)


@given(st.lists(objects(JSON_TEXTS), min_size=1, max_size=3))
def test_any_object_survives_as_event_properties_byte_for_byte(spelled: list[str]) -> None:
    body = document(*(event(text.encode(), id_=str(number)) for number, text in enumerate(spelled)))
    assert [found["event_properties"] for found in rows(body, "events")] == spelled


@given(st.dictionaries(st.text(string.ascii_lowercase, min_size=30, max_size=32), JSON_TEXTS, max_size=3))
def test_any_value_of_an_unknown_attribute_survives_byte_for_byte(spelled: dict[str, str]) -> None:
    attributes = {name: text.encode() for name, text in spelled.items()}
    found = row(document(thing("event", "E1", attributes)), "events")
    for name, text in spelled.items():
        assert found[name] == (None if text == "null" else text)


def as_text(value: Any, text: str) -> bool:
    return bool(value == (json.loads(text) if text.startswith('"') else text))


def as_integer(value: Any, text: str) -> bool:
    return isinstance(value, int) and value == Decimal(text.strip('"'))


def as_double(value: Any, text: str) -> bool:
    return isinstance(value, float) and value == float(text.strip('"'))


def as_truth(value: Any, text: str) -> bool:
    return text == {True: "true", False: "false"}.get(value)


def as_instant(value: Any, text: str) -> bool:
    spelled = datetime.fromisoformat(json.loads(text))
    return bool(value == (spelled if spelled.tzinfo else spelled.replace(tzinfo=UTC)))


NUMERALS = st.integers(-(2**70), 2**70).map(str)
INSTANTS = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.one_of(st.none(), st.timezones())).map(  # noqa: DTZ001 - with and without
    lambda instant: json.dumps(instant.replace(second=0, microsecond=0).isoformat())
)
WORDS = TEXTS.filter(lambda text: json.loads(text).lower() not in {"null", "nan", "inf", "infinity", "now"})
DECIMALS = st.decimals(-10_000, 10_000, places=2).map(str)
INTEGERS_AND_WORDS = st.one_of(NUMERALS, NUMERALS.map(json.dumps), DECIMALS, DECIMALS.map(json.dumps), WORDS)
WORDLESS = NUMBERS | NUMERALS | st.sampled_from(["true", "false", "null"])
NUMBERS_AND_WORDS = WORDLESS | WORDS | NUMERALS.map(json.dumps)
INSTANTS_AND_WORDS = WORDLESS | INSTANTS | WORDS.filter(lambda text: not any(map(str.isdecimal, json.loads(text))))


@pytest.mark.parametrize(
    ("name", "attribute", "survives", "scalars"),
    [
        ("profiles", "email", as_text, NUMBERS_AND_WORDS),
        ("events", "timestamp", as_integer, INTEGERS_AND_WORDS),
        ("profiles", "location__latitude", as_double, NUMBERS_AND_WORDS),
        ("campaigns", "archived", as_truth, NUMBERS_AND_WORDS),
        ("events", "datetime", as_instant, INSTANTS_AND_WORDS),
    ],
    ids=["text", "bigint", "double", "bool", "timestamp"],
)
@given(data=st.data())
def test_any_scalar_survives_in_its_column_or_beside_it(
    name: str, attribute: str, survives: Any, scalars: st.SearchStrategy[str], data: Any
) -> None:
    texts = data.draw(st.lists(scalars, min_size=1, max_size=4))
    outer, _, inner = attribute.partition("__")
    values = [b'{"%b":%b}' % (inner.encode(), text.encode()) if inner else text.encode() for text in texts]
    found = rows(document(*(thing("x", str(n), {outer: value}) for n, value in enumerate(values))), name)
    for one, text in zip(found, texts, strict=True):
        value, beside = one[attribute], one.get(f"{attribute}__v_json")
        if beside is not None:
            assert (value, beside) == (None, text)
        else:
            assert value is None if text == "null" else survives(value, text)
