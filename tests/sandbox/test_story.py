from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from sandbox.account import Account, Event, Linkage
from sandbox.contract import DIRECTORY
from sandbox.story import synthesize
from sandbox.story.audience import LISTS
from sandbox.story.life import WINDOWS
from sandbox.story.oddities import (
    AHEAD,
    BURST,
    EXACT,
    MISSING_METRIC,
    MISSING_PROFILE,
    ODD_LOCATIONS,
    ODD_PROFILES,
    ODD_PROPERTIES,
    ODDITY,
    QUOTED,
)
from sandbox.story.spelling import DAY, HOUR

NOW = datetime(2026, 9, 1, tzinfo=UTC)
SECOND = int(NOW.timestamp())
CONTRACT = json.loads((DIRECTORY / "2026-07-15.json").read_bytes())["objects"]

ULID = r"01[0-9A-HJKMNP-TV-Z]{24}"
SHORT = r"[0-9A-Za-z]{6}"
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"
WHOLE = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"
PRECISE = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00"

SUBSCRIBED, UNSUBSCRIBED = "Subscribed to Email Marketing", "Unsubscribed from Email Marketing"


@pytest.fixture(scope="module")
def account() -> Account:
    return synthesize(seed=7, scale=0.4, now=NOW, odd=False)


@pytest.fixture(scope="module")
def odd() -> Account:
    return synthesize(seed=7, scale=0.02, now=NOW)


def told(account: Account, *names: str) -> Iterator[Event]:
    """The events in the order of time; of these metrics only, if any are named."""
    metrics = {metric.id for metric in account.objects["metric"].values() if metric.attributes["name"] in names}
    events = map(account.events.at, range(len(account.events)))
    return (event for event in events if not names or event.metric_id in metrics)


def properties(event: Event) -> dict[str, Any]:
    assert event.properties is not None
    return event.properties


def dump(account: Account) -> bytes:
    events = [(event.id, event.uuid, event.datetime, event.properties, event.profile_id) for event in told(account)]
    return msgspec.json.encode([account.objects, events, account.list_members, account.segment_members])


def leaves(tree: dict[str, Any], attributes: dict[str, Any], path: str = "") -> Iterator[str]:
    """The attributes of the contract that are not there."""
    for key, type_ in tree.items():
        if key not in attributes:
            yield f"{path}{key}"
        elif isinstance(type_, dict) and isinstance(attributes[key], dict):
            yield from leaves(type_, attributes[key], f"{path}{key}.")


def linked(link: Linkage) -> list[str]:
    return link if isinstance(link, list) else [link] if link else []


# The telling


def test_the_same_seed_scale_and_day_tell_the_same_story() -> None:
    first, second = (synthesize(seed=3, scale=0.02, now=NOW) for _ in range(2))
    assert dump(first) == dump(second)


def test_another_seed_tells_another_story() -> None:
    first, second = (synthesize(seed=seed, scale=0.02, now=NOW) for seed in (3, 4))
    assert dump(first) != dump(second)


def test_properties_are_the_same_whenever_they_are_asked_for(account: Account) -> None:
    assert [event.properties for event in told(account)] == [event.properties for event in told(account)]


def test_a_larger_scale_has_more_people_and_events_and_the_same_campaigns(account: Account) -> None:
    small = synthesize(seed=7, scale=0.1, now=NOW, odd=False)
    assert len(small.objects["profile"]) * 4 == len(account.objects["profile"]) == 1_200
    assert 3 < len(account.events) / len(small.events) < 5
    assert len(small.objects["campaign"]) == len(account.objects["campaign"])


def test_the_smallest_scale_still_has_a_profile() -> None:
    assert len(synthesize(scale=0, now=NOW, odd=False).objects["profile"]) == 1


def test_all_of_it_happens_in_the_two_years_up_to_now(account: Account) -> None:
    seconds = [event.second for event in told(account)]
    assert min(seconds) >= SECOND - 2 * 365 * DAY
    assert max(seconds) < SECOND


@pytest.mark.parametrize("day", [20, 23])  # two on which somebody would have come after midnight
def test_nobody_is_there_before_they_have_come(day: int) -> None:
    now = datetime(2026, 11, day, tzinfo=UTC)
    profiles = synthesize(scale=0.02, now=now).objects["profile"].values()
    assert max(profile.attributes["created"] for profile in profiles) < now.isoformat()


