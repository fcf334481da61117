"""What definitions said before: the table `versions`, kept of all tables whose entry says `versioned`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import Any, Final

import dlt
import msgspec
import pyarrow as pa
from dlt.extract import DltResource

from pipelines.history import Looking, with_rows
from pipelines.runs import Progress, progress
from pipelines.schema import LOAD
from pipelines.versions import Look, Sight, Version, fingerprint, follow
from pipelines.warehouse import Tables
from sources.klaviyo.spec import Versioned
from sources.klaviyo.tables import DELETED_AT, Column, Table, arrow_schema, column_hints
from sources.klaviyo.walk import Walk

VERSIONS: Final = "versions"
FINGERPRINT: Final = "_fingerprint"
LATEST: Final = "_latest"
COLUMNS: Final = (
    Column("version_id", "text"),
    Column("resource", "text"),
    Column("id", "text"),
    Column("version", "bigint"),
    Column("valid_from", "timestamp"),
    Column("valid_from_by", "text"),
    Column("valid_from_after", "timestamp"),
    Column("valid_to", "timestamp"),
    Column("valid_to_after", "timestamp"),
    Column("ended_by", "text"),
    Column("changed", "json"),
    Column("content", "json"),
    Column("seen_at", "timestamp"),
    Column(FINGERPRINT, "bigint"),
    Column(LATEST, "bool"),
)
TOLD: Final = tuple(column for column in COLUMNS if column.name not in ("version_id", "resource", FINGERPRINT, LATEST))
"""What tells a version of a row."""
PAGE: Final = 500
"""Rows that are looked at together."""


def resources(looking: Looking) -> list[DltResource]:
    """What the run adds to the table `versions`."""
    return with_rows(write(looking), resource)


def resource(rows: Iterator[pa.Table]) -> DltResource:
    hints = column_hints(COLUMNS, ("version_id",))
    hints["version_id"]["unique"] = True
    made: DltResource = dlt.resource(
        rows,
        name=VERSIONS,
        columns=hints,
        primary_key="version_id",
        write_disposition={"disposition": "merge", "strategy": "upsert"},  # type: ignore[call-overload]  # plain dicts
    )
    return made


def write(looking: Looking) -> Iterator[pa.Table]:
    """Yield what is to be written of versions, and note what has then been looked at."""
    schema = looking.pipeline.default_schema
    if VERSIONS not in schema.tables:
        yield arrow_schema(COLUMNS).empty_table()
    with looking.pipeline.sql_client() as client:
        tables = Tables(client)
        if VERSIONS in schema.tables:
            tables.index(VERSIONS, "id")
        known, through = progress(tables, VERSIONS), looking.last_load(tables)
        for walk in looking.walks:
            for table in walk.tables:
                if kind := table.resource.versioned:
                    before = known.get(table.name, Progress())
                    if table.name in looking.run.policies and VERSIONS in schema.tables:
                        forget(tables, table)
                        before = Progress()
                    rows = Rows(tables, schema, table, kind, looking.loaded_at)
                    look = Look(looking.began, looking.run.now, before.whole)
                    for condition in looking.conditions(before):
                        yield from news(rows, look, condition)
                    looking.note(VERSIONS, table.name, before, through, sees_all=sees_all(looking, walk, table))


def forget(tables: Tables, table: Table) -> None:
    """Begin anew with a table whose fields are treated otherwise from now on: what earlier versions say may be told no more."""
    tables.execute(f"DELETE FROM {tables.name(VERSIONS)} WHERE resource = %s", table.name)  # noqa: S608 - names are ours


def news(rows: Rows, look: Look, condition: str) -> Iterator[pa.Table]:
    """Yield what is to be written of one table's versions."""
    for sights in rows.pages(condition):
        found = [row for sight, known in rows.beside_latest(sights) for row in rows.news(sight, known, look)]
        if found:
            yield pa.Table.from_pylist(found, schema=arrow_schema(COLUMNS))


def sees_all(looking: Looking, walk: Walk, table: Table) -> bool:
    """Whether the run saw every row that Klaviyo shows of the table."""
    if walk.tally.status != "complete" or not looking.whole:
        return False
    if walk.host.cursor and table.name not in looking.refreshed:
        return False
    return [*walk.parents.values()].count(False) == walk.tally.gone


