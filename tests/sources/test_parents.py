"""What is listed for each of the parents: which of them are asked, and what becomes of those that are gone."""

from __future__ import annotations

from collections.abc import Sequence

import dlt
import pendulum
import pytest
from dlt.extract import DltResource
from pendulum import DateTime

from sandbox.account import Object
from sandbox.faults import Fault
from sources.klaviyo.client import Client
from sources.klaviyo.contract import Contract, Limit
from sources.klaviyo.extraction import Extraction
from sources.klaviyo.lanes import Range
from sources.klaviyo.resources import select
from sources.klaviyo.rows import PageReader
from sources.klaviyo.tables import BOOKKEEPING
from sources.klaviyo.tally import Tally
from sources.klaviyo.walk import Walk
from tests.sources.conftest import Connect, Open
from tests.sources.house import House, account, person
from tests.sources.pages import document, rows, thing

NOON = pendulum.datetime(2026, 6, 1, 12)
LONG_AGO = "2026-01-01T00:00:00+00:00"


def form(id_: str, updated: str = LONG_AGO) -> Object:
    return Object("form", id_, {"name": id_, "status": "live", "created_at": LONG_AGO, "updated_at": updated})


def version(id_: str, of: str) -> Object:
    return Object("form-version", id_, {"form_type": "popup", "status": "live"}, {"form": of})


def forms(*ids: str) -> list[Object]:
    return [one for id_ in ids for one in (form(id_), version(f"{id_}-1", id_))]


def read(house: House, client: Client, name: str = "form_versions", now: DateTime = NOON) -> Tally:
    extraction = Extraction(client, select([name]), now=now)

    @dlt.source(name="klaviyo", max_table_nesting=0)
    def source() -> Sequence[DltResource]:
        return extraction.resources()

    house.forget_requests()
    house.pipeline().run(source())
    (walk,) = extraction.walks
    return walk.tally


def visited(house: House) -> list[str]:
    paths = [request["path"] for request in house.sandbox.api.requests if request["path"].endswith("/form-versions")]
    return sorted(path.split("/")[3] for path in paths)


def test_all_parents_are_visited_first_and_each_child_names_its_own(open_house: Open, connect: Connect) -> None:
    house = open_house(account((), *forms("A", "B"), form("C")))
    tally = read(house, connect(house.sandbox.url))
    assert visited(house) == ["A", "B", "C"]
    assert house.rows("SELECT id, form_id FROM form_versions ORDER BY id") == [("A-1", "A"), ("B-1", "B")]
    assert (tally.status, tally.gone, tally.requests) == ("complete", 0, 1 + 3)


def test_only_parents_that_changed_are_visited_again_until_it_is_time_for_all(
    open_house: Open, connect: Connect
) -> None:
    house = open_house(account((), *forms("A", "B")))
    client = connect(house.sandbox.url)
    read(house, client)
    read(house, client, now=NOON.add(hours=1))
    assert visited(house) == []
    house.sandbox.account.objects["form"]["B"].attributes["updated_at"] = NOON.add(minutes=90).isoformat()
    house.sandbox.account.objects["form"]["C"] = form("C", NOON.add(minutes=91).isoformat())
    house.sandbox.changed()
    read(house, client, now=NOON.add(hours=2))
    assert visited(house) == ["B", "C"]
    read(house, client, now=NOON.add(hours=25))
    assert visited(house) == ["A", "B", "C"]


def test_a_parent_that_goes_before_its_turn_is_counted_and_stops_no_other(open_house: Open, connect: Connect) -> None:
    house = open_house(account((), *forms("A", "B")))
    house.sandbox.api.faults.ordered.append(Fault(kind="status", status=404, path="/api/forms/A/*"))
    tally = read(house, connect(house.sandbox.url))
    assert (tally.status, tally.gone) == ("complete", 1)
    assert house.rows("SELECT id FROM form_versions") == [("B-1",)]