def test_the_story_is_about_the_day_it_is_told_by_default() -> None:
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    last = max(event.second for event in told(synthesize(scale=0.1, odd=False)))
    assert midnight.timestamp() - 3 * DAY < last < midnight.timestamp()


# Its spelling


@pytest.mark.parametrize(
    ("type_", "pattern"),
    [
        *((type_, ULID) for type_ in ("profile", "campaign", "campaign-message")),
        *((type_, SHORT) for type_ in ("metric", "list", "segment", "template", "flow", "flow-message")),
        ("flow-action", r"\d+"),
        ("tag", UUID),
    ],
)
def test_ids_look_like_the_real_ones(account: Account, type_: str, pattern: str) -> None:
    assert all(re.fullmatch(pattern, identity) for identity in account.objects[type_])


def test_events_have_short_ids_and_uuids_that_encode_their_time(account: Account) -> None:
    for event in told(account):
        assert re.fullmatch(r"[0-9A-Za-z]{11}", event.id)
        low, middle, high = (event.uuid or "").split("-")[:3]
        ticks = int(high[1:] + middle + low, 16)
        assert high[0] == "1"
        assert (ticks - 0x01B21DD213814000) // 10_000_000 == event.second


def test_event_times_say_the_second_twice(account: Account) -> None:
    for event in told(account):
        assert re.fullmatch(WHOLE, event.datetime)
        assert datetime.fromisoformat(event.datetime).timestamp() == event.second


def test_campaigns_are_stamped_to_the_microsecond_and_most_else_to_the_second(account: Account) -> None:
    for campaign in account.objects["campaign"].values():
        assert all(re.fullmatch(PRECISE, campaign.attributes[key]) for key in ("created_at", "updated_at"))
    for type_ in ("profile", "list", "segment", "template", "flow"):
        for each in account.objects[type_].values():
            assert all(re.fullmatch(WHOLE, each.attributes[key]) for key in ("created", "updated"))


def test_some_consent_times_have_a_space_where_others_have_a_t(account: Account) -> None:
    marketing = [profile.attributes["subscriptions"]["email"]["marketing"] for profile in profiles(account)]
    spellings = Counter(consent["consent_timestamp"][10] for consent in marketing if consent["consent_timestamp"])
    assert spellings["T"] > spellings[" "] > 0


def profiles(account: Account) -> list[Any]:
    return list(account.objects["profile"].values())


def test_every_attribute_of_the_contract_is_there(account: Account) -> None:
    of_single_reads_or_memberships = {"joined_group_at", "profile_count"}
    for kind, facts in CONTRACT.items():
        for each in account.objects.get(kind.split(".")[0], {}).values():
            assert facts.get("attributes", {}).keys() - of_single_reads_or_memberships <= each.attributes.keys()


@pytest.mark.parametrize(("type_", "kind"), [("account", "account"), ("profile", "profile"), ("profile", "profile.2")])
def test_what_is_nested_is_there_to_the_last_leaf(account: Account, type_: str, kind: str) -> None:
    for each in account.objects[type_].values():
        assert not list(leaves(CONTRACT[kind]["attributes"], each.attributes))


def test_every_link_leads_to_an_object_of_the_type_that_the_contract_names(account: Account) -> None:
    for type_, objects in account.objects.items():
        for each in objects.values():
            for name, link in each.relationships.items():
                there = account.objects[CONTRACT[type_]["relationships"][name]["type"]]
                assert all(identity in there for identity in linked(link)), (type_, name)


def test_every_way_to_send_occurs(account: Account) -> None:
    strategies = [campaign.attributes["send_strategy"] for campaign in account.objects["campaign"].values()]
    methods = {"static", "throttled", "immediate", "smart_send_time", "ab_test_campaign", "unsupported"}
    assert {strategy["method"] for strategy in strategies} == methods
    assert {strategy["options"]["is_local"] for strategy in strategies if "options" in strategy} == {True, False}


def test_every_channel_has_sent_archived_and_other_campaigns(account: Account) -> None:
    message = account.objects["campaign-message"]
    seen: dict[str, set[object]] = defaultdict(set)
    for campaign in account.objects["campaign"].values():
        first = linked(campaign.relationships["campaign-messages"])[0]
        seen[message[first].attributes["definition"]["channel"]] |= {
            campaign.attributes["status"],
            campaign.attributes["archived"],
        }
    assert set(seen) == {"email", "sms", "mobile_push"}
    assert all(states > {"Sent", True, False} for states in seen.values())
    assert seen["email"] > {"Draft", "Scheduled", "Cancelled"}


