"""What becomes of a person's data before a row is made of it."""

from __future__ import annotations

import hmac
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.klaviyo.declaration import policy
from sources.klaviyo.errors import WrongPolicy
from sources.klaviyo.policy import Policy
from sources.klaviyo.pseudonyms import Pseudonyms
from tests.sources.pages import document, reader, thing

KEY = "a key of thirty-two characters.."
ANNA = hmac.digest(KEY.encode(), b"anna@example.com", "sha256").hex()[:32]
DANISH = hmac.digest(KEY.encode(), b"+4512345678", "sha256").hex()[:32]
PSEUDONYMOUS = policy("pseudonymous", {}, KEY)


def fields(table: str, **treatments: str) -> Policy:
    return policy("", {table: treatments}, KEY)


def treated(json_column: object, **treatments: str) -> Any:
    """What is kept of an event's properties."""
    of_events = policy("", {"events": treatments}, KEY).of("events")
    assert of_events is not None
    return json.loads(of_events.node("event_properties").treat(json.dumps(json_column).encode()))


def loaded(body: bytes, table: str, under: Policy) -> dict[str, Any]:
    made = replace(reader(table), policy=under)
    rows: list[dict[str, Any]] = made.rows(made.page(body)).tables[table].to_pylist()
    return rows[0]


def profile(**attributes: object) -> bytes:
    return document(thing("profile", "P1", attributes))


# --- pseudonyms ----------------------------------------------------------------------------------------------------


def test_a_pseudonym_is_half_an_hmac_so_that_others_can_make_it_too() -> None:
    assert Pseudonyms(KEY.encode()).of("anna@example.com") == ANNA
    assert Pseudonyms(b"another key of over thirty-two characters").of("anna@example.com") != ANNA


@pytest.mark.parametrize("spelling", ["Anna@Example.com", " anna@example.com ", "ANNA@EXAMPLE.COM\n"])
def test_an_address_has_one_pseudonym_however_it_is_spelled(spelling: str) -> None:
    assert Pseudonyms(KEY.encode()).of(spelling) == ANNA


@pytest.mark.parametrize("spelling", ["+4512345678", "+45 12 34 56 78", "0045 12345678", " +45 (12) 34-56-78"])
def test_an_international_number_has_one_pseudonym_however_it_is_spelled(spelling: str) -> None:
    assert Pseudonyms(KEY.encode()).of(spelling) == DANISH


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("write to Anna@example.com.", f"write to {ANNA}."),
        ("<anna@example.com>, or call +45 12 34 56 78!", f"<{ANNA}>, or call {DANISH}!"),
        ("https://shop.example/?e=anna%40example.com&x=1", f"https://shop.example/?e={ANNA}&x=1"),
        ("https://shop.example/?p=%2B4512345678", f"https://shop.example/?p={DANISH}"),
        ("2026-07-01T10:00:00+00:00", "2026-07-01T10:00:00+00:00"),
        ("1 + 1 = 2, 50% off @ noon", "1 + 1 = 2, 50% off @ noon"),
    ],
)
def test_masked_text_keeps_all_but_addresses_and_numbers(text: str, masked: str) -> None:
    assert Pseudonyms(KEY.encode()).mask(text) == masked


# --- within JSON ---------------------------------------------------------------------------------------------------


def test_the_longest_name_that_fits_decides() -> None:
    sent = {"$value": 1.50, "customer": {"email": "Anna@example.com", "tier": "gold", "deep": {"x": 1}}, "note": "hi"}
    assert treated(sent, **{"event_properties.customer.email": "hash"}) == {
        **sent,
        "customer": {"email": ANNA, "tier": "gold", "deep": {"x": 1}},
    }
    only = {"event_properties": "drop", "event_properties.$value": "keep", "event_properties.customer.tier": "keep"}
    assert treated(sent, **only) == {"$value": 1.5, "customer": {"tier": "gold"}}


