from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from sandbox.filters import Condition, parse
from tests.sandbox.conftest import Client
from tests.sandbox.tiny import MONDAY, NOW


def at(seconds: float) -> str:
    return datetime.fromtimestamp(MONDAY + seconds, UTC).isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("text", "conditions"),
    [
        ('equals(name,"a")', [("equals", "name", "a")]),
        ("equals(name,'a, b')", [("equals", "name", "a, b")]),
        (r'equals(name,"a \"b\" (c)")', [("equals", "name", 'a "b" (c)')]),
        ('any(id,["a", "b"])', [("any", "id", ["a", "b"])]),
        ("any(id,[])", [("any", "id", [])]),
        ("has(profile)", [("has", "profile", None)]),
        ("equals(archived,true)", [("equals", "archived", "true")]),
        ("less-than(datetime,2026-06-01T00:00:00+00:00)", [("less-than", "datetime", "2026-06-01T00:00:00+00:00")]),
        ('equals(a,"x"),less-than(b,2)', [("equals", "a", "x"), ("less-than", "b", "2")]),
        ('and(equals(a,"x"), less-than(b,2))', [("equals", "a", "x"), ("less-than", "b", "2")]),
        ('and(equals(a,"x"),and(has(b),has(c)))', [("equals", "a", "x"), ("has", "b", None), ("has", "c", None)]),
    ],
)
def test_the_filter_language_is_understood(text: str, conditions: list[Any]) -> None:
    assert parse(text) == [Condition(*condition) for condition in conditions]


@pytest.mark.parametrize(
    "text",
    ["", "equals", "equals(", 'equals(name,"a"', "equals(name,)", 'equals(name,"a)', 'equals(name,"a"))', "or()"],
)
def test_what_is_no_filter_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the text says only where reading stopped
        parse(text)


@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        (f"greater-or-equal(datetime,{at(3_600)})", "e00001 e00002 e00003"),
        (f"greater-than(datetime,{at(3_600)})", "e00002 e00003"),
        (f"less-or-equal(datetime,{at(3_600)})", "e00000 e00001"),
        (f"less-than(datetime,{at(3_600)})", "e00000"),
        (f"greater-or-equal(timestamp,{MONDAY + 3_600})", "e00001 e00002 e00003"),
        (f"less-than(timestamp,{MONDAY + 3_600})", "e00000"),
    ],
)
def test_events_can_be_bounded(client: Client, condition: str, ids: str) -> None:
    bound = f"less-than(datetime,{at(4 * 3_600)})"
    assert client.ids("/api/events", sort="datetime", filter=f"{condition},{bound}") == ids.split()


def test_fractions_of_a_second_do_not_count(client: Client) -> None:
    filter_ = f"greater-or-equal(datetime,{at(3_600.9)}),less-than(datetime,{at(7_200.9)})"
    assert client.ids("/api/events", filter=filter_) == ["e00001"]
    filter_ = f"greater-than(datetime,{at(3_600.9)}),less-or-equal(datetime,{at(7_200.1)})"
    assert client.ids("/api/events", filter=filter_) == ["e00002"]


@pytest.mark.parametrize(
    ("condition", "count"),
    [
        ('equals(metric_id,"VISIT")', 1),
        ('equals(metric_id,"ORDER"),equals(profile_id,"BERT")', 0),
        (f'equals(metric_id,"ORDER"),greater-or-equal(datetime,{at(29 * 3_600)})', 2),
        ('equals(metric_id,"NOBODY")', 0),
        ('equals(metric_id,["VISIT","ORDER"])', 32),
        ('equals(profile_id,"BERT")', 1),
        ("has(profile)", 32),
        ('has(metric),equals(profile_id,"ANNA")', 31),
    ],
)
def test_events_can_be_picked(client: Client, condition: str, count: int) -> None:
    assert len(client.ids("/api/events", filter=condition, **{"page[size]": 10})) == count


