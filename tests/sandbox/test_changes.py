from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from sandbox.account import Account, Event, Object
from sandbox.changes import CHANGES
from sandbox.story import synthesize

NOW = datetime(2026, 9, 1, tzinfo=UTC)
LATER = "2026-09-01T12:30:45.123456Z"
STAMP = "2026-09-01T12:30:45+00:00"
PRECISE_STAMP = "2026-09-01T12:30:45.123456+00:00"

Change = Callable[..., dict[str, Any]]


def story() -> Account:
    return synthesize(seed=5, scale=0.04, now=NOW, odd=False)


@pytest.fixture
def account() -> Account:
    return story()


@pytest.fixture
def change(account: Account) -> Change:
    """Make the change to the account, and check that its summary is JSON."""

    def make(kind: str, **arguments: Any) -> dict[str, Any]:
        summary = CHANGES[kind](account, arguments)
        assert msgspec.json.decode(msgspec.json.encode(summary)) == summary
        return summary

    return make


def events_of(account: Account, profile: str) -> list[Event]:
    events = map(account.events.at, range(len(account.events)))
    return [event for event in events if event.profile_id == profile]


def event(account: Account, identity: str) -> Event:
    found = account.events.get(identity)
    assert found is not None
    return found


def named(account: Account, type_: str, name: str) -> Object:
    return next(each for each in account.objects[type_].values() if each.attributes["name"] == name)


def customer(account: Account, number: int = 0) -> Object:
    """A profile with orders, hence with much to lose."""
    members = account.list_members[named(account, "list", "Customers").id]
    return account.objects["profile"][list(members)[number]]


def links_to(account: Account, identity: str) -> list[Object]:
    holders = [each for objects in account.objects.values() for each in objects.values()]
    return [holder for holder in holders if any(identity in (link or ()) for link in holder.relationships.values())]


def test_the_same_change_to_the_same_account_is_the_same() -> None:
    arguments = {"count": 5, "at": LATER, "spread": 60}
    first, second = (CHANGES["add_events"](story(), arguments) for _ in range(2))
    assert first == second


def test_the_same_change_made_again_makes_something_new(account: Account, change: Change) -> None:
    for _ in range(3):
        change("add_events", at=LATER)
        change("add", type="list", at=LATER)
    assert len(named_all(account, "list", "New list")) == 3


def named_all(account: Account, type_: str, name: str) -> list[Object]:
    return [each for each in account.objects[type_].values() if each.attributes["name"] == name]


