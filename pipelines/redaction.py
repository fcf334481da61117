"""Values rewritten where they are, in tables that are loaded already."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import dlt

from pipelines.warehouse import Tables

AT_ONCE: Final = 100
TEXTS: Final = ("VARCHAR", "TEXT", "CHARACTER VARYING", "STRING", "JSON", "JSONB")

Rewrite = Callable[[str], str | None]


@dataclass(frozen=True)
class Place:
    """A table as the warehouse has it."""

    schema: str
    table: str
    columns: Mapping[str, str]
    """Their types."""

    @property
    def texts(self) -> list[str]:
        return [name for name, of in self.columns.items() if of.upper() in TEXTS]

    @property
    def ids(self) -> list[str]:
        """Columns that may hold an id of Klaviyo's."""
        return [
            name
            for name in self.texts
            if (name == "id" or name.endswith("_id")) and not name.endswith("external_id") and not self.is_json(name)
        ]

    def is_json(self, column: str) -> bool:
        return self.columns[column].upper().startswith("JSON")


@dataclass(frozen=True)
class Redaction:
    """Rewrites the tables of a warehouse over one connection."""

    tables: Tables
    schema: dlt.Schema | None = None
    """What dlt knows of the tables: which columns hold JSON, for which not all warehouses have a type."""

    def places(self, schemas: Iterable[str]) -> list[Place]:
        """The tables of some schemas, views left out."""
        return [place for schema in schemas for place in self.places_of(schema)]

    def places_of(self, schema: str) -> list[Place]:
        dialect, folded = self.tables.dialect, self.tables.client.capabilities.casefold_identifier(schema)
        catalog = dialect.catalog.format(schema=self.column(schema))
        rows = self.tables.rows(
            f"SELECT c.table_name, c.column_name, c.data_type FROM {catalog}.COLUMNS c "  # noqa: S608 - names are ours
            f"JOIN {catalog}.TABLES t ON t.table_catalog = c.table_catalog AND t.table_schema = c.table_schema "
            f"AND t.table_name = c.table_name WHERE t.table_type = '{dialect.stored_as}' "
            f"AND c.table_catalog = {dialect.database} AND c.table_schema = %s ORDER BY 1, c.ordinal_position",
            folded,
        )
        found: dict[str, dict[str, str]] = {}
        for table, column, of in rows:
            found.setdefault(table.lower(), {})[column.lower()] = of
        for table, columns in found.items():
            columns.update(dict.fromkeys(columns.keys() & self.json_columns(table), "JSON"))
        return [Place(schema, table, columns) for table, columns in found.items()]

    def json_columns(self, table: str) -> set[str]:
        known = self.schema.tables.get(table) if self.schema else None
        return {name for name, of in known["columns"].items() if of.get("data_type") == "json"} if known else set()

    def name(self, place: Place) -> str:
        return f"{self.column(place.schema)}.{self.column(place.table)}"

    def column(self, name: str) -> str:
        return self.tables.column(name)

    def count(self, place: Place, where: str, *parameters: object) -> int:
        return int(self.tables.rows(f"SELECT count(*) FROM {self.name(place)} WHERE {where}", *parameters)[0][0])  # noqa: S608 - names are the warehouse's own

    def delete(self, place: Place, where: str, *parameters: object) -> None:
        self.tables.execute(f"DELETE FROM {self.name(place)} WHERE {where}", *parameters)  # noqa: S608 - as above

    def set(self, place: Place, column: str, where: str, *parameters: object, to: str | None = None) -> None:
        value, new = ("NULL", ()) if to is None else ("%s", (to,))
        self.tables.execute(
            f"UPDATE {self.name(place)} SET {self.column(column)} = {value} WHERE {where}",  # noqa: S608 - as above
            *new,
            *parameters,
        )

    def values(self, place: Place, column: str, where: str, *parameters: object) -> list[str]:
        """The different values of a column, as texts."""
        name = self.column(column)
        rows = self.tables.rows(
            f"SELECT DISTINCT {self.tables.text(name)} FROM {self.name(place)} WHERE {name} IS NOT NULL AND {where}",  # noqa: S608 - as above
            *parameters,
        )
        return [row[0] for row in rows]

    def matching(self, place: Place, column: str, pattern: str) -> list[str]:
        """The different values of a column that a regular expression may describe."""
        text = self.tables.text(self.column(column))
        return self.values(place, column, self.tables.dialect.matches.format(text=text), pattern)

    def rewrite(self, place: Place, column: str, rewrite: Rewrite, where: str, *parameters: object) -> None:
        """Put what `rewrite` makes of each value of a column in its place."""
        old = self.values(place, column, where, *parameters)
        changed = {value: new for value in old if (new := rewrite(value)) != value}
        name, types = self.column(column), self.tables.dialect
        of, text = types.json if place.is_json(column) else types.text, self.tables.text(name)
        for part in parts(changed):
            cases = " ".join("WHEN %s THEN " + ("NULL" if new is None else "%s") for _, new in part)
            self.tables.execute(
                f"UPDATE {self.name(place)} SET {name} = CAST(CASE {text} {cases} END AS {of}) "  # noqa: S608 - as above
                f"WHERE {text} IN ({', '.join(['%s'] * len(part))}) AND {where}",
                *(value for pair in part for value in pair if value is not None),
                *(value for value, _ in part),
                *parameters,
            )


def parts(changed: Mapping[str, str | None]) -> Iterator[list[tuple[str, str | None]]]:
    pairs = [*changed.items()]
    for start in range(0, len(pairs), AT_ONCE):
        yield pairs[start : start + AT_ONCE]