def test_a_key_is_found_at_whatever_depth_and_through_arrays() -> None:
    sent = {
        "email": "anna@example.com",
        "people": [{"Email": "anna@example.com"}, [{"a": {"$email": "anna@example.com"}}]],
    }
    found = treated(sent, **{"event_properties.**.email": "hash"})
    assert found == {"email": ANNA, "people": [{"Email": ANNA}, [{"a": {"$email": ANNA}}]]}


def test_a_key_is_found_where_nothing_looks_like_an_address() -> None:
    assert treated({"a": [{"zip": "8000", "n": 1}]}, **{"event_properties.**.zip": "drop"}) == {"a": [{"n": 1}]}


def test_a_key_may_hold_a_dot() -> None:
    sent = {"Billing.Email": "anna@example.com", "billing": {"email": "anna@example.com"}}
    found = treated(sent, **{r"event_properties.Billing\.Email": "drop"})
    assert found == {"billing": sent["billing"]}


def test_what_is_hashed_is_hashed_to_its_last_leaf() -> None:
    sent = {"to": ["anna@example.com", {"x": "anna@example.com", "n": 12, "yes": True, "none": None, "empty": ""}]}
    number = Pseudonyms(KEY.encode()).of("12")
    found = treated(sent, **{"event_properties.to": "hash"})
    assert found == {"to": [ANNA, {"x": ANNA, "n": number, "yes": True, "none": None, "empty": ""}]}


def test_nothing_kept_within_is_saved_from_a_key_that_is_dropped_everywhere() -> None:
    rules = {"event_properties": "hash", "event_properties.**.zip": "drop", "event_properties.**.city": "keep"}
    assert treated({"zip": "1000", "city": "anna@example.com"}, **rules) == {"city": ANNA}


def test_masking_finds_addresses_in_values_keys_and_escapes() -> None:
    of_events = fields("events", event_properties="mask").of("events")
    assert of_events is not None
    node = of_events.node("event_properties")
    sent = rb'{"anna@example.com": 1, "b": ["to anna\u0040example.com"], "c": "\u0061nna@ex\u0061mple.com", "d": 1.50}'
    assert node.treat(sent) == f'{{"{ANNA}":1,"b":["to {ANNA}"],"c":"{ANNA}","d":1.50}}'.encode()


def test_a_key_that_comes_twice_hides_nothing() -> None:
    for rules in ({"event_properties": "mask"}, {"event_properties.**.email": "hash"}):
        of_events = policy("", {"events": rules}, KEY).of("events")
        assert of_events is not None
        found = of_events.node("event_properties").treat(b'{"email":"anna@example.com","email":null}')
        assert b"anna" not in found


def test_numbers_keep_their_digits_and_what_no_rule_touches_its_bytes() -> None:
    of_events = fields("events", **{"event_properties.**.email": "hash"}).of("events")
    assert of_events is not None
    sent = b'{"email":"x","big":12345678901234567890.10,"text":"\\u00e9\\/","deep":{"n":1.0e+16}}'
    found = of_events.node("event_properties").treat(sent)
    assert found.endswith(b'"big":12345678901234567890.10,"text":"\\u00e9\\/","deep":{"n":1.0e+16}}')


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(ANY_JSON)
def test_json_without_anybody_in_it_stays_what_it_is(value: object) -> None:
    sent = {"value": value}
    found = treated(sent, **{"event_properties": "mask", "event_properties.nobody": "drop"})
    if "@" not in json.dumps(sent, ensure_ascii=False) and "+" not in json.dumps(sent, ensure_ascii=False):
        assert found == sent


# --- columns -------------------------------------------------------------------------------------------------------


