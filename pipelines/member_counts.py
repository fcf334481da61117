"""Are members missing? Klaviyo's own counts of lists and segments beside the memberships that the warehouse holds.

A count takes a request, of 15 a minute: each verification looks at some lists and segments, those that were looked at longest
ago. What differs is swept, of that list or segment alone, and counted once more.
"""

from __future__ import annotations

import logging
from typing import Final

import msgspec

from pipelines.absence import literal
from pipelines.comparisons import VERIFICATIONS, Comparison, Comparisons, verification_rows
from pipelines.errors import Exit, RunError
from pipelines.runs import states, write
from pipelines.schedule import read_until
from pipelines.sweep import Sweeper
from pipelines.warehouse import Tables, destination_errors
from sources.klaviyo.errors import KlaviyoError
from sources.klaviyo.lanes import Range
from sources.klaviyo.resources import at
from sources.klaviyo.rows import PageReader
from sources.klaviyo.spec import Resource
from sources.klaviyo.sweeping import is_swept
from sources.klaviyo.tables import DELETED_AT, full_table
from sources.klaviyo.tally import Tally
from sources.klaviyo.walk import Walk

log = logging.getLogger(__name__)

COUNTED: Final = 15
"""Lists, and segments, that one verification counts: as many as Klaviyo answers in a minute."""


def verify_members(sweeper: Sweeper, most: int = COUNTED) -> Comparisons:
    """Count, compare, sweep what differs, count once more. Raises RunError."""
    found = Comparisons(Tally("profile_counts"))
    for one in at(sweeper.settings.revision):
        if one.per and is_swept(one):
            found.made += compare(sweeper, one, most, found.tally)
    if found.made:
        with destination_errors(sweeper.warehouse):
            write(sweeper.warehouse.pipeline(), verification_rows(sweeper.now, found.made))
    return found


def compare(sweeper: Sweeper, of: Resource, most: int, tally: Tally) -> list[Comparison]:
    chosen = next_in_turn(sweeper, of, most)
    log.info("counting the members of %d of %s: a request each, and one more where they differ", len(chosen), of.name)
    try:
        counted = counts(sweeper, of, chosen, tally)
        before = held(sweeper, of, [*counted])
        differing = [parent for parent, count in counted.items() if count != before[parent]]
        if differing and sweeper.repair:
            swept = sweeper.sweep([of], frozenset(differing)).run
            if swept.exit is Exit.FAILED:
                raise RunError(f"members that differ could not be swept: {swept.message}")
            counted |= counts(sweeper, of, differing, tally)
    except KlaviyoError as error:
        raise RunError(str(error)) from error
    after = held(sweeper, of, [*counted])
    return [
        Comparison(
            resource=of.name,
            parent=parent,
            counted=count,
            held_before=before[parent],
            held=after[parent],
            explanation=explain(count, after[parent]),
        )
        for parent, count in counted.items()
    ]


def explain(counted: int, held: int) -> str:
    if counted == held:
        return ""
    return "members may have come or gone since they were read, or Klaviyo counts them otherwise than it lists them"


def next_in_turn(sweeper: Sweeper, of: Resource, most: int) -> list[str]:
    """The lists or segments whose members have been read, and were compared longest ago."""
    pipeline = sweeper.warehouse.onlooker()
    with destination_errors(sweeper.warehouse), pipeline.sql_client() as client:
        tables = Tables(client)
        compared = {
            parent: last.isoformat()
            for parent, last in tables.rows(
                f"SELECT parent_id, max(verified_at) FROM {tables.name(VERIFICATIONS)} "  # noqa: S608 - names are ours
                f"WHERE resource = {literal(of.name)} GROUP BY 1"
            )
        }
    read = read_until(states(pipeline), of)
    return sorted(read, key=lambda parent: (compared.get(parent, ""), parent))[:most]


def counts(sweeper: Sweeper, of: Resource, parents: list[str], tally: Tally) -> dict[str, int]:
    """Klaviyo's; none of what is gone."""
    told = next(
        one
        for one in at(sweeper.settings.revision)
        if one.per is of.per and one.shows_parent and one.fields == ("profile_count",)
    )
    walk = Walk(told, [told], sweeper.contract)
    reader, found = PageReader(walk.tables), {}
    for parent in parents:
        for page in walk.follow(sweeper.client, reader, Range("", None, parent=parent)):
            count = (page.items[0].attributes or {}).get("profile_count")
            if count is not None:
                found[parent] = msgspec.json.decode(count, type=int)
    tally.add(walk.tally)
    return found


def held(sweeper: Sweeper, of: Resource, parents: list[str]) -> dict[str, int]:
    table = full_table(of, sweeper.contract)
    assert table.parent is not None
    with destination_errors(sweeper.warehouse), sweeper.warehouse.onlooker().sql_client() as client:
        tables = Tables(client)
        parent = tables.column(table.parent)
        rows = tables.rows(
            f"SELECT {parent}, count(*) FROM {tables.name(of.name)} WHERE {DELETED_AT} IS NULL GROUP BY 1"  # noqa: S608 - names are ours
        )
    return dict.fromkeys(parents, 0) | {row[0]: int(row[1]) for row in rows}
