"""Each value in its column as Klaviyo spelled it, or kept beside it."""

from __future__ import annotations

import json
import string
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from dlt.common.normalizers.naming.snake_case import NamingConvention
from hypothesis import given
from hypothesis import strategies as st

from tests.sources.pages import AN_HOUR, INSTANT, document, event, page, profile, reader, row, rows, thing

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


def unquoted(text: str) -> str:
    return str(json.loads(text)) if text.startswith('"') else text


def as_text(value: Any, text: str) -> bool:
    return bool(value == unquoted(text))


def as_integer(value: Any, text: str) -> bool:
    return isinstance(value, int) and value == Decimal(unquoted(text))


def as_double(value: Any, text: str) -> bool:
    return isinstance(value, float) and value == float(unquoted(text))


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
            replaced = unquoted(text).replace("\0", "\ufffd") if survives is as_text and "\\u0000" in text else None
            assert (value, beside) == (replaced, text)
        else:
            assert value is None if text == "null" else survives(value, text)