def test_columns_are_kept_hashed_or_dropped() -> None:
    rules = {
        "email": "hash",
        "first_name": "drop",
        "location": "drop",
        "location__city": "keep",
        "properties.$phone": "hash",
    }
    row = loaded(
        profile(
            email="Anna@Example.com",
            first_name="Anna",
            last_name="Berg",
            location={"city": "Aarhus", "address1": "Vej 1", "latitude": 56.1},
            properties={"$phone": "+45 12345678", "tier": "gold"},
        ),
        "profiles",
        fields("profiles", **rules),
    )
    assert (row["email"], row["first_name"], row["last_name"]) == (ANNA, None, "Berg")
    assert (row["location__city"], row["location__address1"], row["location__latitude"]) == ("Aarhus", None, None)
    assert json.loads(row["properties"]) == {"$phone": DANISH, "tier": "gold"}


def test_what_does_not_fit_its_column_is_treated_all_the_same() -> None:
    under = fields("profiles", email="hash", first_name="drop", location__address1="drop")
    sent = profile(email={"work": "anna@example.com"}, first_name=["Anna"], location="Vej 1, Aarhus")
    row = loaded(sent, "profiles", under)
    assert json.loads(row["email__v_json"]) == {"work": ANNA}
    assert "Vej 1" not in str(row)
    assert "Anna" not in str(row)


def test_attributes_that_klaviyo_adds_have_a_default_and_can_be_named() -> None:
    sent = profile(
        nickname="Anni", loyalty={"tier": "gold"}, title="Dr", location={"floor": "3rd"}, Email="anna@example.com"
    )
    row = loaded(sent, "profiles", fields("profiles", **{"<new>": "drop", "<new>.loyalty": "keep", "email": "hash"}))
    assert (row["nickname"], row["title"]) == (None, "Dr")
    assert json.loads(row["loyalty"]) == {"tier": "gold"}
    assert row["location__floor"] is None
    assert "anna" not in str(row), "another spelling of a column's name is treated as the column is"


def test_one_default_for_a_table_leaves_what_the_table_stands_on() -> None:
    sent = thing(
        "event",
        "E1",
        {"datetime": "2026-06-23T00:15:23Z", "uuid": "u", "event_properties": {"a": 1}},
        profile=("profile", "P1"),
        metric=("metric", "M1"),
    )
    row = loaded(document(sent), "events", fields("events", **{"*": "drop"}))
    assert (row["id"], row["metric_id"], row["profile_id"]) == ("E1", "M1", "P1")
    assert row["datetime"] is not None
    assert (row["uuid"], row["event_properties"]) == (None, None)


def test_events_can_be_parted_from_their_profiles() -> None:
    sent = thing("event", "E1", {}, profile=("profile", "P1"), metric=("metric", "M1"))
    row = loaded(document(sent), "events", fields("events", profile_id="drop"))
    assert (row["profile_id"], row["metric_id"]) == (None, "M1")


def test_the_hash_of_a_row_cannot_be_made_without_the_key() -> None:
    sent = profile(email="anna@example.com")
    plain, keyed = loaded(sent, "profiles", Policy()), loaded(sent, "profiles", fields("profiles", email="drop"))
    other = loaded(sent, "profiles", policy("", {"profiles": {"email": "drop"}}, KEY[::-1]))
    assert len({plain["_row_hash"], keyed["_row_hash"], other["_row_hash"]}) == 3
    assert keyed["_row_hash"] == loaded(sent, "profiles", fields("profiles", email="hash"))["_row_hash"]


# --- the preset ----------------------------------------------------------------------------------------------------


