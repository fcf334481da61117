"""The source alone, as a user of dlt would use it, into a DuckDB file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from sandbox.account import Attribution
from sandbox.server import Sandbox
from sources.klaviyo import klaviyo
from sources.klaviyo.contract import Contract
from sources.klaviyo.errors import KlaviyoError, Unauthorized, UnknownResource
from sources.klaviyo.resources import DEFAULT, PROFILES, RESOURCES, select
from sources.klaviyo.tables import full_table, table, table_hints
from tests.sandbox.tiny import PlainEvent, tiny_account
from tests.sources.conftest import Open
from tests.sources.house import House, account, person, second

DUCKDB = {
    "text": "VARCHAR",
    "bigint": "BIGINT",
    "double": "DOUBLE",
    "bool": "BOOLEAN",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    "date": "DATE",
    "json": "JSON",
}


# --- tables --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The tiny account, loaded whole."""
    with Sandbox(tiny_account(), limits="off") as sandbox:
        house = House(tmp_path_factory.mktemp("tiny"), sandbox)
        house.load()
        yield house


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """An account with nothing in it, loaded whole."""
    with Sandbox(account(), limits="off") as sandbox:
        house = House(tmp_path_factory.mktemp("empty"), sandbox)
        house.load()
        yield house


@pytest.mark.parametrize("resource", select(None), ids=DEFAULT)
@pytest.mark.parametrize("size", ["tiny", "empty"])
def test_every_table_has_its_columns_and_types_whatever_the_account_holds(
    size: str, resource: Any, facts: Contract, request: pytest.FixtureRequest
) -> None:
    house: House = request.getfixturevalue(size)
    described = {name: kind for name, kind, *_ in house.rows(f"DESCRIBE {resource.name}")}
    declared = {column.name: DUCKDB[column.type] for column in full_table(resource, facts).columns}
    assert {name: described.pop(name, None) for name in declared} == declared
    assert described == {} or (size == "tiny" and set(described.values()) == {"JSON"})


@pytest.mark.parametrize("resource", select(None), ids=DEFAULT)
def test_keys_are_unique_and_never_null(resource: Any, tiny: House, facts: Contract) -> None:
    key = table(resource, facts).key
    present = " AND ".join(f"{column} IS NOT NULL" for column in key)
    ((rows, keys, whole),) = tiny.rows(
        f"SELECT count(*), count(DISTINCT ({', '.join(key)})), count(*) FILTER ({present}) FROM {resource.name}"
    )
    assert rows == keys == whole
    columns = {name: null for name, _, null, *_ in tiny.rows(f"DESCRIBE {resource.name}")}
    assert {name for name, null in columns.items() if null == "NO"} == {*key}


def test_warehouses_are_told_how_to_lay_events_out(facts: Contract) -> None:
    events = table(next(resource for resource in RESOURCES if resource.name == "events"), facts)
    hints = table_hints(events, events.columns)
    told = {hint: [name for name, of in hints.items() if of.get(hint)] for hint in ("partition", "cluster", "unique")}
    assert told == {"partition": ["datetime"], "cluster": ["metric_id"], "unique": ["id"]}


def test_rows_that_change_are_not_kept_by_the_time_of_their_change(facts: Contract) -> None:
    profiles = table(next(resource for resource in RESOURCES if resource.name == "profiles"), facts)
    assert not any(of.get("partition") for of in table_hints(profiles, profiles.columns).values())


def test_an_empty_account_has_every_table_and_not_a_row(empty: House) -> None:
    for name in DEFAULT:
        assert empty.rows(f"SELECT count(*) FROM {name}") == [(0,)]


def test_no_table_is_there_that_no_resource_names(tiny: House) -> None:
    names = {name for (name,) in tiny.rows("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'klaviyo'")}
    assert {name for name in names if not name.startswith("_dlt")} == set(DEFAULT)


def test_everything_that_the_account_holds_is_in_the_warehouse(tiny: House) -> None:
    held = tiny.sandbox.account
    for name, type_ in (("profiles", "profile"), ("lists", "list"), ("campaigns", "campaign"), ("tags", "tag")):
        found = {id_ for (id_,) in tiny.rows(f"SELECT id FROM {name} WHERE _deleted_at IS NULL")}
        assert found == held.objects[type_].keys()
    assert tiny.rows("SELECT count(*) FROM events") == [(len(held.events),)]


