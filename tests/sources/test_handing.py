"""Rows on their way to dlt."""

from __future__ import annotations

from itertools import permutations

from sources.klaviyo import contract
from sources.klaviyo.handing import Handing
from sources.klaviyo.resources import select
from sources.klaviyo.walk import Walk
from tests.sources.pages import INSTANT, REVISION, document, reader, thing

TAGS = [thing("tag", "T1", {"name": "a", "new": 1}), thing("tag", "T2", {"newer": 2}), thing("tag", "T3", {"name": 3})]


def digest_of(*pages: bytes) -> str | None:
    (tags,) = select(["tags"])
    handing, tag_reader = Handing(Walk(tags, [tags], contract.load(REVISION)), INSTANT), reader("tags")
    for body in pages:
        assert not [*handing.rows(tag_reader.rows(tag_reader.page(body)))]
    return handing.whole()


def test_the_same_rows_come_to_the_same_however_they_lie_on_pages() -> None:
    usual = digest_of(document(*TAGS))
    assert {digest_of(*map(document, order)) for order in permutations(TAGS)} == {usual}
    assert digest_of(document(*TAGS), document(TAGS[0])) == usual
    assert digest_of(document(*TAGS[:2])) != usual
    assert digest_of(document(*TAGS[:2], thing("tag", "T3", {"name": 4}))) != usual
