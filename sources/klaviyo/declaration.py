"""A field policy as it is declared: names held against the tables, and refused where they fit nothing."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Final

from sources.klaviyo.errors import WrongPolicy
from sources.klaviyo.personal import FORGOTTEN, PRESETS
from sources.klaviyo.policy import (
    ALL,
    ANYWHERE,
    INSIDE,
    NEW,
    NO_POLICY,
    SPECIAL,
    TREATMENTS,
    Path,
    Policy,
    TablePolicy,
    Treatment,
    column_path,
    fold,
)
from sources.klaviyo.pseudonyms import SHORTEST_KEY, Nobody, Pseudonyms
from sources.klaviyo.reports import NAMES as REPORTS
from sources.klaviyo.resources import ALL_NAMES, TABLE
from sources.klaviyo.tables import Table, full_table, id_column, latest_contract

NOBODY: Final = Nobody(b"")


def policy(preset: str, declared: Mapping[str, Mapping[str, str]], key: str) -> Policy:
    """The policy of a preset, if one is named, and of what is declared beside it. Raises WrongPolicy, which names what is wrong."""
    if preset and preset not in PRESETS:
        raise WrongPolicy(f"no preset named {preset!r}; there is: {', '.join(PRESETS)}")
    if (preset or declared) and not key:
        raise WrongPolicy("a policy needs hash_key, a secret of your own")
    if key and len(key) < SHORTEST_KEY:
        raise WrongPolicy(f"hash_key must have at least {SHORTEST_KEY} characters")
    if not key:
        return NO_POLICY
    pseudonyms = Pseudonyms(key.encode())
    chosen = PRESETS.get(preset, {})
    tables = known_tables() if chosen or declared else {}
    for name in declared:
        refuse_unknown_table(name, tables)
    return Policy(
        pseudonyms,
        {
            name: TablePolicy(pseudonyms, rules(tables[name], {**chosen.get(name, {})}, {**declared.get(name, {})}))
            for name in dict.fromkeys((*chosen, *declared))
        },
    )


def rules_of_forgotten() -> dict[str, TablePolicy]:
    """By which what is told beside somebody forgotten is treated: nobody is left, under whatever name."""
    tables = known_tables()
    return {name: TablePolicy(NOBODY, rules(tables[name], preset, {})) for name, preset in FORGOTTEN.items()}


def known_tables() -> dict[str, list[Table]]:
    """Every table as each revision tells it."""
    return {name: [full_table(one, latest_contract(one)) for one in TABLE if one.name == name] for name in ALL_NAMES}


def refuse_unknown_table(name: str, tables: Mapping[str, list[Table]]) -> None:
    if name in REPORTS or name == "metric_aggregates":
        raise WrongPolicy(f"{name} is a report: it counts, and tells of nobody")
    if name not in tables:
        raise WrongPolicy(f"no table named {name}; there are: {', '.join(tables)}")


def rules(tables: Sequence[Table], preset: Mapping[str, str], declared: Mapping[str, str]) -> dict[Path, Treatment]:
    """What is declared for a table, and for the rest what the preset says, by paths; what tables stand on is kept."""
    kept = {column_path(name) for table in tables for name in foundations(table)}
    ids = {column_path(id_column(relation)) for table in tables for relation in table.to_one}
    found: dict[Path, Treatment] = {**dict.fromkeys((*kept, *ids), "keep")}
    for name, treatment in (*preset.items(), *declared.items()):
        where = f"{tables[0].name}.{name}"
        path, known = parse(name), treatment_named(treatment, where)
        refuse_shape(where, path, known)
        if path[0] not in SPECIAL:
            refuse_column(where, path, known, tables, kept=kept, ids=ids)
        found[path] = known
    return found


def foundations(table: Table) -> Iterator[str]:
    """The columns that rows are told apart, found again or counted by."""
    cursor = table.resource.host.cursor
    times = (cursor.field, cursor.first_load) if cursor else ()
    yield from filter(None, (*table.key, *times, *table.resource.clustered_by, table.parent))


def parse(name: str) -> Path:
    r"""The path of `column`, `column.key.key` or `<new>.attribute`; a dot within a key is written `\.`."""
    column, *keys = (part.replace("\\.", ".") for part in re.split(r"(?<!\\)\.", name))
    if column == NEW:
        return (NEW, *((INSIDE, *column_path("".join(keys))) if keys else ()))
    return (*column_path(column), *((INSIDE, *map(fold, keys)) if keys else ()))


def treatment_named(name: str, where: str) -> Treatment:
    for treatment in TREATMENTS:
        if treatment == name:
            return treatment
    raise WrongPolicy(f"{where}: {name!r} is none of {', '.join(TREATMENTS)}")


def split(path: Path) -> tuple[Path, Path]:
    """The column, and the keys within it."""
    place = path.index(INSIDE) if INSIDE in path else len(path)
    return path[:place], path[place + 1 :]


def refuse_shape(where: str, path: Path, treatment: Treatment) -> None:
    column, inside = split(path)
    if ALL in inside or (ANYWHERE in inside and inside.index(ANYWHERE) != len(inside) - 2):
        raise WrongPolicy(f"{where}: {ANYWHERE} stands before the last key, and a path for all that it leads to")
    if column == (ALL,) and (inside or treatment == "hash"):
        raise WrongPolicy(f"{where}: fields of all types can be kept, masked or dropped")


def refuse_column(
    where: str,
    path: Path,
    treatment: Treatment,
    tables: Sequence[Table],
    *,
    kept: Container[Path],
    ids: Container[Path],
) -> None:
    """Refuse what fits no column, what tables stand on, and hashes where there is no room for a text."""
    column, inside = split(path)
    columns = {column_path(one.name): one for table in tables for one in table.columns if not one.name.startswith("_")}
    covered = {name: one for name, one in columns.items() if name[: len(column)] == column}
    if not covered:
        raise WrongPolicy(f"{where}: no such column; one that Klaviyo adds is {NEW}.{where.partition('.')[2]}")
    if inside and any(one.type != "json" for one in covered.values()):
        raise WrongPolicy(f"{where}: only JSON columns have keys")
    if treatment == "keep":
        return
    if any(name in kept for name in covered):
        raise WrongPolicy(f"{where}: rows are told apart, or found again, by it; it can only be kept")
    if treatment != "drop" and any(name in ids for name in covered):
        raise WrongPolicy(f"{where}: tables are joined by Klaviyo's ids; this one can be kept or dropped")
    if treatment == "hash" and (unfit := [one.name for one in covered.values() if one.type not in ("text", "json")]):
        raise WrongPolicy(f"{where}: a hash is a text, and {', '.join(unfit)} holds none; it can be kept or dropped")