def test_an_event_can_be_queried_as_it_happened(tiny: House) -> None:
    found = tiny.rows(
        "SELECT id, metric_id, profile_id, datetime, event_properties ->> '$.deep.big', event_properties::VARCHAR "
        "FROM events WHERE id = 'zz-attributed'"
    )
    ((id_, metric, profile, happened, big, properties),) = found
    assert (id_, metric, profile) == ("zz-attributed", "ORDER", "ANNA")
    assert happened == datetime(2026, 6, 11, tzinfo=UTC)
    assert big == "12345678901234567890"
    assert json.loads(properties)["$value"] == 100.5


def test_children_and_links_find_their_parents(tiny: House) -> None:
    assert tiny.rows("SELECT id, event_id, campaign_id, campaign_message_id FROM event_attributions") == [
        ("attr1", "zz-attributed", "SPRING", "MAIL")
    ]
    assert tiny.rows("SELECT id, campaign_id FROM campaign_messages ORDER BY id") == [
        ("MAIL", "SPRING"),
        ("OLD", "LASTYEAR"),
        ("TEXT", "AUTUMN"),
    ]
    assert tiny.rows("SELECT COLUMNS('^[^_]') FROM list_tags") == [("NEWS", "T1")]
    assert tiny.rows("SELECT id, tag_group_id FROM tags") == [("T1", "G1")]


# --- the next run --------------------------------------------------------------------------------------------------


def test_the_first_run_stays_behind_the_clock_and_the_second_asks_from_there_less_the_lookback(
    open_house: Open,
) -> None:
    house = open_house(account([PlainEvent("e1", second("2025-01-01"))], person()))
    before = datetime.now(UTC)
    house.load("events", "profiles")
    whole = {path: house.asked(path) for path in ("/api/events", "/api/profiles")}
    house.forget_requests()
    house.load("events", "profiles")
    for path, lookback in (("/api/events", timedelta(days=7)), ("/api/profiles", timedelta(minutes=10))):
        (((first, _, upper),),) = whole[path]
        # Lanes ask at once.
        ((operator, _, lower), _), *also = sorted(house.asked(path), key=lambda one: (-len(one), one[0].on))
        end = datetime.fromisoformat(upper)
        strictness = timedelta(seconds=1 if operator == "greater-than" else 0)
        assert first == "less-than"
        assert before - timedelta(seconds=11) <= end <= datetime.now(UTC) - timedelta(seconds=5)
        assert datetime.fromisoformat(lower) == end - lookback - strictness
        suppressed = [(one.operator, one.on, datetime.fromisoformat(one.value)) for (one,) in also]
        fields = PROFILES.cursor.also if PROFILES.cursor and path == "/api/profiles" else ()
        assert suppressed == [("greater-or-equal", field, end - lookback) for field in sorted(fields)]


def test_late_events_and_changed_people_arrive_and_nothing_is_there_twice(open_house: Open) -> None:
    now = int(datetime.now(UTC).timestamp())
    early = PlainEvent("e1", now - 30 * 86_400)
    recent = PlainEvent("e2", now - 3_600)
    house = open_house(account([early, recent], person()))
    house.load("events", "event_attributions", "profiles")

    held = house.sandbox.account
    held.events.add(PlainEvent("late", now - 5 * 86_400))
    held.events.remove("e2")
    credit = Attribution("A1", {"campaign": "C1"})
    held.events.add(PlainEvent("e2", now - 3_600, properties={"$value": 2}, attributions=(credit,)))
    updated = datetime.now(UTC) - timedelta(minutes=5)
    held.objects["profile"]["P1"] = person(email="new@example.com", updated=updated.isoformat())
    house.sandbox.changed()

    house.load("events", "event_attributions", "profiles")
    assert house.rows("SELECT id, event_properties ->> '$.\"$value\"' FROM events ORDER BY id") == [
        ("e1", None),
        ("e2", "2"),
        ("late", None),
    ]
    assert house.rows("SELECT id, event_id, campaign_id FROM event_attributions") == [("A1", "e2", "C1")]
    assert house.rows("SELECT id, email FROM profiles") == [("P1", "new@example.com")]


def test_an_event_dated_ahead_is_not_read_before_its_time_and_blinds_nothing(open_house: Open) -> None:
    now = int(datetime.now(UTC).timestamp())
    house = open_house(account([PlainEvent("ahead", now + 90 * 86_400), PlainEvent("e1", now - 86_400)]))
    house.load("events")
    house.sandbox.account.events.add(PlainEvent("e2", now - 60))
    house.load("events")
    assert house.rows("SELECT id FROM events ORDER BY id") == [("e1",), ("e2",)]


