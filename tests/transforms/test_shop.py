"""What the marts say about the shop, against what was counted by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from tests.transforms.conftest import Built, failures
from tests.transforms.shop import METRICS, NASTY, SHOP, VANISHED

COUNTS = """
    recipients, delivered, bounced, failed, opens, opens_unique, opens_unique_human, clicks, clicks_unique,
    clicks_unique_human, unsubscribes, unsubscribe_uniques, spam_complaints, conversions, conversion_uniques
"""
RATES = """
    delivery_rate, bounce_rate, failed_rate, open_rate, open_rate_human, click_rate, click_rate_human,
    click_to_open_rate, unsubscribe_rate, spam_complaint_rate, conversion_rate
"""


def test_every_model_builds_and_every_test_of_the_project_passes(shop: Built) -> None:
    assert not failures(shop.outcomes)


def test_a_campaign_is_counted_by_people(shop: Built) -> None:
    counts = shop.query(f"select {COUNTS} from mart_campaign_performance where campaign_id = 'c1'")
    assert counts == [(7, 5, 1, 1, 7, 4, 3, 2, 2, 1, 1, 1, 1, 2, 2)]


def test_rates_are_fractions_of_the_delivered(shop: Built) -> None:
    (rates,) = shop.query(f"select {RATES} from mart_campaign_performance where campaign_id = 'c1'")
    assert rates == pytest.approx((5 / 7, 1 / 7, 1 / 7, 4 / 5, 3 / 5, 2 / 5, 1 / 5, 2 / 4, 1 / 5, 1 / 5, 2 / 5))


def test_money_of_a_campaign_is_in_the_accounts_currency_and_each_order_counts_once(shop: Built) -> None:
    money = shop.query(
        "select currency, conversion_value, net_revenue, conversions_other_currency, revenue_per_recipient,"
        " average_order_value from mart_campaign_performance where campaign_id = 'c1'"
    )
    assert money == [("USD", Decimal(80), Decimal(50), 1, Decimal(16), Decimal(80))]


def test_a_campaign_is_described_as_it_was_sent(shop: Built) -> None:
    described = shop.query(
        "select campaign_name, subject, channel, status, send_time, send_date from mart_campaign_performance"
        " where campaign_id = 'c1'"
    )
    sent = datetime(2026, 3, 8, 4, 59, 59, tzinfo=UTC)
    assert described == [("Spring sale", "Spring!", "email", "Sent", sent, date(2026, 3, 7))]


def test_every_campaign_that_was_sent_has_its_rows_and_a_draft_has_none(shop: Built) -> None:
    rows = shop.query(
        "select campaign_id, campaign_message_id, variation_id, campaign_name, subject, recipients, delivered,"
        " open_rate, conversion_value from mart_campaign_performance order by campaign_message_id, variation_id"
    )
    assert rows == [
        (None, "gone", None, "Old sale", None, 1, 1, 0.0, Decimal(0)),
        ("c1", "m1", None, "Spring sale", "Spring!", 7, 5, 0.8, Decimal(80)),
        ("c2", "m2", "m2", "Test", "A", 1, 1, 0.0, Decimal(0)),
        ("c2", "m3", "m3", "Test", "B", 1, 1, 1.0, Decimal(200)),
        ("c3", "m4", None, "Text", None, 2, 1, None, Decimal(0)),
        ("c5", "m6", None, "To nobody", "Anybody?", 0, 0, None, Decimal(0)),
    ]


def test_a_flow_counts_a_person_once_however_often_it_sends(shop: Built) -> None:
    rows = shop.query(
        "select flow_id, flow_message_id, flow_name, message_name, subject, channel, recipients, receipts, delivered,"
        " click_rate, conversions, conversion_value, net_revenue from mart_flow_performance"
    )
    assert rows == [
        ("f1", "fm1", "Welcome", "Welcome 1", "Hello", "email", 1, 2, 1, 1.0, 1, Decimal(10), Decimal(0)),
    ]


def test_revenue_holds_every_order_refund_and_cancellation_once(shop: Built) -> None:
    rows = shop.query(
        "select event_id, order_id, entry_type, amount, currency, told_times, attributed_channel,"
        " attributed_campaign_message_id, attributed_flow_message_id from fct_revenue order by event_id"
    )
    assert rows == [
        ("cancel ann", "o4", "cancel", Decimal(-10), "USD", 1, "email", None, "fm1"),
        ("late sunday", "o7", "order", Decimal(4), "USD", 1, None, None, None),
        ("never", "o9", "order", Decimal(8), "USD", 1, None, None, None),
        ("order ann", "o4", "order", Decimal(10), "USD", 1, "email", None, "fm1"),
        ("order b bob", "o3", "order", Decimal(200), "USD", 1, "email", "m3", None),
        ("order bob", "o1", "order", Decimal(80), "USD", 2, "email", "m1", None),
        ("order cat", "o2", "order", Decimal("45.5"), "CAD", 1, "email", "m1", None),
        ("refund bob", "o1", "refund", Decimal(-30), "USD", 1, "email", "m1", None),
        ("saturday", "o5", "order", Decimal(1), "USD", 1, None, None, None),
        ("sunday", "o6", "order", Decimal(2), "USD", 1, None, None, None),
        ("worthless", None, "order", Decimal(0), "USD", 1, None, None, None),
    ]


def test_a_day_begins_at_midnight_where_the_account_is(shop: Built) -> None:
    days = shop.query(
        "select local_date, orders, revenue_total from mart_daily_kpi where local_date < date '2026-03-20'"
        " order by local_date"
    )
    assert days == [(date(2026, 3, 7), 1, Decimal(1)), (date(2026, 3, 8), 2, Decimal(6))]


def test_a_day_adds_up_over_channels_and_keeps_currencies_apart(shop: Built) -> None:
    day = shop.query(
        "select channel, currency, sends, delivered, bounced, failed, opens, opens_human, clicks, clicks_human,"
        " unsubscribes, spam_complaints, subscribers_gained, subscribers_lost, orders, revenue_total,"
        " revenue_attributed, revenue_attributed_flows, revenue_returned, revenue_net, klaviyo_share"
        " from mart_daily_kpi where local_date = date '2026-03-20' order by channel, currency"
    )
    messages = (10, 8, 1, 1, 8, 6, 3, 2, 1, 1, 1, 1)
    assert day == [
        ("email", "CAD", *[0] * 12, 1, Decimal("45.5"), Decimal("45.5"), 0, 0, Decimal("45.5"), 1.0),
        ("email", "USD", *messages, 3, Decimal(290), Decimal(290), Decimal(10), Decimal(-40), Decimal(250), 1.0),
        ("none", "USD", *[0] * 12, 1, 0, 0, 0, 0, 0, 0.0),
        ("sms", "USD", 2, 1, 0, 1, *[0] * 8, 0, 0, 0, 0, 0, 0, 0.0),
    ]


def test_every_event_stays_whatever_it_lacks_as_long_as_klaviyo_lists_it(shop: Built) -> None:
    kept = shop.query("select event_id from fct_event")
    assert sorted(kept) == sorted((event["id"],) for event in SHOP["events"] if event is not VANISHED)


def test_events_dated_ahead_wait_for_their_time(shop: Built) -> None:
    assert shop.query("select event_id, local_date from fct_event where is_future") == [("ahead", date(2999, 1, 1))]


def test_a_metric_that_only_events_know_is_a_metric_too(shop: Built) -> None:
    metrics = shop.query("select metric_id, metric_name, event_class, event_count, is_deleted from dim_metric")
    assert {metric[0] for metric in metrics} == {*METRICS, "vanished"}
    assert ("vanished", None, "other", 1, True) in metrics
    assert ("nameless", None, "other", 1, False) in metrics


def test_a_metric_names_its_integration_when_it_has_one(shop: Built) -> None:
    named = shop.query(
        "select metric_id, integration_name, integration_category, event_class, channel from dim_metric"
        " where metric_id in ('order again', 'unowned', 'nameless', 'text') order by metric_id"
    )
    assert named == [
        ("nameless", None, None, "other", None),
        ("order again", "API", "API", "order", None),
        ("text", "Klaviyo", "Internal", "received", "sms"),
        ("unowned", None, None, "other", None),
    ]


def test_a_value_that_is_no_number_is_none(shop: Built) -> None:
    valued = shop.query(
        "select event_id, event_value, currency from fct_event where metric_id = 'unowned' and event_value is not null"
    )
    assert sorted(valued) == [
        ("emoji", Decimal(4), "USD"),
        ("exponent", Decimal(1500), "USD"),
        ("half a cent of a cent", Decimal("0.0001"), "USD"),
        ("negative zero", Decimal(0), "USD"),
        ("nul", Decimal(3), "USD"),
        ("plain text", Decimal("12.5"), "EUR"),
    ]


def test_properties_of_any_type_come_as_text(shop: Built) -> None:
    lifted = shop.query("select event_id, sender_order_id, message_id, subject from stg_klaviyo__events")
    texts = {name: rest for name, *rest in lifted if name in NASTY and any(rest)}
    assert texts == {
        "object": ['{"a":1}', '{"id":"m1"}', None],
        "list": [None, None, '["a",1]'],
        "words": ["Infinity", None, None],
        "number as id": ["5400000004321", "7", None],
        "nul": [None, None, "ab"],
        "emoji": [None, None, "😀"],
    }


def test_flags_are_true_only_when_they_say_so(shop: Built) -> None:
    flags = shop.query("select event_id, is_machine_open, is_bot_click from fct_event where metric_id = 'unowned'")
    assert [flag for flag in flags if flag[1] or flag[2]] == [("flags as text", True, True)]
    assert not [flag for flag in flags if None in flag]


def test_what_klaviyo_no_longer_lists_is_marked_and_kept(shop: Built) -> None:
    assert shop.query("select tag_id, is_deleted from stg_klaviyo__tags order by 1") == [("t1", True), ("t2", False)]


def test_an_email_domain_is_in_lower_case(shop: Built) -> None:
    assert shop.query("select distinct email_domain from fct_event where email_domain is not null") == [
        ("example.com",)
    ]


def test_counts_are_64_bits_wide_and_money_has_four_places(shop: Built) -> None:
    marts = [name for name in shop.outcomes if name.startswith(("dim_", "fct_", "mart_"))]
    types = {of for mart in marts for _, of in shop.columns(mart)}
    assert types == {"VARCHAR", "BIGINT", "DOUBLE", "BOOLEAN", "DATE", "TIMESTAMP WITH TIME ZONE", "DECIMAL(18,4)"}