@dataclass
class Rows:
    """The rows of one table, beside the versions that are known of them."""

    tables: Tables
    schema: dlt.Schema
    table: Table
    kind: Versioned
    loaded_at: Callable[[str], datetime]

    def __post_init__(self) -> None:
        normalized = self.schema.naming.normalize_path
        left_out = {normalized(name) for name in (*self.kind.volatile, *(one.name for one in self.table.elsewhere))}
        self.types: dict[str, str] = {
            name: str(hint["data_type"])
            for name, hint in self.schema.tables[self.table.name]["columns"].items()
            if "data_type" in hint and not name.startswith("_") and name not in left_out
        }

    def pages(self, condition: str) -> Iterator[list[Sight]]:
        """Yield the rows for which the condition holds, many at a time."""
        name = self.tables.name(self.table.name)
        columns = ", ".join([LOAD, DELETED_AT, *map(self.expression, self.types)])
        after = ""
        while True:
            rows = self.tables.rows(
                f"SELECT {columns} FROM {name} WHERE id > %s AND {condition} ORDER BY id LIMIT {PAGE}",  # noqa: S608 - as above
                after,
            )
            if rows:
                yield [*map(self.sight, rows)]
                after = str(rows[-1][2 + [*self.types].index("id")])
            if len(rows) < PAGE:
                return

    def expression(self, name: str) -> str:
        column = self.tables.column(name)
        return self.tables.text(column) if self.types[name] == "json" else column

    def sight(self, row: Sequence[Any]) -> Sight:
        loaded, vanished, *values = row
        content: dict[str, Any] = {
            name: None if value is None else SPELLED.get(of, plain)(value)
            for (name, of), value in zip(self.types.items(), values, strict=True)
        }
        return Sight(
            id=content["id"],
            content=content,
            loaded_at=self.loaded_at(loaded),
            vanished_at=vanished and vanished.astimezone(UTC),
        )

    def beside_latest(self, sights: Sequence[Sight]) -> Iterator[tuple[Sight, Version | None]]:
        """Yield the rows that may differ from their latest version, with it."""
        known = {
            id_: (digest, is_over)
            for id_, digest, is_over in self.latest(f"id, {FINGERPRINT}, valid_to IS NOT NULL", sights)
        }
        news = [
            sight
            for sight in sights
            if known.get(sight.id) != (fingerprint(sight.content, self.kind), sight.vanished_at is not None)
        ]
        there = [sight for sight in news if sight.id in known]
        columns = ", ".join(self.tables.text(name) if of == "json" else name for name, of in TOLD)
        latest = {version.id: version for version in map(version_of, self.latest(columns, there))}
        for sight in news:
            yield sight, latest.get(sight.id)

    def news(self, sight: Sight, known: Version | None, look: Look) -> Iterator[dict[str, Any]]:
        """Yield the rows of `versions` that are to be written of one row."""
        told = [*follow(known, sight, look, self.kind)]
        for version in told:
            yield version_row(self.table.name, self.kind, version, latest=version is told[-1])

    def latest(self, columns: str, sights: Sequence[Sight]) -> list[Sequence[Any]]:
        if not sights:
            return []
        return self.tables.rows(
            f"SELECT {columns} FROM {self.tables.name(VERSIONS)} "  # noqa: S608 - as above
            f"WHERE resource = %s AND {LATEST} AND id IN ({', '.join(['%s'] * len(sights))})",
            self.table.name,
            *(sight.id for sight in sights),
        )


# --- values as JSON has them ---------------------------------------------------------------------------------------


DIGITS_OF_INT: Final = 18
"""Longer ones are not encoded as integers."""
encoded: Final = msgspec.json.Encoder(decimal_format="number").encode


def exactly(text: str) -> Any:  # noqa: ANN401 - any JSON
    """JSON, with all digits of its numbers."""
    return json.loads(text, parse_float=Decimal, parse_int=whole)


def whole(text: str) -> int | Decimal:
    return int(text) if len(text) <= DIGITS_OF_INT else Decimal(text)


def plain(value: Any) -> Any:  # noqa: ANN401 - any scalar
    return value


def instant(value: datetime) -> str:
    return value.astimezone(UTC).isoformat()


SPELLED: Final[dict[str, Callable[[Any], Any]]] = {
    "json": exactly,
    "timestamp": instant,
    "date": date.isoformat,
}


READ: Final[dict[str, Callable[[Any], Any]]] = {
    "json": exactly,
    "timestamp": partial(datetime.astimezone, tz=UTC),
}

# --- versions as rows ----------------------------------------------------------------------------------------------


def version_row(resource: str, kind: Versioned, version: Version, *, latest: bool) -> dict[str, Any]:
    return {
        "version_id": f"{resource}:{version.id}:{version.number}",
        "resource": resource,
        "id": version.id,
        "version": version.number,
        "valid_from": version.valid_from,
        "valid_from_by": version.valid_from_by,
        "valid_from_after": version.valid_from_after,
        "valid_to": version.valid_to,
        "valid_to_after": version.valid_to_after,
        "ended_by": version.ended_by,
        "changed": json.dumps(version.changed),
        "content": encoded(version.content).decode(),
        "seen_at": version.seen_at,
        FINGERPRINT: fingerprint(version.content, kind),
        LATEST: latest,
    }


def version_of(row: Sequence[Any]) -> Version:
    told: dict[str, Any] = {
        name: None if value is None else READ.get(of, plain)(value) for (name, of), value in zip(TOLD, row, strict=True)
    }
    return Version(number=told.pop("version"), changed=tuple(told.pop("changed")), **told)