def test_where_no_parent_is_found_any_more_the_walk_has_failed(open_house: Open, connect: Connect) -> None:
    house = open_house(account((), *forms("A", "B")))
    house.sandbox.api.faults.ordered.append(Fault(kind="status", status=404, path="/api/forms/*/form-versions"))
    tally = read(house, connect(house.sandbox.url))
    assert tally.status == "failed"
    assert "none of the 2 parents" in tally.error


def test_parents_that_may_not_be_listed_are_said_to_be_so(open_house: Open, connect: Connect) -> None:
    house = open_house(account((), *forms("A")))
    house.sandbox.api.faults.ordered.append(Fault(kind="status", status=403, path="/api/forms"))
    tally = read(house, connect(house.sandbox.url))
    assert tally.status == "not_permitted"
    assert "GET /api/forms" in tally.error


def test_without_parents_nothing_is_asked_of_them(open_house: Open, connect: Connect) -> None:
    house = open_house(account())
    tally = read(house, connect(house.sandbox.url))
    assert (tally.status, tally.requests) == ("complete", 1)
    assert house.rows("SELECT count(*) FROM form_versions") == [(0,)]


def test_one_listing_of_parents_serves_all_that_hangs_from_them(open_house: Open, connect: Connect) -> None:
    house = open_house(account((), *forms("A")))
    house.load("form_versions", "form_definitions")
    assert [request["path"] for request in house.sandbox.api.requests].count("/api/forms") == 1


@pytest.mark.parametrize("names", [("lists", "list_memberships"), ("list_memberships", "list_tags")])
def test_parents_that_a_run_loads_itself_are_asked_for_once(names: tuple[str, ...], open_house: Open) -> None:
    ids = [f"L{number:02}" for number in range(12)]
    house = open_house(account((), *listed(*ids), person("P1")))
    house.sandbox.account.list_members = {one: {"P1": LONG_AGO} for one in ids}
    house.load(*names)
    assert [request["path"] for request in house.sandbox.api.requests].count("/api/lists") == 2
    assert house.rows("SELECT list_id FROM list_memberships ORDER BY 1") == [(one,) for one in ids]
    if "lists" in names:
        assert house.rows("SELECT id FROM lists ORDER BY 1") == [(one,) for one in ids]


def test_an_answer_is_kept_until_every_reader_has_had_it(open_house: Open, connect: Connect) -> None:
    house = open_house(account((), *listed(*(f"L{number:02}" for number in range(12)))))
    client = connect(house.sandbox.url)
    lists, memberships = select(["lists", "list_memberships"])
    extraction = Extraction(client, [lists, memberships], now=NOON)
    assert len(extraction.parents(lists, Tally("list_memberships"))) == 12
    walk = next(walk for walk in extraction.walks if walk.host is lists)
    assert walk.shared
    assert len(walk.shared.answers) == 2
    pages = walk.follow(client, PageReader(walk.tables), Range("", None))
    assert sum(len(page.items) for page in pages) == 12
    assert not walk.shared.answers
    assert len(house.sandbox.api.requests) == walk.tally.requests == 2


def test_requests_for_parents_count_for_the_walk_that_loads_them(open_house: Open, connect: Connect) -> None:
    house = open_house(account((), *forms("A", "B")))
    extraction = Extraction(connect(house.sandbox.url), select(["forms", "form_versions"]), now=NOON)

    @dlt.source(name="klaviyo", max_table_nesting=0)
    def source() -> Sequence[DltResource]:
        return extraction.resources()

    house.pipeline().run(source())
    requests = {walk.host.name: (walk.tally.requests, walk.tally.received) for walk in extraction.walks}
    assert requests == {"forms": (1, 2), "form_versions": (2, 2)}


