"""Who has agreed to what, told by hand."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.transforms.conftest import Built, build_duckdb, failures
from tests.transforms.raw import Row

MARCH, MAY = "2026-03-01T08:00:00+00:00", "2026-05-01T08:00:00+00:00"


def branch(name: str, **told: object) -> Row:
    return {f"subscriptions__{name}__{key}": value for key, value in told.items()}


ANN: Row = {
    "id": "ann",
    **branch(
        "email__marketing",
        can_receive_email_marketing=False,
        consent="SUBSCRIBED",
        consent_timestamp=MARCH,
        last_updated=MAY,
        method="FORM",
        method_detail="form:1",
        custom_method_detail="Fair",
        double_optin=True,
    ),
    **branch("email__open_tracking", can_receive=True, consent="SUBSCRIBED", valid_until=MAY),
    **branch(
        "sms__marketing", can_receive_sms_marketing=True, consent="SUBSCRIBED", method="TEXT", method_detail="JOIN"
    ),
    **branch("sms__transactional", can_receive_sms_transactional=False, consent="UNSUBSCRIBED"),
    **branch("mobile_push__marketing", can_receive_push_marketing=True, consent="SUBSCRIBED", consent_timestamp=MARCH),
    **branch("whatsapp__marketing", can_receive=True, consent="SUBSCRIBED"),
    **branch("whatsapp__transactional", can_receive=False, consent="UNSUBSCRIBED"),
    **branch("whatsapp__conversational", can_receive=True, consent="SUBSCRIBED"),
}
BOB: Row = {"id": "bob", **branch("email__marketing", can_receive_email_marketing=True, consent="NEVER_SUBSCRIBED")}
SILENT: Row = {"id": "silent"}
GONE: Row = {**BOB, "id": "gone", "_deleted_at": MAY}
SUPPRESSIONS: list[Row] = [
    {"profile_id": "ann", "reason": "UNSUBSCRIBE", "timestamp": MARCH},
    {"profile_id": "ann", "reason": "HARD_BOUNCE", "timestamp": MAY},
    {"profile_id": "bob", "reason": "USER_SUPPRESSED", "timestamp": MAY, "_deleted_at": MAY},
]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    account = {"profiles": [ANN, BOB, SILENT, GONE], "profile_suppressions": SUPPRESSIONS}
    return build_duckdb(tmp_path_factory.mktemp("consent"), account, "--select", "+dim_profile_consent")


def test_each_channel_and_purpose_of_a_profile_is_a_row(built: Built) -> None:
    assert not failures(built.outcomes)
    told = built.query(
        "select profile_id, channel, purpose, consent_status, is_sending_allowed from dim_profile_consent order by all"
    )
    assert told == [
        ("ann", "email", "marketing", "SUBSCRIBED", False),
        ("ann", "email", "open_tracking", "SUBSCRIBED", True),
        ("ann", "mobile_push", "marketing", "SUBSCRIBED", True),
        ("ann", "sms", "marketing", "SUBSCRIBED", True),
        ("ann", "sms", "transactional", "UNSUBSCRIBED", False),
        ("ann", "whatsapp", "conversational", "SUBSCRIBED", True),
        ("ann", "whatsapp", "marketing", "SUBSCRIBED", True),
        ("ann", "whatsapp", "transactional", "UNSUBSCRIBED", False),
        ("bob", "email", "marketing", "NEVER_SUBSCRIBED", True),
    ]


def test_it_says_when_and_how(built: Built) -> None:
    told = built.query(
        "select channel, method, method_detail, custom_method_detail, is_double_opt_in, consented_at, updated_at,"
        " valid_until from dim_profile_consent"
        " where profile_id = 'ann' and (purpose = 'marketing' or purpose = 'open_tracking') order by channel, purpose"
    )
    march, may = datetime(2026, 3, 1, 8, tzinfo=UTC), datetime(2026, 5, 1, 8, tzinfo=UTC)
    assert told == [
        ("email", "FORM", "form:1", "Fair", True, march, may, None),
        ("email", None, None, None, None, None, None, may),
        ("mobile_push", None, None, None, None, march, None, None),
        ("sms", "TEXT", "JOIN", None, None, None, None, None),
        ("whatsapp", None, None, None, None, None, None, None),
    ]


def test_the_latest_reason_that_holds_says_why_no_mail_is_sent(built: Built) -> None:
    told = built.query(
        "select profile_id, suppression_reason, suppressed_at, suppression_count from dim_profile_consent"
        " where channel = 'email' and purpose = 'marketing' order by profile_id"
    )
    assert told == [("ann", "HARD_BOUNCE", datetime(2026, 5, 1, 8, tzinfo=UTC), 2), ("bob", None, None, 0)]


def test_suppressions_say_nothing_of_other_channels(built: Built) -> None:
    others = "select count(*) from dim_profile_consent where channel <> 'email' and suppression_reason is not null"
    assert built.query(others) == [(0,)]