def test_the_start_date_bounds_what_happened_and_not_what_things_are(open_house: Open) -> None:
    events = [PlainEvent("before", second("2024-12-31T23:59:59")), PlainEvent("after", second("2025-01-01"))]
    old = person("P0", updated="2020-01-01T00:00:00+00:00")
    house = open_house(account(events, person(), old))
    house.load("events", "profiles", start_date="2025-01-01")
    assert house.rows("SELECT id FROM events") == [("after",)]
    assert house.rows("SELECT id FROM profiles ORDER BY id") == [("P0",), ("P1",)]


def test_an_earlier_start_date_reads_what_is_missing_and_no_more(open_house: Open) -> None:
    house = open_house(account([PlainEvent("e1", second("2024-06-01")), PlainEvent("e2", second("2025-06-01"))]))
    house.load("events", start_date="2025-01-01")
    house.forget_requests()
    house.load("events", start_date="2024-01-01")
    assert house.rows("SELECT id FROM events ORDER BY id") == [("e1",), ("e2",)]
    assert ["2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"] in [
        [one.value for one in asked] for asked in house.asked("/api/events")
    ]


def test_one_past_range_is_read_and_the_rest_stays_due_once(open_house: Open) -> None:
    days = ["2025-01-01", "2025-02-01", "2025-03-01"]
    house = open_house(account([PlainEvent(f"e{n}", second(day)) for n, day in enumerate(days)]))
    house.load("events", start="2025-02-01", end="2025-03-01")
    assert house.rows("SELECT id FROM events") == [("e1",)]
    house.load("events")
    assert house.rows("SELECT id FROM events ORDER BY id") == [("e0",), ("e1",), ("e2",)]
    house.forget_requests()
    house.load("events")
    (asked,) = house.asked("/api/events")
    assert [one.operator for one in asked] == ["greater-or-equal", "less-than"]


def test_a_table_chosen_later_is_filled_from_the_beginning(open_house: Open) -> None:
    credit = Attribution("A1", {"campaign": "C1"})
    house = open_house(account([PlainEvent("e1", second("2024-01-01"), attributions=(credit,))]))
    house.load("events")
    house.load("events", "event_attributions")
    assert house.rows("SELECT id FROM event_attributions") == [("A1",)]


def test_a_new_attribute_becomes_a_column_and_stays_one(open_house: Open) -> None:
    house = open_house(account((), person("P1", location={"city": "Aarhus", "planet": "Earth"})))
    house.load("profiles")
    assert house.rows("SELECT id, location__city, location__planet FROM profiles") == [("P1", "Aarhus", '"Earth"')]
    house.sandbox.account.objects["profile"]["P1"] = person("P1", location={"city": "Odense"})
    house.load("profiles", start="2024-01-01")
    assert house.rows("SELECT id, location__city, location__planet FROM profiles") == [("P1", "Odense", None)]


# --- trouble -------------------------------------------------------------------------------------------------------


def narrow(sandbox: Sandbox, *scopes: str) -> str:
    sandbox.api.settings = replace(sandbox.api.settings, keys={"pk_narrow": frozenset(scopes)})
    return "pk_narrow"


def test_what_the_key_may_not_read_is_left_out_until_it_may(open_house: Open) -> None:
    house = open_house(account([PlainEvent("e1", second("2025-01-01"))], person()))
    house.load("events", "profiles", api_key=narrow(house.sandbox, "profiles:read"))
    assert house.rows("SELECT id FROM profiles") == [("P1",)]
    assert house.rows("SELECT count(*) FROM events") == [(0,)]
    house.load("events", "profiles", api_key=narrow(house.sandbox, "profiles:read", "events:read"))
    assert house.rows("SELECT id FROM events") == [("e1",)]


def cause(failed: pytest.ExceptionInfo[PipelineStepFailed]) -> BaseException:
    error: BaseException | None = failed.value
    while error and not isinstance(error, KlaviyoError):
        error = error.__cause__ or error.__context__
    assert error
    return error


def test_a_wrong_key_ends_the_run_and_loads_nothing(open_house: Open) -> None:
    house = open_house(account((), person()))
    with pytest.raises(PipelineStepFailed) as failed:
        house.load("profiles", api_key="pk_wrong")
    assert isinstance(cause(failed), Unauthorized)
    assert "pk_wrong" not in str(failed.value)


def test_an_unknown_resource_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(UnknownResource):
        klaviyo(api_key="x", select=["evnets"])


def test_nonsense_for_a_date_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(ValueError, match="yesterday"):
        klaviyo(api_key="x", start_date="yesterday")


def test_a_resource_of_dlt_is_named_after_the_table_that_it_reads_first() -> None:
    source = klaviyo(api_key="x", select=["events", "event_attributions", "flow_tags"])
    assert set(source.resources) == {"events", "flows"}