@pytest.mark.parametrize(
    ("path", "condition", "ids"),
    [
        ("/api/profiles", 'any(id,["ANNA","CLEO","NOBODY"])', "ANNA CLEO"),
        ("/api/profiles", 'equals(email,"bert@example.com")', "BERT"),
        ("/api/profiles", 'equals(id,["BERT"])', "BERT"),
        ("/api/profiles", "greater-than(updated,2026-05-20T09:30:00Z)", "BERT"),
        ("/api/profiles", "greater-than(updated,2026-05-20T09:29:59Z)", "ANNA BERT"),
        ("/api/profiles", "greater-than(created,2026-01-10T08:00:00Z),less-than(created,2026-03-01T00:00:00Z)", "BERT"),
        ("/api/profiles", 'equals(subscriptions.email.marketing.suppression.reason,"HARD_BOUNCE")', "BERT"),
        ("/api/profiles", "greater-or-equal(subscriptions.email.marketing.suppression.timestamp,2026-05-20)", "BERT"),
        ("/api/lists", 'any(name,["Newsletter","List 3"])', "L03 NEWS"),
        ("/api/lists", "greater-than(updated,2026-05-20T09:30:00Z)", ""),
        ("/api/segments", "equals(is_active,true)", "VIPS"),
        ("/api/segments", "equals(is_active,false)", ""),
        ("/api/lists/NEWS/profiles", "greater-or-equal(joined_group_at,2026-05-20T09:30:00Z)", "BERT"),
        ("/api/lists/NEWS/profiles", 'equals(email,["anna@example.com"])', "ANNA"),
        ("/api/lists/NEWS/profiles", 'equals(push_token,["device-1"])', "ANNA"),
        ("/api/lists/NEWS/profiles", 'equals(_kx,"anything")', ""),
        ("/api/segments/VIPS/profiles", 'any(profile_id,["ANNA","BERT"])', "ANNA"),
        ("/api/campaigns", 'equals(messages.channel,"email")', "SPRING"),
        ("/api/campaigns", "equals(messages.channel,'sms')", "AUTUMN"),
        ("/api/campaigns", 'equals(messages.channel,"email"),equals(archived,true)', "LASTYEAR"),
        ("/api/campaigns", 'equals(messages.channel,"email"),contains(name,"spring")', "SPRING"),
        ("/api/campaigns", 'equals(messages.channel,"email"),any(status,["Sent","Draft"])', "SPRING"),
        ("/api/campaigns", 'equals(messages.channel,"sms"),greater-than(updated_at,2026-05-02T10:00:00.5Z)', "AUTUMN"),
        ("/api/campaigns", 'equals(messages.channel,"sms"),greater-than(updated_at,2026-05-02T10:00:00.6Z)', ""),
        ("/api/flows", 'starts-with(name,"flow w")', "WELCOME"),
        ("/api/flows", "equals(archived,true)", "RETIRED"),
        ("/api/flows", 'ends-with(name,"x")', ""),
        ("/api/flows", "equals(created,2026-01-10T09:00:00+01:00)", "WELCOME"),
        ("/api/flows/WELCOME/flow-actions", 'equals(action_type,"TIME_DELAY")', "116466132"),
        ("/api/flow-actions/116466132/flow-messages", 'contains(name,"fir")', "FMSG"),
        ("/api/coupon-codes", 'any(coupon.id,["TEN"])', "TEN-1"),
        ("/api/coupon-codes", 'equals(profile.id,"ANNA")', ""),
        ("/api/catalog-items", 'equals(category.id,"$custom:::$default:::clothes")', "$custom:::$default:::shirt"),
        ("/api/catalog-variants", 'equals(item.id,"$custom:::$default:::shirt")', "$custom:::$default:::shirt-red"),
        ("/api/metrics", 'equals(integration.name,"API")', "ORDER"),
        ("/api/images", "greater-or-equal(size,1000)", "366547581"),
        ("/api/images", "any(hidden,[false])", "366547581"),
        ("/api/push-tokens", 'equals(profile.id,"ANNA"),equals(platform,"ios")', "PUSH"),
        ("/api/reviews", 'equals(status,"published"),greater-or-equal(rating,5)', "review:1"),
        ("/api/tags", 'equals(name,["seasonal"])', "T1"),
    ],
)
def test_collections_can_be_filtered(client: Client, path: str, condition: str, ids: str) -> None:
    assert client.ids(path, filter=condition) == ids.split()


