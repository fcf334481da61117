"""Are members missing? Klaviyo's own counts of lists and segments beside the memberships that the warehouse holds.

A count takes a request, of 15 a minute: each verification looks at some lists and segments, those that were looked at longest
ago. What differs is swept, of that list or segment alone, and counted once more.
"""

from __future__ import annotations

from functools import cached_property
from typing import Final

from pipelines.comparisons import VERIFICATIONS, Comparison, Comparisons, verification_rows
from pipelines.errors import Exit, RunError
from pipelines.journal import write
from pipelines.runs import states
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
from sources.klaviyo.values import column
from sources.klaviyo.walk import Walk

COUNTED: Final = 15
"""Lists, and segments, that one verification counts: as many as Klaviyo answers in a minute."""


class MemberCounts:
    """The lists and segments whose turn it is."""

    def __init__(self, sweeper: Sweeper, most: int = COUNTED) -> None:
        self.sweeper = sweeper
        self.most = most

    @cached_property
    def chosen(self) -> list[tuple[Resource, str]]:
        return next_in_turn(self.sweeper, self.most)

    def within(self, allowed: int) -> int:
        """Leave to another time what takes more requests than are allowed. Those that it takes now."""
        self.chosen = self.chosen[: max(allowed, 0)]
        return len(self.chosen)

    def verify(self, allowed: int) -> Comparisons:
        """Count, compare, sweep what differs, count once more: all counts within the requests allowed. Raises RunError."""
        found = Comparisons(Tally("profile_counts"))
        kinds = [*dict.fromkeys(of for of, _ in self.chosen)]
        for place, of in enumerate(kinds, 1):
            parents = [parent for one, parent in self.chosen if one is of]
            others = sum(one in kinds[place:] for one, _ in self.chosen)
            found.made += compare(self.sweeper, of, parents, found.tally, allowed - others)
        if found.made:
            with destination_errors(self.sweeper.warehouse):
                write(self.sweeper.warehouse.pipeline(), verification_rows(self.sweeper.now, found.made))
        return found


def compare(sweeper: Sweeper, of: Resource, chosen: list[str], tally: Tally, allowed: int) -> list[Comparison]:
    try:
        counted = counts(sweeper, of, chosen, tally)
        before = held(sweeper, of, [*counted])
        differing = [parent for parent, count in counted.items() if count not in {None, before[parent]}]
        swept = differing[: max(allowed - tally.requests, 0)] if sweeper.repair else []
        if swept:
            run = sweeper.sweep([of], frozenset(swept)).run
            if run.exit is Exit.FAILED:
                raise RunError(f"members that differ could not be swept: {run.message}")
            counted |= counts(sweeper, of, swept, tally)
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
            explanation=explain(count, after[parent], is_swept=parent in swept),
        )
        for parent, count in counted.items()
    ]


def explain(counted: int | None, held: int, *, is_swept: bool) -> str:
    if counted is None:
        return "Klaviyo tells no count"
    if counted == held:
        return ""
    if not is_swept:
        return "not looked into: no repair was asked for, or no request was left for it"
    return "members may have come or gone since they were read, or Klaviyo counts them otherwise than it lists them"


def next_in_turn(sweeper: Sweeper, most: int) -> list[tuple[Resource, str]]:
    """The lists and segments whose members have been read, and were compared longest ago; so many of each."""
    with sweeper.warehouse.onlooker() as pipeline, pipeline.sql_client() as client:
        there, tables = states(pipeline), Tables(client)
        compared = {
            (name, parent): last.isoformat()
            for name, parent, last in tables.rows(
                f"SELECT resource, parent_id, max(verified_at) FROM {tables.name(VERIFICATIONS)} "  # noqa: S608 - names are ours
                "WHERE parent_id IS NOT NULL GROUP BY 1, 2"
            )
        }
    turns: list[tuple[str, str, Resource]] = []
    for of in at(sweeper.settings.revision):
        if of.per and is_swept(of):
            read = read_until(there, of)
            turns += sorted(((compared.get((of.name, one), ""), one, of) for one in read), key=lambda turn: turn[:2])[
                :most
            ]
    return [(of, parent) for _, parent, of in sorted(turns, key=lambda turn: turn[:2])]


def counts(sweeper: Sweeper, of: Resource, parents: list[str], tally: Tally) -> dict[str, int | None]:
    """Klaviyo's, null where it tells none; none of what is gone."""
    told = next(
        one
        for one in at(sweeper.settings.revision)
        if one.per is of.per and one.shows_parent and one.fields == ("profile_count",)
    )
    walk = Walk(told, [told], sweeper.contract)
    reader, found = PageReader(walk.tables), {}
    for parent in parents:
        for page in walk.follow(sweeper.client, reader, Range("", None, parent=parent)):
            (count,) = column([(page.items[0].attributes or {}).get("profile_count")], "bigint")[0].to_pylist()
            found[parent] = count
    tally.add(walk.tally)
    return found


def held(sweeper: Sweeper, of: Resource, parents: list[str]) -> dict[str, int]:
    table = full_table(of, sweeper.contract)
    assert table.parent is not None
    with sweeper.warehouse.tables() as tables:
        parent = tables.column(table.parent)
        rows = tables.rows(
            f"SELECT {parent}, count(*) FROM {tables.name(of.name)} WHERE {DELETED_AT} IS NULL GROUP BY 1"  # noqa: S608 - names are ours
        )
    return dict.fromkeys(parents, 0) | {row[0]: int(row[1]) for row in rows}
