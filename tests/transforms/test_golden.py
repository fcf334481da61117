"""What the marts say about the golden month, against rows written down from the definitions."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tests.transforms.conftest import Built, failures

JUNE_1, JUNE_3 = date(2026, 6, 1), date(2026, 6, 3)


@pytest.fixture
def money(golden: Built) -> Any:
    def ask(statement: str) -> list[tuple[Any, ...]]:
        """Rows with amounts as plain numbers."""
        return [
            tuple(float(cell) if isinstance(cell, Decimal) else cell for cell in row) for row in golden.query(statement)
        ]

    return ask


def test_every_model_builds_after_a_second_load(golden: Built) -> None:
    assert not failures(golden.outcomes)


def test_an_incremental_run_has_the_rows_of_a_full_refresh_and_reads_only_what_is_new(golden: Built) -> None:
    """What is incremental holds of each event what its view does, and so a full refresh.

    While the second run read, a row looked otherwise than before and after: had it been read again, it would differ.
    """
    opened = {name for name, _ in golden.columns("stg_klaviyo__events")}
    columns = ", ".join(f'"{name}"' for name, _ in golden.columns("int_event") if name in opened)
    view, table = (f"select {columns} from {name}" for name in ("stg_klaviyo__events", "int_event"))
    assert golden.query(f"select event_id from ({view} except all {table})") == []
    assert golden.query(f"select event_id from ({table} except all {view})") == []
    assert golden.query("select event_id from int_event where event_id like 'golden%' and is_deleted") == [
        ("golden mistake",)
    ]


def test_orders_with_what_went_back_and_how_they_follow_each_other(money: Any) -> None:
    assert money(
        "select order_id, profile_id, item_count, gross_amount, refunded_amount, net_amount, told_times, order_number,"
        " is_first_order, days_since_previous_order, attributed_message_id, hours_since_touch from fct_order"
        " where order_id like 'g-%' order by 1"
    ) == [
        ("g-o1", "max", 2, 100, 0, 100, 2, 1, True, None, "gm1", 25.5),
        ("g-o2", "lea", None, 50, -20, 30, 1, 1, True, None, "gfm1", 48),
        ("g-o3", "max", None, 30, 0, 30, 1, 2, False, 17, None, None),
    ]


def test_lines_of_orders(money: Any) -> None:
    assert money(
        "select event_id, order_event_id, product_id, product_name, sku, quantity, price, amount, is_attributed"
        " from fct_order_item order by 1"
    ) == [
        ("golden o1 hat", "golden o1", "11", "Hat", "H", 2, 30, 60, True),
        ("golden o1 scarf", "golden o1", "12", "Scarf", None, None, None, 40, True),
    ]


def test_models_of_attribution_share_an_order(money: Any) -> None:
    """The click on the campaign came four days before the order, that on the flow two: 2^-2 and 2^-1."""
    assert money(
        "select model, message_id, round(weight, 6), credited_amount, touch_class, hours_to_order"
        " from fct_order_attribution where order_event_id = 'golden o2' order by 1, 2"
    ) == [
        ("first_touch", "gm1", 1, 50, "clicked", 96),
        ("klaviyo", "gfm1", 1, 50, "clicked", 48),
        ("last_click", "gfm1", 1, 50, "clicked", 48),
        ("last_touch", "gfm1", 1, 50, "clicked", 48),
        ("linear", "gfm1", 0.5, 25, "clicked", 48),
        ("linear", "gm1", 0.5, 25, "clicked", 96),
        ("time_decay", "gfm1", 0.666667, 33.3333, "clicked", 48),
        ("time_decay", "gm1", 0.333333, 16.6667, "clicked", 96),
    ]
    assert money(
        "select message_id, revenue_klaviyo, revenue_last_touch, revenue_first_touch, revenue_linear,"
        " revenue_time_decay, orders_linear from mart_attribution_comparison where local_date = date '2026-06-05'"
        " order by 1"
    ) == [("gfm1", 50, 50, 0, 25, 33.3333, 0.5), ("gm1", 0, 0, 50, 25, 16.6667, 0.5)]


def test_a_message_by_the_day_of_sending_and_by_the_day_of_the_event(money: Any) -> None:
    days = money(
        "select basis, local_date, recipients, receipts, delivered, bounced, opens, opens_unique, opens_unique_human,"
        " clicks, conversions, conversion_value, net_revenue from mart_message_daily where message_id = 'gm1'"
        " order by 1, 2"
    )
    assert days == [
        ("event", JUNE_1, 5, 4, 4, 1, 4, 3, 2, 1, 0, 0, 0),
        ("event", JUNE_3, 0, 0, 0, 0, 0, 0, 0, 0, 1, 100, 100),
        ("send", JUNE_1, 5, 4, 4, 1, 4, 3, 2, 1, 1, 100, 100),
    ]
    flow = money(
        "select local_date, receipts, clicks, unsubscribes, conversions, conversion_value, net_revenue"
        " from mart_message_daily where message_id = 'gfm1' and basis = 'send'"
    )
    assert flow == [(JUNE_3, 2, 1, 1, 1, 50, 30)]


def test_messages_of_a_flow_are_numbered_along_its_way(golden: Built) -> None:
    assert golden.query(
        "select message_id, channel, flow_name, step, delay_hours, message_name from dim_message"
        " where message_type = 'flow' and flow_id = 'gf1' order by 1"
    ) == [("gfm1", "email", "Hello", 1, 0.0, "Hello 1"), ("gfm2", "email", "Hello", 2, 48.0, "Hello 2")]


def test_a_funnel_tells_who_got_how_far(money: Any) -> None:
    assert money(
        "select message_id, entry_month, step, entered, reached, lost_since_step_before, clicked, unsubscribed,"
        " converted, conversion_value, reach_rate from mart_flow_funnel where flow_id = 'gf1' order by step"
    ) == [
        ("gfm1", JUNE_1, 1, 2, 2, 0, 1, 1, 1, 50, 1),
        ("gfm2", JUNE_1, 2, 2, 1, 1, 0, 0, 0, 0, 0.5),
    ]


def test_consent_is_told_from_when_until_when_and_why(golden: Built) -> None:
    told = golden.query(
        "select profile_id, state, local_date, is_current, source, method, message_id, form_id, suppression_reason"
        " from mart_consent_history where channel = 'email' and profile_id in ('lea', 'max', 'nia', 'oli', 'pam')"
        " order by 1, valid_from"
    )
    assert told == [
        ("lea", "subscribed", JUNE_1, True, "event", "popup", None, "gform", None),
        ("max", "subscribed", date(2026, 5, 3), True, "profile", None, None, None, None),
        ("nia", "subscribed", date(2026, 5, 1), False, "event", "form", None, None, None),
        ("nia", "unsubscribed", date(2026, 6, 4), True, "event", "link", "gfm1", None, None),
        ("pam", "subscribed", date(2026, 5, 2), False, "profile", None, None, None, None),
        ("pam", "suppressed", JUNE_1, True, "suppression", None, None, None, "HARD_BOUNCE"),
    ]


def test_an_audience_grows_and_shrinks_by_the_day(golden: Built) -> None:
    """Pam joined on the 8th, and no load has seen her on the list: she was taken off it, of which no event tells."""
    days = golden.query(
        "select audience_type, audience_name, local_date, joined, departed, unsubscribed, suppressed, members"
        " from mart_list_growth_daily where local_date > date '2026-04-01' order by 1, 2, 3"
    )
    assert days == [
        ("channel", "email", date(2026, 5, 1), 1, 0, 0, 0, 2),
        ("channel", "email", date(2026, 5, 2), 1, 0, 0, 0, 3),
        ("channel", "email", date(2026, 5, 3), 1, 0, 0, 0, 4),
        ("channel", "email", JUNE_1, 1, 1, 0, 1, 4),
        ("channel", "email", date(2026, 6, 4), 0, 1, 1, 0, 3),
        ("list", "Golden", JUNE_1, 3, 0, 0, 0, 3),
        ("list", "Golden", date(2026, 6, 2), 1, 0, 0, 0, 4),
        ("list", "Golden", date(2026, 6, 5), 0, 1, 0, 0, 3),
        ("list", "Golden", date(2026, 6, 8), 1, 1, 0, 0, 3),
        ("list", "Golden", date(2026, 6, 12), 0, 1, 0, 0, 2),
    ]
    assert golden.query("select list_name, members from dim_list") == [("Golden", 2)]


def test_inboxes_are_told_apart(golden: Built) -> None:
    assert golden.query(
        "select inbox_provider, recipients, delivered, bounced, bounced_hard, opens_unique, opens_unique_human,"
        " clicks_unique_human, bounce_standing from mart_deliverability_daily where send_date = date '2026-06-01'"
        " order by 1"
    ) == [
        ("Gmail", 3, 2, 1, 1, 2, 2, 1, "poor"),
        ("Other", 1, 1, 0, 0, 0, 0, 0, "good"),
        ("Yahoo", 1, 1, 0, 0, 1, 0, 0, "good"),
    ]


def test_people_stand_where_their_last_act_puts_them(money: Any) -> None:
    assert money(
        "select profile_id, received_30d, received_90d, opened_30d, opened_90d, clicked_30d, clicked_90d,"
        " days_since_engaged, engagement_tier, orders, net_revenue, net_revenue_attributed"
        " from mart_profile_engagement where profile_id in ('lea', 'max', 'nia', 'oli', 'pam') order by 1"
    ) == [
        ("lea", 2, 3, 0, 1, 1, 2, 26, "engaged", 1, 30, 30),
        ("max", 0, 1, 0, 1, 0, 0, 11, "engaged", 2, 130, 100),
        ("nia", 1, 2, 0, 0, 0, 0, 29, "engaged", 0, 0, 0),
        ("oli", 0, 1, 0, 0, 0, 0, None, "never", 0, 0, 0),
        ("pam", 0, 0, 0, 0, 0, 0, None, "never", 0, 0, 0),
    ]


def test_customers_are_scored_by_fifths_in_which_equals_share(golden: Built) -> None:
    """Of seven by day of order: cat, ann, jon, bob on 20 March; before them ivy on the 8th; after them lea, then max."""
    scores = golden.query(
        "select profile_id, recency_score, frequency_score, monetary_score, rfm_segment from mart_profile_engagement"
        " where recency_score is not null order by 1"
    )
    assert scores == [
        ("ann", 1, 1, 1, "lost"),
        ("bob", 1, 3, 5, "lost"),
        ("cat", 1, 1, 1, "lost"),
        ("ivy", 1, 5, 3, "cannot_lose"),
        ("jon", 1, 1, 1, "lost"),
        ("lea", 4, 1, 3, "new"),
        ("max", 5, 3, 4, "loyal"),
    ]


def test_a_cohort_adds_up_what_it_brought_month_by_month(money: Any) -> None:
    months = money(
        "select cohort_type, cohort_month, months_since, is_month_over, profiles, buyers, orders, net_revenue,"
        " net_revenue_attributed, net_revenue_so_far, net_revenue_so_far_per_profile from mart_cohort_retention"
        " where cohort_month > date '2026-04-01' order by 1, 2, 3"
    )
    may, june = date(2026, 5, 1), JUNE_1
    assert months == [
        ("first_order", june, 0, True, 2, 2, 3, 160, 130, 160, 80),
        ("first_order", june, 1, False, 2, 0, 0, 0, 0, 160, 80),
        ("first_subscription", may, 0, True, 3, 0, 0, 0, 0, 0, 0),
        ("first_subscription", may, 1, True, 3, 1, 2, 130, 100, 130, 43.3333),
        ("first_subscription", may, 2, False, 3, 0, 0, 0, 0, 130, 43.3333),
        ("first_subscription", june, 0, True, 1, 1, 1, 30, 30, 30, 30),
        ("first_subscription", june, 1, False, 1, 0, 0, 0, 0, 30, 30),
    ]


def test_products_are_seen_and_sold(money: Any) -> None:
    assert money(
        "select local_date, product_id, product_name, views, carts, order_lines, quantity, revenue, revenue_attributed"
        " from mart_product_daily order by 1, 2"
    ) == [
        (date(2026, 6, 2), "11", "Straw hat", 1, 0, 0, 0, 0, 0),
        (JUNE_3, "11", "Straw hat", 0, 0, 1, 2, 60, 60),
        (JUNE_3, "12", "Scarf", 0, 0, 1, 1, 40, 40),
    ]


def test_a_form_brings_subscribers_and_customers(golden: Built) -> None:
    assert golden.query(
        "select form_name, form_type, local_date, views, viewers, submits, submitters, first_submitters,"
        " new_subscribers, new_customers, klaviyo_views, klaviyo_submits, klaviyo_submit_rate"
        " from mart_form_performance"
    ) == [("Popup", "popup", JUNE_1, 2, 2, 1, 1, 1, 1, 1, 10, 1, 0.1)]


def test_coupons_are_known_by_their_codes_and_by_their_name(money: Any) -> None:
    assert money(
        "select coupon_name, code, codes, codes_assigned, codes_marked_used, codes_redeemed, redemption_rate, orders,"
        " first_orders, customers, net_revenue from mart_coupon order by coupon_key"
    ) == [
        (None, "FRIEND", 0, 0, 0, 0, None, 1, 0, 1, 30),
        ("SUMMER", None, 3, 2, 1, 1, 0.5, 2, 1, 1, 130),
        ("UNTOLD", None, 1, 1, 1, 0, None, 0, 0, 0, 0),
        ("UNUSED", None, 1, 1, 0, 0, 0, 0, 0, 0, 0),
    ]


def test_what_came_of_an_hour_and_of_a_number_of_messages_a_week(money: Any) -> None:
    assert money(
        "select message_type, send_hour, recipients, delivered, opens_unique_human, clicks_unique_human,"
        " conversion_uniques, conversion_value, revenue_per_recipient from mart_send_time"
        " where channel = 'email' and send_weekday = 1"
    ) == [("campaign", 10, 4, 4, 2, 1, 1, 100, 25)]
    # Lea, in the week from Monday the 1st on.
    assert money(
        "select profile_weeks, profiles, received, opened, clicked, unsubscribed, converted, conversion_value,"
        " revenue_per_profile_week from mart_frequency where channel = 'email' and messages_a_week = 3"
    ) == [(1, 1, 3, 1, 1, 0, 1, 50, 50)]


def test_reports_agree_or_the_cause_is_named(golden: Built) -> None:
    told = golden.query(
        "select message_id, statistic, ours, klaviyo, cause from mart_reconciliation where not is_equal order by 1, 2"
    )
    assert told == [
        ("gfm9", "delivered", 0, 3, "no event of the message is loaded"),
        ("gm1", "opens", 4, 5, "unexplained"),
    ]
    agreed = golden.query("select count(*) from mart_reconciliation where is_equal and message_id = 'gm1'")
    assert agreed == [(13,)]


def test_what_is_odd_is_counted(golden: Built) -> None:
    found = dict(golden.query("select check_name, rows_found from mart_data_quality"))
    assert found["orders_told_more_than_once"] == 2
    assert found["orders_in_other_currencies"] == 1
    assert found["events_dated_ahead"] == 1
    assert found["returns_without_order"] == 0
    assert golden.query("select example from mart_data_quality where check_name = 'orders_in_other_currencies'") == [
        ("order cat",)
    ]


def test_a_profile_is_told_with_what_it_did_and_is_expected_to_do(money: Any) -> None:
    assert money(
        "select profile_id, full_name, email_domain, predicted_clv, orders, net_revenue, is_suppressed from dim_profile"
        " where profile_id in ('lea', 'pam') order by 1"
    ) == [("lea", "Lea", "gmail.com", 120, 1, 30, False), ("pam", None, "gmail.com", None, 0, 0, True)]


def test_days_know_their_week_month_and_quarter(golden: Built) -> None:
    assert golden.query(
        "select local_date, weekday, week_starts_on, month_starts_on, quarter_starts_on, calendar_year, days_ago,"
        " is_today from dim_date where local_date in (date '2026-06-07', date '2026-07-01') order by 1"
    ) == [
        (date(2026, 6, 7), 7, JUNE_1, JUNE_1, date(2026, 4, 1), 2026, 24, False),
        (date(2026, 7, 1), 3, date(2026, 6, 29), date(2026, 7, 1), date(2026, 7, 1), 2026, 0, True),
    ]