def test_the_preset_leaves_no_one_to_be_found_in_a_profile() -> None:
    person = {
        "email": "anna@example.com", "phone_number": "+4512345678", "external_id": "customer-77", "first_name": "Anna",
        "last_name": "Berg", "organization": "Berg ApS", "title": "Dr", "image": "https://img/anna.png",
        "location": {"address1": "Vej 1", "address2": "2. tv", "zip": "8000", "latitude": 56.123, "longitude": 10.234,
                     "ip": "10.20.30.40", "city": "Aarhus", "country": "Denmark"},
        "properties": {"$phone_number": "+45 12345678", "Birthday": "1980-02-03", "notes": "is anna@example.com", "tier": "gold"},
        "subscriptions": {"whatsapp": {"marketing": {"phone_number": "+4512345678"}}},
        "something_new": "Anna Berg",
    }  # fmt: skip
    row = loaded(profile(**person), "profiles", PSEUDONYMOUS)
    for plain in (
        "anna",
        "berg",
        "12345678",
        "customer-77",
        "vej 1",
        "8000",
        "56.123",
        "10.234",
        "10.20",
        "1980",
        "2. tv",
    ):
        assert plain not in str({k: v for k, v in row.items() if k != "_row_hash"}).lower(), plain
    assert row["email"] == ANNA
    assert row["phone_number"] == row["subscriptions__whatsapp__marketing__phone_number"] == DANISH
    assert json.loads(row["properties"])["tier"] == "gold"
    assert (row["location__city"], row["location__country"]) == ("Aarhus", "Denmark")


def test_declared_fields_go_before_the_preset() -> None:
    row = loaded(
        profile(first_name="Anna", email="a@b.dk"),
        "profiles",
        policy("pseudonymous", {"profiles": {"First Name": "keep"}}, KEY),
    )
    assert row["first_name"] == "Anna"
    assert row["email"] != "a@b.dk"


# --- policies that fit nothing -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declared", "named"),
    [
        ({"profile": {"email": "hash"}}, "no table named profile"),
        ({"campaign_values": {"opens": "drop"}}, "campaign_values is a report"),
        ({"profiles": {"e_mails": "hash"}}, "profiles.e_mails: no such column"),
        ({"profiles": {"email": "encrypt"}}, "profiles.email: 'encrypt' is none of"),
        ({"profiles": {"email.x": "hash"}}, "profiles.email.x: only JSON columns have keys"),
        ({"profiles": {"id": "hash"}}, "profiles.id: rows are told apart"),
        ({"profiles": {"updated": "drop"}}, "profiles.updated: rows are told apart, or found again"),
        ({"events": {"metric_id": "drop"}}, "events.metric_id: rows are told apart"),
        ({"events": {"profile_id": "hash"}}, "events.profile_id: tables are joined"),
        ({"profile_suppressions": {"reason": "hash"}}, "profile_suppressions.reason"),
        ({"list_memberships": {"profile_id": "drop"}}, "list_memberships.profile_id"),
        ({"profiles": {"location": "hash"}}, "profiles.location: a hash is a text, and location__latitude"),
        ({"profiles": {"*": "hash"}}, "profiles.*: fields of all types"),
        ({"events": {"event_properties.*": "drop"}}, r"events.event_properties.*:"),
    ],
)
def test_a_policy_that_fits_nothing_is_refused_by_name(declared: dict[str, dict[str, str]], named: str) -> None:
    with pytest.raises(WrongPolicy) as refusal:
        policy("", declared, KEY)
    assert named in str(refusal.value)


@pytest.mark.parametrize("key", ["", "short"])
def test_a_policy_needs_a_key_that_nobody_guesses(key: str) -> None:
    with pytest.raises(WrongPolicy, match="hash_key"):
        policy("pseudonymous", {}, key)


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(WrongPolicy, match="no preset named 'anonymous'; there is: pseudonymous"):
        policy("anonymous", {}, KEY)


def test_a_fingerprint_tells_policies_and_keys_apart_and_no_policy_from_any() -> None:
    same = fields("profiles", email="hash").fingerprint("profiles")
    assert same == fields("profiles", Email="hash").fingerprint("profiles") != ""
    others = [fields("profiles", email="drop"), policy("", {"profiles": {"email": "hash"}}, KEY[::-1])]
    assert len({same, *(other.fingerprint("profiles") for other in others)}) == 3
    assert fields("profiles", email="hash").fingerprint("events") == ""