@pytest.mark.parametrize(
    ("path", "condition", "detail"),
    [
        ("/api/events", 'equals(colour,"red")', "'colour' is not a filterable field"),
        (
            "/api/events",
            'contains(metric_id,"x")',
            "'contains' is not an allowed filter operator for metric_id.  Allowed",
        ),
        ("/api/events", 'any(metric_id,["x"])', "'any' is not an allowed filter operator"),
        ("/api/events", "equals(metric_id,x)", "Invalid value for filter field metric_id"),
        ("/api/events", 'less-than(datetime,"2026-06-01")', "Invalid value for filter field datetime"),
        ("/api/events", "less-than(datetime,yesterday)", "Invalid value for filter field datetime"),
        # A plus sign that was not encoded has become a space on the way.
        ("/api/events", "less-than(datetime,2026-06-01T00:00:00 00:00)", "Invalid value for filter field datetime"),
        ("/api/events", "less-than(timestamp,soon)", "Invalid value for filter field timestamp"),
        ("/api/events", "has(metric_id)", "'has' is not an allowed filter operator"),
        ("/api/events", "or(has(metric),has(profile))", "Invalid filter provided."),
        ("/api/events", "less-than(datetime", "Invalid filter provided."),
        ("/api/profiles", "greater-or-equal(updated,2026-01-01)", "Allowed operators are greater-than, less-than"),
        ("/api/profiles", "any(id,[])", "Invalid value for filter field id"),
        ("/api/lists", "less-than(updated,2026-01-01)", "Allowed operators are greater-than"),
        ("/api/flows", "equals(archived,maybe)", "Invalid value for filter field archived"),
        ("/api/flows", 'equals(archived,"true")', "Invalid value for filter field archived"),
        ("/api/flows", 'equals(trigger_type,"Whim")', "Invalid value for filter field trigger_type"),
        ("/api/reviews", "equals(rating,4.5)", "Invalid value for filter field rating"),
        ("/api/campaigns", 'equals(messages.channel,"push")', "Invalid value for filter field messages.channel"),
        ("/api/campaigns", "equals(archived,true)", "A filter on messages.channel is required"),
        ("/api/campaigns", None, "A filter on messages.channel is required"),
        ("/api/coupon-codes", 'equals(status,"USED")', "A filter on coupon.id or profile.id is required"),
    ],
)
def test_what_the_contract_does_not_allow_is_refused(
    client: Client, path: str, condition: str | None, detail: str
) -> None:
    status, error = client.error(path, **({"filter": condition} if condition else {}))
    assert (status, error["code"], error["title"]) == (400, "invalid", "Invalid input.")
    assert detail in error["detail"]
    assert error["source"] == {"parameter": "filter"}
    assert error["meta"] == error["links"] == []


def test_a_range_of_less_than_a_second_is_refused(client: Client) -> None:
    def ask(lower: float, upper: float) -> int:
        filter_ = f"greater-or-equal(datetime,{at(lower)}),less-than(datetime,{at(upper)})"
        return client.ask("/api/events", filter=filter_).status_code

    assert ask(0, 1) == 200
    assert ask(0, 0.999) == 400
    assert ask(5, 5) == 400
    assert ask(10, 5) == 400


def test_a_lower_bound_in_the_future_is_refused(client: Client) -> None:
    now = NOW.timestamp() - MONDAY
    assert client.ask("/api/events", filter=f"greater-or-equal(datetime,{at(now - 1)})").status_code == 200
    assert client.ask("/api/events", filter=f"less-than(datetime,{at(now + 1_000)})").status_code == 200
    status, error = client.error("/api/events", filter=f"greater-or-equal(datetime,{at(now + 1)})")
    assert (status, error["source"]) == (400, {"parameter": "filter"})
    assert error["detail"].startswith("End date may not be in the future")


SUPPRESSED = "subscriptions.email.marketing"
SINCE = f"greater-or-equal({SUPPRESSED}.list_suppressions.timestamp,2026-05-20)"
OF_A_LIST = f'equals({SUPPRESSED}.list_suppressions.list_id,"NEWS")'


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        (SINCE, "must specify a list_id"),
        (f'{SINCE},{OF_A_LIST},equals({SUPPRESSED}.suppression.reason,"HARD_BOUNCE")', "may not be mixed"),
        (f"{SINCE},{OF_A_LIST},less-than(updated,2026-05-21)", "single date filter"),
    ],
)
def test_suppressions_are_filtered_by_the_rules_that_klaviyo_says_in_prose(
    client: Client, text: str, refusal: str
) -> None:
    answer = client.ask("/api/profiles", filter=text)
    assert (answer.status_code, refusal in answer.text) == (400, True)
    assert client.ids("/api/profiles", filter=f"{SINCE},{OF_A_LIST}") == []
