"""Bytes in, rows out."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pendulum
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.klaviyo.errors import MalformedPage
from sources.klaviyo.resources import NAMES, RESOURCES
from sources.klaviyo.tables import ARROW
from sources.klaviyo.windows import Window
from tests.sources.pages import AN_HOUR, INSTANT, document, event, page, profile, reader, row, rows, thing

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


def test_what_is_new_within_the_one_attribute_that_is_asked_for_is_kept() -> None:
    told = {"predictive_analytics": {"predicted_clv": 1.5, "brand_new": [1]}, "email": "nobody@asked.for"}
    found = row(document(thing("profile", "P1", told)), "profile_predictions")
    assert (found["predictive_analytics__predicted_clv"], found["predictive_analytics__brand_new"]) == (1.5, "[1]")
    assert "email" not in found


def test_a_huge_text_arrives_whole() -> None:
    essay = "All work and no play. " * 50_000
    assert row(profile(organization=essay), "profiles")["organization"] == essay
    assert json.loads(row(document(event({"essay": essay})), "events")["event_properties"])["essay"] == essay


def test_a_nul_is_an_unknown_character_in_text_and_as_it_was_sent_in_json() -> None:
    body = document(
        *[thing("profile", f"P{n}", {"title": title}) for n, title in enumerate(("a\0b", "c", 7, r"\u0000"))]
    )
    found = rows(body, "profiles")
    assert [one["title"] for one in found] == ["a\ufffdb", "c", "7", r"\u0000"]
    assert [one["title__v_json"] for one in found] == [r'"a\u0000b"', None, None, None]
    assert "title__v_json" not in row(profile(title=r"\u0000"), "profiles")
    assert row(document(event(b'{"a":"\\u0000"}')), "events")["event_properties"] == '{"a":"\\u0000"}'


def test_escaped_and_plain_characters_are_the_same_text() -> None:
    assert row(profile(title=b'"\\u0041\\ud83d\\uddfc\\n"'), "profiles")["title"] == "A🗼\n"
    assert row(profile(title='"A🗼"'.encode()), "profiles")["title"] == "A🗼"


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


@pytest.mark.parametrize(("found", "warned"), [(None, False), ([], False), ("x", True)])
def test_only_what_is_no_array_at_all_is_warned_of(
    found: object, caplog: pytest.LogCaptureFixture, *, warned: bool
) -> None:
    suppressions({"suppression": found})
    assert any("not a list" in message for message in caplog.messages) is warned


def test_elements_of_one_key_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    suppressions({"suppression": [SUPPRESSED, {"reason": "UNSUBSCRIBE"}]})
    assert not caplog.messages
    suppressions({"suppression": [SUPPRESSED, SUPPRESSED]})
    assert caplog.messages == ["profile_suppressions: 1 with the key of another are told in profiles only"]


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


@pytest.mark.parametrize("shown", [(), ("A1",), ("A1", "A2")])
def test_what_is_linked_to_and_not_shown_is_warned_of(shown: tuple[str, ...], caplog: pytest.LogCaptureFixture) -> None:
    linked = [("attribution", "A1"), ("attribution", "A2")]
    body = document(
        thing("event", "E1", {"datetime": AN_HOUR}, attributions=linked),
        included=[thing("attribution", one, event=("event", "E1")) for one in shown],
    )
    assert [found["id"] for found in rows(body, "event_attributions")] == [*shown]
    assert (f"{len(linked) - len(shown)} that Klaviyo links to" in caplog.text) is (len(shown) < len(linked))


def test_the_hash_does_not_change_with_the_order_in_which_links_come() -> None:
    parts = [("attribution", "A1"), ("attribution", "A2")]
    told = [thing("attribution", id_, campaign=("campaign", f"C{id_}")) for _, id_ in parts]
    pages = [
        document(thing("event", "E1", {"datetime": AN_HOUR}, attributions=linked), included=included)
        for linked in (parts, parts[::-1])
        for included in (told, told[::-1])
    ]
    assert len({digest(body) for body in pages}) == 1


def test_the_hash_does_not_change_with_links_or_with_company_on_the_page() -> None:
    assert digest(attributed(link="x")) == digest(attributed(link="y"))
    company = document(event(id_="E0"), event())
    assert rows(company, "events")[1]["_row_hash"] == digest(document(event(), next_page="https://x/"))


@pytest.mark.parametrize(
    "relation", [b'{"links":{"self":"https://x/"}}', b'{"data":[]}', b'{"data":null}', b"null", b"{}"]
)
def test_the_hash_does_not_change_with_a_relation_that_points_to_nothing(relation: bytes) -> None:
    usual = thing("event", "E1", {"datetime": AN_HOUR}, metric=("metric", "M1"))
    more = usual.replace(b'"metric": {', b'"newly_told": ' + relation + b', "metric": {')
    assert more != usual
    assert digest(document(more)) == digest(document(usual))


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
