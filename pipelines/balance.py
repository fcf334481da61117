"""A table beside what a sweep of it has seen: what is absent, and what was missed."""

from __future__ import annotations

from collections.abc import Mapping

from pendulum import DateTime

from pipelines.schema import LOAD
from pipelines.warehouse import Tables
from sources.klaviyo.sweeping import Missing, Sweep
from sources.klaviyo.tables import DELETED_AT, FIRST_SEEN_AT, full_table
from sources.klaviyo.walk import Walk


class Balance:
    """Both in SQL: neither need fit into memory."""

    def __init__(self, tables: Tables, sweep: Sweep, walk: Walk, began: str, read: Mapping[str, DateTime]) -> None:
        self.tables = tables
        self.sweep = sweep
        self.table = sweep.table
        self.held, self.seen = tables.name(sweep.of.name), tables.name(sweep.resource.name)
        *_, last = sweep.table.key
        self.id = tables.column(last)
        self.parent = tables.column(sweep.table.parent) if sweep.table.parent else ""
        self.same = " AND ".join(f"seen.{one} = held.{one}" for one in map(tables.column, sweep.table.key))
        self.before = f"held.{DELETED_AT} IS NULL AND held.{LOAD} < {self.tables.literal(began)}"
        self.read = read
        if self.parent:
            # Of a parent that went away meanwhile, its listing says what there is to say.
            there = [parent for parent, is_read in walk.parents.items() if is_read]
            self.before += f" AND held.{self.parent} IN ({self.tables.literals(there) or 'NULL'})"
            self.read = {parent: until for parent, until in read.items() if parent in there}

    def count(self) -> int:
        return int(self.tables.rows(f"SELECT count(*) FROM {self.seen}")[0][0])  # noqa: S608 - names are ours

    def by_parent(self) -> dict[str, tuple[int, int]]:
        """Rows held before, and those of them that were not seen, by parent."""
        parent, grouped = (f"held.{self.parent}", "GROUP BY 1") if self.parent else ("''", "")
        return {
            group: (int(held), int(absent))
            for group, held, absent in self.tables.rows(
                f"SELECT {parent}, count(*), count(*) - count(seen.{self.id}) "  # noqa: S608 - names are ours
                f"FROM {self.held} held LEFT JOIN {self.seen} seen ON {self.same} WHERE {self.before} {grouped}"
            )
        }

    def absent(self, parent: str) -> Missing:
        by = self.sweep.resource.cursor
        time = f"held.{self.tables.column(by.field)}" if by else "NULL"
        of = f" AND held.{self.parent} = {self.tables.literal(parent)}" if parent else ""
        rows = self.tables.rows(
            f"SELECT held.{self.id}, {time} FROM {self.held} held LEFT JOIN {self.seen} seen ON {self.same} "  # noqa: S608 - names are ours
            f"WHERE seen.{self.id} IS NULL AND {self.before}{of} ORDER BY 1"
        )
        return Missing([row[0] for row in rows], [row[1] for row in rows], parent)

    @property
    def older(self) -> str:
        """The SQL condition of what was seen and is older than what has been read: it should be held."""
        at = self.tables.column(self.sweep.mark)
        read = [
            f"(seen.{at} IS NULL OR seen.{at} < '{until}')"
            + (f" AND seen.{self.parent} = {self.tables.literal(parent)}" if parent else "")
            for parent, until in self.read.items()
        ]
        return f"({' OR '.join(read) or 'FALSE'})"

    @property
    def outdated(self) -> str:
        """The SQL condition of what is held otherwise than it was seen."""
        at = self.tables.column(self.sweep.mark)
        return f"(held.{DELETED_AT} IS NOT NULL OR seen.{at} > held.{at})"

    def missed(self) -> list[str]:
        """The ids of what was seen and should be held, and is not held so."""
        rows = self.tables.rows(
            f"SELECT seen.{self.id} FROM {self.seen} seen LEFT JOIN {self.held} held ON {self.same} "  # noqa: S608 - names are ours
            f"WHERE (held.{self.id} IS NULL OR {self.outdated}) AND {self.older} ORDER BY 1"
        )
        return [row[0] for row in rows]

    def put_in(self, load_id: str) -> None:
        """Load what was missed from what was seen, where that is all there is to a row.

        Rows are those of the run that puts them in, whichever has seen them: history looks at what is new to it.
        """
        table = full_table(self.sweep.resource, self.sweep.contract)
        values = {name: f"seen.{name}" for name in (self.tables.column(column.name) for column in table.columns)}
        values[LOAD] = self.tables.literal(load_id)
        kept = {self.tables.column(FIRST_SEEN_AT), *map(self.tables.column, self.table.key)}
        renewed = ", ".join(f"{name} = {value}" for name, value in values.items() if name not in kept)
        with self.tables.transaction():
            self.tables.execute(
                f"UPDATE {self.held} AS held SET {renewed} FROM {self.seen} seen "  # noqa: S608 - names are ours
                f"WHERE {self.same} AND {self.outdated} AND {self.older}"
            )
            self.tables.execute(
                f"INSERT INTO {self.held} ({', '.join(values)}) SELECT {', '.join(values.values())} "  # noqa: S608 - names are ours
                f"FROM {self.seen} seen LEFT JOIN {self.held} held ON {self.same} "
                f"WHERE held.{self.id} IS NULL AND {self.older}"
            )