def test_there_are_more_lists_and_segments_than_fit_on_a_page(account: Account) -> None:
    assert all(len(account.objects[type_]) > 10 for type_ in ("list", "segment", "template", "flow"))


def test_flows_are_live_manual_draft_and_archived(account: Account) -> None:
    flows = [flow.attributes for flow in account.objects["flow"].values()]
    assert {flow["status"] for flow in flows} == {"live", "manual", "draft"}
    assert sum(flow["archived"] for flow in flows) == 2


def test_tags_are_on_all_that_can_be_tagged(account: Account) -> None:
    for type_ in ("campaign", "flow", "list", "segment"):
        assert any(each.relationships["tags"] for each in account.objects[type_].values())


# What happens


@pytest.mark.parametrize(
    ("reaction", "receipt"),
    [
        ("Opened Email", "Received Email"),
        ("Clicked Email", "Received Email"),
        ("Marked Email as Spam", "Received Email"),
        ("Clicked Text Message", "Received Text Message"),
        ("Opened Push", "Received Push"),
    ],
)
def test_nobody_reacts_to_a_message_before_receiving_it(account: Account, reaction: str, receipt: str) -> None:
    received: dict[tuple[str | None, str], int] = {}
    for event in told(account, receipt):
        received.setdefault((event.profile_id, properties(event)["$message"]), event.second)
    reactions = list(told(account, reaction))
    assert reactions
    assert all(received[event.profile_id, properties(event)["$message"]] <= event.second for event in reactions)


def test_nobody_gets_mail_without_consent(account: Account) -> None:
    willing: dict[str | None, bool] = {}
    for event in told(account, SUBSCRIBED, UNSUBSCRIBED, "Marked Email as Spam", "Received Email"):
        name = account.objects["metric"][event.metric_id or ""].attributes["name"]
        if name == "Received Email":
            assert willing[event.profile_id]
        else:
            willing[event.profile_id] = name == SUBSCRIBED


def test_consent_is_what_the_events_say(account: Account) -> None:
    last: dict[str | None, str] = {}
    for event in told(account, SUBSCRIBED, UNSUBSCRIBED, "Marked Email as Spam"):
        name = account.objects["metric"][event.metric_id or ""].attributes["name"]
        last[event.profile_id] = "SUBSCRIBED" if name == SUBSCRIBED else "UNSUBSCRIBED"
    for profile in profiles(account):
        marketing = profile.attributes["subscriptions"]["email"]["marketing"]
        assert marketing["consent"] == last.get(profile.id, "NEVER_SUBSCRIBED")


def test_suppressed_people_cannot_receive_mail(account: Account) -> None:
    marketing = [profile.attributes["subscriptions"]["email"]["marketing"] for profile in profiles(account)]
    suppressed = [consent for consent in marketing if consent["suppression"]]
    reasons = {entry["reason"] for consent in suppressed for entry in consent["suppression"]}
    assert {"UNSUBSCRIBE", "HARD_BOUNCE"} <= reasons
    assert not any(consent["can_receive_email_marketing"] for consent in suppressed)


def test_membership_is_what_the_list_events_add_up_to(account: Account) -> None:
    members: dict[str, dict[str, str]] = {identity: {} for identity in account.list_members}
    for event in told(account, "Subscribed to List", "Unsubscribed from List"):
        joins = account.objects["metric"][event.metric_id or ""].attributes["name"] == "Subscribed to List"
        assert event.profile_id
        if joins:
            members[properties(event)["list_id"]][event.profile_id] = event.datetime
        else:
            del members[properties(event)["list_id"]][event.profile_id]
    assert members == account.list_members
    assert len(members) == len(LISTS)


def test_segment_members_are_profiles_that_joined_until_now(account: Account) -> None:
    assert set(account.segment_members) == set(account.objects["segment"])
    for members in account.segment_members.values():
        assert members.keys() <= account.objects["profile"].keys()
        assert all(joined <= NOW.isoformat() for joined in members.values())


def test_attributed_orders_follow_a_touch_of_the_same_person_within_the_window(account: Account) -> None:
    attributed = [event for event in told(account, "Placed Order", "Ordered Product") if event.attributions]
    assert attributed
    for order in attributed:
        relations = order.attributions[0].relationships
        touch = account.events.get(relations["attributed-event"])
        assert touch is not None
        assert touch.profile_id == order.profile_id
        assert 0 < order.second - touch.second <= max(WINDOWS.values())
        assert properties(touch).get("machine_open", False) is False
        assert properties(touch)["$message"] in (relations.get("campaign-message"), relations.get("flow-message")) or (
            properties(touch)["$variation"] == relations["campaign-message"]
        )


