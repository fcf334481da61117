"""What a walk notes of what its queries have read."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from sources.klaviyo import contract
from sources.klaviyo.client import Client
from sources.klaviyo.lanes import Delivery
from sources.klaviyo.reading import Plan, Reading
from sources.klaviyo.resources import CAMPAIGN_QUERIES, select
from sources.klaviyo.rows import Rows
from sources.klaviyo.spec import Cursor, Resource
from sources.klaviyo.walk import Walk
from sources.klaviyo.windows import BEGINNING, Window, union
from tests.sources.pages import REVISION

SPAN = 12
QUERIED = Resource(
    name="queried",
    grain="one row per campaign",
    path="/api/campaigns",
    cursor=Cursor(field="updated_at"),
    partitions=CAMPAIGN_QUERIES,
)


def window(start: int, end: int) -> Window:
    return Window(BEGINNING + timedelta(seconds=start), BEGINNING + timedelta(seconds=end))


def seconds(windows: Iterable[Window]) -> set[int]:
    return {
        second
        for start, end in windows
        for second in range(int((start - BEGINNING).total_seconds()), int((end - BEGINNING).total_seconds()))
    }


def reading(name: str, noted: list[list[Window]]) -> Reading:
    """A walk that has yet to begin, of tables that do not matter."""
    resource = QUERIED if name == QUERIED.name else select([name])[0]
    field = resource.cursor.field if resource.cursor else None

    def note(read: Iterable[Window], _parent: str) -> None:
        noted.append([*read])

    plan = Plan(field, [window(0, SPAN)] if field else [None], note)
    client = Client("pk", "http://nowhere", REVISION)
    return Reading(Walk(resource, [], contract.load(REVISION)), plan, client, 4, now=BEGINNING)


def take(walk: Reading, query: str, part: Window | None, unchanged: int = 0) -> None:
    assert not [*walk.take(Delivery(Rows({}, {}, unchanged), query, part))]


PIECES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, SPAN), st.integers(0, SPAN)), max_size=20)


@given(PIECES)
def test_only_what_all_queries_have_read_is_noted(pieces: list[tuple[int, int, int]]) -> None:
    noted: list[list[Window]] = []
    queried = reading(QUERIED.name, noted)
    queries = [*queried.walk.host.partitions.values()]
    assert len(queries) == 6
    for number, start, end in pieces:
        take(queried, queries[number], window(start, end))
    queried.note()
    of_each = [
        seconds(window(start, end) for number, start, end in pieces if number == query) for query in range(len(queries))
    ]
    assert seconds(one for read in noted for one in read) == set.intersection(*of_each)


def test_what_one_query_has_read_is_not_noted_for_the_others() -> None:
    noted: list[list[Window]] = []
    queried = reading(QUERIED.name, noted)
    first, *others = queried.walk.host.partitions.values()
    take(queried, first, window(0, SPAN))
    queried.note()
    assert noted == []
    for query in others:
        take(queried, query, window(3, 5))
        take(queried, query, window(5, 7))
    queried.note()
    assert noted == [[window(3, 7)]]


def test_what_is_read_later_is_noted_with_what_was_read_before() -> None:
    noted: list[list[Window]] = []
    events = reading("events", noted)
    for start, end in ((0, 2), (6, 9), (2, 6)):
        take(events, "", window(start, end))
        events.note()
    assert [union(read) for read in noted] == [[window(0, 2)], [window(0, 2), window(6, 9)], [window(0, 9)]]


def test_a_collection_that_is_read_whole_has_nothing_to_note() -> None:
    noted: list[list[Window]] = []
    lists = reading("lists", noted)
    take(lists, "", None)
    lists.note()
    assert noted == []


def test_a_window_without_a_second_is_not_noted() -> None:
    noted: list[list[Window]] = []
    events = reading("events", noted)
    take(events, "", window(0, 0))
    events.note()
    assert noted == []


def test_what_was_known_already_is_counted() -> None:
    events = reading("events", [])
    take(events, "", window(0, 1), unchanged=3)
    take(events, "", window(1, 2), unchanged=4)
    assert events.walk.tally.unchanged == 7
    assert events.walk.tally.status == "reading"
    assert events.walk.tally.windows == [window(0, SPAN)]
