"""Values rewritten where they are, in tables that are loaded already."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pipelines.warehouse import Tables

REWRITTEN: Final = "etl_rewritten"
"""A table of the connection's own, gone with it: old values, each with its new one."""
AT_ONCE: Final = 500
TEXTS: Final = ("VARCHAR", "TEXT", "CHARACTER VARYING", "JSON", "JSONB")

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

    def places(self, schemas: Iterable[str]) -> list[Place]:
        """The tables of some schemas, views left out."""
        wanted = [*schemas]
        rows = self.tables.rows(
            "SELECT c.table_schema, c.table_name, c.column_name, c.data_type FROM information_schema.columns c "  # noqa: S608 - places for parameters only
            "JOIN information_schema.tables t ON t.table_catalog = c.table_catalog AND t.table_schema = c.table_schema "
            "AND t.table_name = c.table_name WHERE t.table_type = 'BASE TABLE' AND c.table_catalog = current_database() "
            f"AND c.table_schema IN ({', '.join(['%s'] * len(wanted))}) ORDER BY 1, 2, c.ordinal_position",
            *wanted,
        )
        found: dict[tuple[str, str], dict[str, str]] = {}
        for schema, table, column, of in rows:
            found.setdefault((schema, table), {})[column] = of
        return [Place(schema, table, columns) for (schema, table), columns in found.items()]

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
        for part in parts(changed):
            text, json = self.tables.dialect.text, self.tables.dialect.json
            self.tables.execute(f"CREATE TEMP TABLE {REWRITTEN} (old_value {text}, new_value {text})")
            places = ", ".join(["(%s, %s)"] * len(part))
            self.tables.execute(
                f"INSERT INTO {REWRITTEN} VALUES {places}",  # noqa: S608 - as above
                *(value for pair in part for value in pair),
            )
            name, of = self.column(column), json if place.is_json(column) else text
            was = self.tables.text(f"{self.column(place.table)}.{name}")
            self.tables.execute(
                f"UPDATE {self.name(place)} SET {name} = CAST(r.new_value AS {of}) FROM {REWRITTEN} r "  # noqa: S608 - as above
                f"WHERE {was} = r.old_value AND {where}",
                *parameters,
            )
            self.tables.execute(f"DROP TABLE {REWRITTEN}")


def parts(changed: Mapping[str, str | None]) -> Iterator[list[tuple[str, str | None]]]:
    pairs = [*changed.items()]
    for start in range(0, len(pairs), AT_ONCE):
        yield pairs[start : start + AT_ONCE]