def test_an_answer_that_is_not_whole_is_shared_with_nobody(open_house: Open) -> None:
    house = open_house(account((), *forms("A", "B")))
    house.sandbox.api.faults.ordered.append(Fault(kind="truncated", path="/api/forms", times=1))
    house.load("forms", "form_versions")
    assert house.rows("SELECT id FROM forms ORDER BY 1") == [("A",), ("B",)]
    assert house.rows("SELECT id FROM form_versions ORDER BY 1") == [("A-1",), ("B-1",)]


# --- members -------------------------------------------------------------------------------------------------------


def listed(*ids: str) -> list[Object]:
    return [Object("list", id_, {"name": id_, "created": LONG_AGO, "updated": LONG_AGO}) for id_ in ids]


def test_who_joined_two_lists_in_one_second_is_in_both(open_house: Open, connect: Connect) -> None:
    house = open_house(account((), *listed("L1", "L2"), person("P1")))
    house.sandbox.account.list_members = {"L1": {"P1": LONG_AGO}, "L2": {"P1": LONG_AGO}}
    read(house, connect(house.sandbox.url), "list_memberships")
    assert house.rows("SELECT list_id, profile_id FROM list_memberships ORDER BY 1") == [("L1", "P1"), ("L2", "P1")]
    assert house.rows("SELECT count(DISTINCT _row_hash) FROM list_memberships") == [(2,)]


def test_each_list_is_asked_from_where_it_was_read_and_a_new_one_from_the_beginning(
    open_house: Open, connect: Connect
) -> None:
    house = open_house(account((), *listed("L1"), person("P1")))
    house.sandbox.account.list_members = {"L1": {"P1": LONG_AGO}}
    client = connect(house.sandbox.url)
    read(house, client, "list_memberships")
    house.sandbox.account.objects["list"]["L2"] = listed("L2")[0]
    house.sandbox.account.list_members["L2"] = {"P1": LONG_AGO}
    house.sandbox.changed()
    read(house, client, "list_memberships", now=NOON.add(hours=1))
    (known,), (new,) = house.asked("/api/lists/L1/profiles"), house.asked("/api/lists/L2/profiles")
    assert [(one.operator, one.value) for one in known] == [
        ("greater-or-equal", "2026-06-01T11:49:50Z"),
        ("less-than", "2026-06-01T12:59:50Z"),
    ]
    assert [one.operator for one in new] == ["less-than"]
    assert house.rows("SELECT list_id FROM list_memberships ORDER BY 1") == [("L1",), ("L2",)]


def test_only_what_is_told_of_the_link_becomes_a_column_whatever_klaviyo_sends() -> None:
    told = {"joined_group_at": LONG_AGO, "email": "anna@example.com"}
    (only,) = rows(document(thing("profile", "P1", told)), "list_memberships")
    assert only.keys() == {"list_id", "profile_id", "joined_group_at", *(column.name for column in BOOKKEEPING)}


# --- what is asked -------------------------------------------------------------------------------------------------


def test_an_id_is_spelled_so_that_it_stays_one_part_of_the_path(facts: Contract) -> None:
    (items,) = select(["catalog_category_items"])
    target = Walk(items, [items], facts).first(Range("", None, parent="$custom:::$default:::a/b c?d"), None)
    assert target.startswith(
        "/api/catalog-categories/%24custom%3A%3A%3A%24default%3A%3A%3Aa%2Fb%20c%3Fd/relationships/"
    )


def test_a_costly_form_of_a_request_has_limits_of_its_own(facts: Contract) -> None:
    counts, profiles = select(["profiles", "list_profile_counts"])[::-1]
    assert Walk(counts, [counts], facts).endpoint.limits == (Limit(1, 1), Limit(15, 60))
    assert Walk(counts, [counts], facts).endpoint.allowance == "additional-fields[list]=profile_count"
    assert Walk(profiles, [profiles], facts).endpoint.limits == (Limit(75, 1), Limit(750, 60))
    (predictions,) = select(["profile_predictions"])
    assert Walk(predictions, [predictions], facts).endpoint.limits == (Limit(10, 1), Limit(150, 60))