@pytest.mark.parametrize("kind", CHANGES)
def test_unknown_arguments_are_refused_by_name(account: Account, kind: str) -> None:
    with pytest.raises(ValueError, match=f"{kind}: .*(missing required|unknown field `surprise`)"):
        CHANGES[kind](account, {"surprise": 1})


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        ("add_events", {"count": 0}, "count"),
        ("add_events", {"count": "many"}, "Expected `int`"),
        ("add_events", {"at": "2026-09-01T00:00:00"}, "timezone"),
        ("add_events", {"metric": "Nothing"}, "no metric 'Nothing'"),
        ("update_profile", {"id": "nobody"}, "no profile 'nobody'"),
        ("join_list", {"list": "nowhere"}, "no list 'nowhere'"),
        ("archive", {"type": "list"}, "Invalid enum value 'list'"),
        ("rename", {"type": "unicorn"}, "no unicorn"),
        ("rename", {"type": "profile"}, "no profile to rename"),
        ("add", {"type": "list", "attributes": {"colour": "red"}}, "no attribute colour"),
    ],
)
def test_what_cannot_be_is_refused_clearly(
    account: Account, kind: str, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        CHANGES[kind](account, arguments)


# Events


def test_new_events_are_spread_over_the_time_before(account: Account, change: Change) -> None:
    before = len(account.events)
    added = [event(account, identity) for identity in change("add_events", count=4, at=LATER, spread=40)["events"]]
    end = int(datetime.fromisoformat(STAMP).timestamp())
    assert len(account.events) == before + 4
    assert [each.second for each in added] == [end, end - 10, end - 20, end - 30]
    assert added[0].datetime == STAMP


def test_new_events_happen_now_by_default(account: Account, change: Change) -> None:
    (added,) = change("add_events")["events"]
    assert abs(event(account, added).second - datetime.now(UTC).timestamp()) < 60


def test_new_events_have_the_metric_profile_and_properties_asked_for(account: Account, change: Change) -> None:
    profile = customer(account)
    arguments = {"metric": "Placed Order", "profile": profile.id, "properties": {"$value": 1.5}}
    (identity,) = change("add_events", **arguments)["events"]
    added = event(account, identity)
    assert added.metric_id == named(account, "metric", "Placed Order").id
    assert added.profile_id == profile.id
    assert added.properties is not None
    assert added.properties["$value"] == 1.5
    assert added.properties["OrderId"]


def test_late_events_are_dated_back(account: Account, change: Change) -> None:
    added = [event(account, identity) for identity in change("late_events", count=3, days=17, at=LATER)["events"]]
    assert {each.datetime[:10] for each in added} == {"2026-08-15"}


def test_attribution_is_attached_to_orders_that_had_none(account: Account, change: Change) -> None:
    attached = change("attach_attribution", count=3)["events"]
    assert len(attached) == 3
    for identity in attached:
        order = event(account, identity)
        relations = order.attributions[0].relationships
        assert order.properties is not None
        assert "OrderId" in order.properties
        assert event(account, relations["attributed-event"]).profile_id == order.profile_id
        assert {"campaign", "campaign-message"} <= relations.keys() or {"flow", "flow-message"} <= relations.keys()


def test_attribution_is_attached_to_the_orders_named(change: Change) -> None:
    chosen = CHANGES["attach_attribution"](story(), {"count": 3})["events"][-1]
    assert change("attach_attribution", events=[chosen]) == {"events": [chosen]}
    assert change("attach_attribution", events=[chosen]) == {"events": []}


# Profiles


def test_an_updated_profile_has_the_new_values_and_time(account: Account, change: Change) -> None:
    profile = customer(account)
    city, source = profile.attributes["location"]["city"], profile.attributes["properties"]["$source"]
    attributes = {"title": "Dr.", "location": {"zip": "00501"}, "properties": {"new": [1]}}
    assert change("update_profile", id=profile.id, at=LATER, attributes=attributes) == {"profiles": [profile.id]}
    assert profile.attributes["title"] == "Dr."
    assert profile.attributes["updated"] == STAMP
    assert (profile.attributes["location"]["zip"], profile.attributes["location"]["city"]) == ("00501", city)
    assert (profile.attributes["properties"]["new"], profile.attributes["properties"]["$source"]) == ([1], source)


def test_a_merged_profile_goes_and_the_other_has_its_events_and_memberships(account: Account, change: Change) -> None:
    source, destination = customer(account, 1), customer(account, 0)
    moved, kept = events_of(account, source.id), events_of(account, destination.id)
    lists = {identity for identity, members in account.list_members.items() if source.id in members}
    assert moved
    assert change("merge_profiles", source=source.id, destination=destination.id, at=LATER)["events"] == len(moved)
    assert source.id not in account.objects["profile"]
    assert not events_of(account, source.id)
    assert len(events_of(account, destination.id)) == len(moved) + len(kept)
    assert all(destination.id in account.list_members[identity] for identity in lists)
    assert not any(source.id in members for members in account.list_members.values())
    assert not any(source.id in members for members in account.segment_members.values())
    assert not links_to(account, source.id)
    assert destination.attributes["updated"] == STAMP


def test_a_profile_is_not_merged_into_itself(account: Account, change: Change) -> None:
    with pytest.raises(ValueError, match="itself"):
        change("merge_profiles", source=customer(account).id, destination=customer(account).id)


def test_a_deleted_profile_is_gone_and_its_events_do_not_say_who_it_was(account: Account, change: Change) -> None:
    profile = next(
        each
        for each in account.objects["profile"].values()
        if each.attributes["email"]
        and any(each.attributes["email"] in str(event.properties) for event in events_of(account, each.id))
    )
    before = [(each.id, each.second, each.metric_id) for each in events_of(account, profile.id)]
    assert change("delete_profile", id=profile.id)["events"] == len(before)
    after = events_of(account, profile.id)
    assert [(each.id, each.second, each.metric_id) for each in after] == before
    assert profile.id not in account.objects["profile"]
    assert not any(profile.attributes["email"] in str(each.properties) for each in after)
    assert any("redacted" in str(each.properties) for each in after)
    assert not any(profile.id in members for members in account.list_members.values())
    assert not any(profile.id in members for members in account.segment_members.values())
    assert not links_to(account, profile.id)


# Lists


def test_joining_a_list_makes_a_member_and_an_event(account: Account, change: Change) -> None:
    profile, joined = customer(account), named(account, "list", "Catalogue by Post")
    assert change("join_list", list="Catalogue by Post", profiles=[profile.id], at=LATER) == {
        "list": joined.id,
        "profiles": [profile.id],
    }
    assert account.list_members[joined.id] == {profile.id: STAMP}
    assert any(each.datetime == STAMP for each in events_of(account, profile.id))


def test_joining_again_moves_the_time(account: Account, change: Change) -> None:
    profile, customers = customer(account), named(account, "list", "Customers").id
    change("join_list", list=customers, profiles=[profile.id], at=LATER)
    assert account.list_members[customers][profile.id] == STAMP


def test_any_profiles_may_join(account: Account, change: Change) -> None:
    customers = account.list_members[named(account, "list", "Customers").id]
    before = set(customers)
    joined = change("join_list", list="Customers", count=4)["profiles"]
    assert set(customers) - before == set(joined)
    assert len(joined) == 4


def test_leaving_a_list_leaves_no_trace(account: Account, change: Change) -> None:
    events, customers = len(account.events), account.list_members[named(account, "list", "Customers").id]
    left = change("leave_list", list="Customers", count=2)["profiles"]
    assert len(left) == 2
    assert not customers.keys() & set(left)
    assert len(account.events) == events


def test_who_unsubscribes_is_told_by_an_event(account: Account, change: Change) -> None:
    left = change("leave_list", list="Customers", told=True, at=LATER)["profiles"][0]
    told = [each for each in events_of(account, left) if each.datetime == STAMP]
    assert [(each.properties or {})["List"] for each in told] == ["Customers"]
    assert told[0].metric_id == named(account, "metric", "Unsubscribed from List").id


def test_who_is_added_to_a_list_is_not_always_told(account: Account, change: Change) -> None:
    events = len(account.events)
    change("join_list", list="Catalogue by Post", told=False)
    assert len(account.events) == events


def test_a_recomputed_segment_has_other_members(account: Account, change: Change) -> None:
    segment, members = next((key, found) for key, found in account.segment_members.items() if found)
    left = next(iter(members))
    joined = next(profile for profile in account.objects["profile"] if profile not in members)
    change("recompute_segment", segment=segment, join=[joined], leave=[left], at=LATER)
    assert left not in members
    assert members[joined] == STAMP


def test_only_members_can_leave(account: Account, change: Change) -> None:
    with pytest.raises(ValueError, match="not in list"):
        change("leave_list", list="Catalogue by Post", profiles=[customer(account).id])


# Objects


@pytest.mark.parametrize("silent", [True, False])
def test_an_object_is_edited_and_may_keep_its_mark_of_change(account: Account, change: Change, silent: bool) -> None:  # noqa: FBT001 - pytest passes it by name
    template = next(iter(account.objects["template"].values()))
    before = template.attributes["updated"]
    change("edit", type="template", id=template.id, attributes={"html": "<p>new</p>"}, silent=silent, at=LATER)
    assert template.attributes["html"] == "<p>new</p>"
    assert template.attributes["updated"] == (before if silent else STAMP)


@pytest.mark.parametrize("type_", ["campaign", "flow", "list", "segment", "template", "tag", "form", "image"])
def test_any_object_with_a_name_can_be_renamed(account: Account, change: Change, type_: str) -> None:
    renamed = account.objects[type_][change("rename", type=type_, name="New name", at=LATER)["id"]]
    assert renamed.attributes["name"] == "New name"
    stamps = [renamed.attributes[key] for key in ("updated", "updated_at") if key in renamed.attributes]
    assert all(stamp in (STAMP, PRECISE_STAMP) for stamp in stamps)


def test_an_object_is_renamed_by_its_name(account: Account, change: Change) -> None:
    newsletter = named(account, "list", "Newsletter")
    assert change("rename", type="list", id="Newsletter") == {"type": "list", "id": newsletter.id}
    assert newsletter.attributes["name"] == "Newsletter (renamed)"


@pytest.mark.parametrize(
    ("type_", "key", "stamp"), [("campaign", "updated_at", PRECISE_STAMP), ("flow", "updated", STAMP)]
)
def test_archiving_takes_one_after_the_other(
    account: Account, change: Change, type_: str, key: str, stamp: str
) -> None:
    ids = [change("archive", type=type_, at=LATER)["id"] for _ in range(2)]
    assert len(set(ids)) == 2
    for identity in ids:
        attributes = account.objects[type_][identity].attributes
        assert (attributes["archived"], attributes[key]) == (True, stamp)


@pytest.mark.parametrize("type_", ["campaign", "flow", "list", "segment", "template", "tag", "tag-group", "profile"])
def test_a_deleted_object_leaves_no_link_to_it(account: Account, change: Change, type_: str) -> None:
    identity = next(iter(account.objects[type_]))
    change("delete", type=type_, id=identity)
    assert identity not in account.objects[type_]
    assert not links_to(account, identity)
    assert identity not in account.list_members
    assert identity not in account.segment_members


def test_a_deleted_flow_takes_its_actions_and_messages_along(account: Account, change: Change) -> None:
    flow = named(account, "flow", "Welcome Series")
    actions = flow.relationships["flow-actions"]
    assert isinstance(actions, list)
    messages = len(account.objects["flow-message"])
    change("delete", type="flow", id=flow.id)
    assert not account.objects["flow-action"].keys() & set(actions)
    assert len(account.objects["flow-message"]) == messages - 4


@pytest.mark.parametrize("type_", ["campaign", "list", "tag", "template", "segment", "flow"])
def test_a_new_object_has_all_attributes_and_its_own_name(account: Account, change: Change, type_: str) -> None:
    model = set(next(iter(account.objects[type_].values())).attributes)
    added = account.objects[type_][change("add", type=type_, name="Brand new", at=LATER)["id"]]
    assert set(added.attributes) == model
    assert added.attributes["name"] == "Brand new"
    assert added.attributes.get("created", added.attributes.get("created_at", STAMP)) in (STAMP, PRECISE_STAMP)


def test_a_new_campaign_is_a_draft_with_a_message_of_its_own(account: Account, change: Change) -> None:
    added = account.objects["campaign"][change("add", type="campaign", at=LATER)["id"]]
    assert (added.attributes["status"], added.attributes["send_time"]) == ("Draft", None)
    messages = added.relationships["campaign-messages"]
    assert isinstance(messages, list)
    (message,) = messages
    assert account.objects["campaign-message"][message].relationships["campaign"] == added.id


def test_a_new_object_takes_the_attributes_given(account: Account, change: Change) -> None:
    added = change("add", type="list", attributes={"opt_in_process": "double_opt_in"})["id"]
    assert account.objects["list"][added].attributes["opt_in_process"] == "double_opt_in"


@pytest.mark.parametrize("type_", ["campaign", "flow", "list", "segment"])
def test_a_tag_comes_and_goes(account: Account, change: Change, type_: str) -> None:
    tagged = next(iter(account.objects[type_].values()))
    tag = change("add", type="tag", name="fresh")["id"]
    assert change("tag", type=type_, id=tagged.id, tag="fresh") == {"type": type_, "id": tagged.id, "tag": tag}
    assert tag in (tagged.relationships["tags"] or ())
    change("untag", type=type_, id=tagged.id, tag=tag)
    assert tag not in (tagged.relationships["tags"] or ())


def test_untagging_takes_the_first_tag_there_is(account: Account, change: Change) -> None:
    summary = change("untag", type="campaign")
    assert summary["tag"] not in (account.objects["campaign"][summary["id"]].relationships["tags"] or ())


def test_what_is_not_tagged_cannot_be_untagged(account: Account, change: Change) -> None:
    tag = change("add", type="tag", name="fresh")["id"]
    with pytest.raises(ValueError, match="does not have that tag"):
        change("untag", type="list", id="Newsletter", tag=tag)