def test_attributions_lead_to_campaigns_flows_and_variations_that_exist(account: Account) -> None:
    relations = CONTRACT["attribution"]["relationships"]
    led_to = Counter[str]()
    for order in told(account, "Placed Order"):
        for attribution in order.attributions:
            for name, identity in attribution.relationships.items():
                led_to[name] += 1
                assert name == "attributed-event" or identity in account.objects[relations[name]["type"]]
    assert set(led_to) == set(relations) - {"event"}


def test_some_orders_are_organic(account: Account) -> None:
    assert any(not order.attributions for order in told(account, "Placed Order"))


def test_a_flow_message_names_its_flow_and_a_campaign_message_does_not(account: Account) -> None:
    flows = {True: "flow-message", False: "campaign-message"}
    for event in told(
        account, "Received Email", "Opened Email", "Clicked Email", "Bounced Email", "Received Text Message"
    ):
        shown = properties(event)
        assert shown["$message"] in account.objects[flows["$flow" in shown]]
        assert shown.get("$flow", next(iter(account.objects["flow"]))) in account.objects["flow"]


def test_tests_have_two_variations(account: Account) -> None:
    seen = defaultdict(set)
    for event in told(account, "Received Email"):
        if variation := properties(event).get("$variation"):
            seen[properties(event)["$message"]].add(variation)
    assert len(seen) >= 2
    assert all(len(variations) == 2 for variations in seen.values())


def test_machines_open_and_bots_click_some(account: Account) -> None:
    assert {properties(event)["machine_open"] for event in told(account, "Opened Email")} == {True, False}
    assert {properties(event)["Bot Click"] for event in told(account, "Clicked Email")} == {True, False}


def test_values_are_money_with_two_places(account: Account) -> None:
    for event in told(account, "Placed Order", "Ordered Product", "Refunded Order", "Viewed Product"):
        assert re.fullmatch(r"\d+\.\d{1,2}", str(properties(event)["$value"]))
    currencies = Counter(properties(event)["$value_currency"] for event in told(account, "Placed Order"))
    assert currencies["USD"] > currencies["CAD"] > 0


def test_ordered_products_add_up_to_their_order(account: Account) -> None:
    lines: dict[str, Decimal] = defaultdict(Decimal)
    for event in told(account, "Ordered Product"):
        lines[properties(event)["OrderId"]] += Decimal(str(properties(event)["$value"]))
    for event in told(account, "Placed Order"):
        order = properties(event)
        if "$extra" in order:
            shipping = Decimal(order["$extra"]["shipping_price"])
            paid = lines[order["OrderId"]] - Decimal(order["Total Discounts"]) + shipping
            assert paid == Decimal(str(order["$value"]))


def test_a_few_orders_are_told_by_two_integrations(account: Account) -> None:
    tellers = defaultdict(set)
    for event in told(account, "Placed Order"):
        tellers[properties(event)["OrderId"]].add(event.metric_id)
    twice = [order for order, metrics in tellers.items() if len(metrics) == 2]
    assert 0 < len(twice) < len(tellers) / 10


def test_orders_are_fulfilled_cancelled_and_refunded_after_they_are_placed(account: Account) -> None:
    placed = {properties(event)["OrderId"]: event.second for event in told(account, "Placed Order")}
    for metric in ("Fulfilled Order", "Cancelled Order", "Refunded Order"):
        later = list(told(account, metric))
        assert later
        assert all(placed[properties(event)["OrderId"]] < event.second for event in later)


