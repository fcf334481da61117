"""Whole answers, before anything in them is a row."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from pipelines import merges
from sources.klaviyo import account, documents
from sources.klaviyo.errors import MalformedPage
from tests.sources.pages import AN_HOUR, document, row, rows, thing

CUT = rb'"cut \ud83d"'


@pytest.mark.parametrize(
    ("spelled", "told"),
    [
        (CUT, "cut \ufffd"),
        (rb'"\ude00 cut"', "\ufffd cut"),
        (rb'"\uD83D\uD83D\uDE00"', "\ufffd😀"),
        (rb'"\ude00\ud83d"', "\ufffd\ufffd"),
        (rb'"whole \ud83d\ude00"', "whole 😀"),
        (rb'"\\ud83d"', r"\ud83d"),
        (rb'"\\\ud83d"', "\\\ufffd"),
    ],
)
def test_half_a_character_is_loaded_as_an_unknown_one_and_nothing_else_changes(spelled: bytes, told: str) -> None:
    body = document(thing("event", "E1", {"uuid": spelled, "event_properties": b"{%b:%b}" % (spelled, CUT)}))
    found = row(body, "events")
    assert found["uuid"] == told
    assert json.loads(found["event_properties"]) == {told: "cut \ufffd"}


def test_how_many_halves_there_were_is_told(caplog: pytest.LogCaptureFixture) -> None:
    assert rows(document(*[thing("tag", f"T{n}", {"name": CUT}) for n in range(3)]), "tags")[2]["name"] == "cut \ufffd"
    assert "3 halves of characters" in caplog.text


@pytest.mark.parametrize("read", [documents.decode, account.page, merges.only_item])
def test_whoever_reads_an_answer_takes_half_a_character(read: Callable[[bytes], object]) -> None:
    found = thing("metric", "M1", {"name": CUT})
    body = b'{"data":%b}' % found if read is merges.only_item else document(found)
    assert read(body)


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"data":[' + CUT])
def test_what_is_broken_otherwise_is_refused(body: bytes) -> None:
    for read in (account.page, merges.only_item):
        with pytest.raises(MalformedPage):
            read(body)


def test_a_number_beyond_a_double_that_is_of_no_interest_is_no_obstacle() -> None:
    (metric,) = account.page(document(thing("metric", "M1", {"name": "Placed Order", "new": b"1e400"}))).data
    assert metric["attributes"]["name"] == "Placed Order"


@pytest.mark.parametrize(
    "topic",
    [
        b'{"type":"webhook-topic","id":"T1","attributes":[]}',
        b'{"type":"webhook-topic","id":"T1","attributes":[],"relationships":[],"links":[]}',
        b'{"type":"webhook-topic","id":"T1"}',
        b'{"id":"T1","attributes":null,"relationships":null}',
    ],
)
@pytest.mark.parametrize("links", [b"[]", b"null", b"{}"])
def test_an_object_of_which_nothing_is_said_is_a_row_however_nothing_is_spelled(topic: bytes, links: bytes) -> None:
    body = b'{"data":[%b],"included":[],"links":%b,"meta":[]}' % (topic, links)
    assert row(body, "webhook_topics")["id"] == "T1"


def test_a_relationship_of_which_nothing_is_said_links_nothing() -> None:
    event = (
        b'{"type":"event","id":"E1","attributes":{"datetime":"%b"},"relationships":{"metric":[],"profile":{"data":[]}}}'
    )
    found = row(document(event % AN_HOUR.encode()), "events")
    assert (found["metric_id"], found["profile_id"]) == (None, None)


@pytest.mark.parametrize("told", [b'["x"]', b'"x"', b"1"])
def test_a_list_of_something_in_place_of_an_object_is_refused(told: bytes) -> None:
    for place in (b"attributes", b"relationships"):
        with pytest.raises(MalformedPage):
            rows(b'{"data":[{"type":"webhook-topic","id":"T1","%b":%b}]}' % (place, told), "webhook_topics")