def test_the_busiest_hour_is_a_campaign_and_holds_a_twentieth_of_a_year(account: Account) -> None:
    hours = Counter(event.second // HOUR for event in told(account))
    (hour, most), *_ = Counter(dict(hours.most_common()[1:])).most_common(1)  # the first is the import on day one
    assert most > len(account.events) / 2 / 25
    busiest = [event for event in told(account, "Received Email") if event.second // HOUR == hour]
    assert max(Counter(properties(event)["$message"] for event in busiest).values()) > most / 3


# What is odd


def odd_event(odd: Account, name: str) -> Event:
    return next(event for event in told(odd) if event.properties and event.properties.get(ODDITY) == name)


def test_without_oddities_there_are_none(account: Account) -> None:
    assert all(metric.attributes["integration"] for metric in account.objects["metric"].values())
    assert all(event.profile_id in account.objects["profile"] for event in told(account))
    assert all(event.properties for event in told(account))


@pytest.mark.parametrize("name", [name for name, odd in ODD_PROPERTIES.items() if odd is not None])
def test_an_event_has_odd_properties(odd: Account, name: str) -> None:
    shown = msgspec.json.encode(odd_event(odd, name).properties)
    expected = msgspec.json.encode({ODDITY: name, **(ODD_PROPERTIES[name] or {})})
    assert shown == expected
    assert json.loads(shown) == json.loads(expected)


def test_some_event_has_no_properties_and_some_has_no_uuid(odd: Account) -> None:
    assert any(event.properties is None for event in told(odd))
    assert any(event.uuid is None for event in told(odd))


def test_numbers_are_written_to_the_last_digit(odd: Account) -> None:
    shown = json.loads(msgspec.json.encode(odd_event(odd, "exact numbers").properties), parse_float=str, parse_int=str)
    assert shown["beyond 64 bits"] == "12345678901234567890123456789"
    assert shown["precise"] == "0.1000000000000000055511151231257827"
    assert shown["trailing zeros"] == "49.9500"
    assert set(EXACT) < set(shown)


def test_a_string_is_as_long_as_they_may_be(odd: Account) -> None:
    assert len(properties(odd_event(odd, "long string"))["essay"]) > 100_000


def test_keys_differ_only_in_case_and_one_is_empty(odd: Account) -> None:
    assert {"Size", "size", "SIZE"} < properties(odd_event(odd, "keys by case")).keys()
    assert {"", "a.b", " spaced ", "$own"} < properties(odd_event(odd, "strange keys")).keys()


def test_one_key_is_a_number_here_and_text_there(odd: Account) -> None:
    prices = [properties(odd_event(odd, f"price as {form}"))["price"] for form in ("number", "text")]
    assert [type(price) for price in prices] == [float, str]


def test_hundreds_of_events_share_a_second(odd: Account) -> None:
    assert [count for _, count in Counter(event.second for event in told(odd)).most_common(2)] >= [BURST, BURST]


def test_events_lie_ahead_of_every_clock_of_the_day(odd: Account) -> None:
    ahead = [event.second for event in told(odd) if event.second >= SECOND]
    assert ahead == [SECOND + seconds for seconds in AHEAD]
    assert min(ahead) > SECOND + DAY


def test_events_are_dated_1995(odd: Account) -> None:
    assert odd.events.at(0).datetime.startswith("1995-")


def test_some_event_times_have_a_space(odd: Account) -> None:
    assert any(event.datetime[10] == " " for event in told(odd))


def test_events_lack_a_profile_or_metric_or_name_one_that_is_not_there(odd: Account) -> None:
    links = {(event.metric_id, event.profile_id) for event in told(odd)}
    assert {None, MISSING_METRIC} < {metric for metric, _ in links}
    assert {None, MISSING_PROFILE} < {profile for _, profile in links}
    assert MISSING_METRIC not in odd.objects["metric"]
    assert MISSING_PROFILE not in odd.objects["profile"]


def has(attributes: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return all(attributes[key] == value for key, value in wanted.items())


@pytest.mark.parametrize("name", ODD_PROFILES)
def test_a_profile_is_odd(odd: Account, name: str) -> None:
    assert any(has(profile.attributes, ODD_PROFILES[name]) for profile in profiles(odd))


@pytest.mark.parametrize("name", ODD_LOCATIONS)
def test_a_location_is_odd(odd: Account, name: str) -> None:
    assert any(has(profile.attributes["location"], ODD_LOCATIONS[name]) for profile in profiles(odd))


def test_names_hold_quotes_and_newlines_or_are_missing(odd: Account) -> None:
    assert '"' in QUOTED
    assert "\n" in QUOTED
    for type_ in ("list", "tag", "campaign"):
        assert any(each.attributes["name"] == QUOTED for each in odd.objects[type_].values())
    for type_ in ("flow", "segment", "metric"):
        assert any(each.attributes["name"] is None for each in odd.objects[type_].values())


def test_a_campaign_has_no_send_time(odd: Account) -> None:
    assert any(campaign.attributes["send_time"] is None for campaign in odd.objects["campaign"].values())


def test_all_of_it_can_be_encoded(odd: Account) -> None:
    assert json.loads(dump(odd))
