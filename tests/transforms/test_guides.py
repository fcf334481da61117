"""The guides for those who come from elsewhere: what they name is there, and their queries find what differs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import duckdb
import pytest

from sources.klaviyo.contract import REVISION
from sources.klaviyo.tables import every_table
from tests.transforms.conftest import FIVETRAN, Built
from tests.transforms.raw import OPTIONAL

DOCS: Final = Path(__file__).parents[2] / "docs"
GUIDES: Final = {origin: (DOCS / f"migrating-from-{origin}.md").read_text() for origin in ("fivetran", "airbyte")}
RAW: Final = {raw.name: raw for raw in (*every_table(REVISION).values(), *OPTIONAL)}
OURS: Final = re.compile(r"`((?:stg_klaviyo__|int_|fct_|dim_|mart_)\w+)\.(\w+)`")

FIVETRAN_STANDS_IN: Final = """
    create schema fivetran_klaviyo;
    create table fivetran_klaviyo.event as from klaviyo_fivetran.event;
    create table fivetran_klaviyo.person as from klaviyo_fivetran.person;
    {change}
    delete from fivetran_klaviyo.event where id = 'order bob';
    delete from fivetran_klaviyo.person where id = 'ann';
"""
AIRBYTE_STANDS_IN: Final = """
    create schema airbyte_klaviyo;
    create table airbyte_klaviyo.events as
        select event_id as id, occurred_at as datetime, {'metric': {'data': {'id': metric_id}}}::json as relationships
        from klaviyo_marts.fct_event;
    create table airbyte_klaviyo.profiles as select profile_id as id from klaviyo_stg.stg_klaviyo__profiles;
    {change}
    delete from airbyte_klaviyo.events where id = 'order bob';
    delete from airbyte_klaviyo.profiles where id = 'ann';
"""


def rows(guide: str) -> list[list[str]]:
    """The cells of each row that says what a column is here."""
    named = guide[guide.index("\n### ") :]
    return [
        [cell.strip() for cell in row.split("|")[1:-1]] for row in re.findall(r"^\| [`a].+\|$", named, re.MULTILINE)
    ]


@pytest.mark.parametrize("origin", GUIDES)
def test_every_column_that_a_guide_names_exists(shop: Built, origin: str) -> None:
    named = set(OURS.findall(GUIDES[origin]))
    assert len(named) > 100
    missing = [(table, column) for table, column in named if column not in dict(shop.columns(table))]
    assert not missing


@pytest.mark.parametrize("origin", GUIDES)
def test_every_row_of_a_guide_names_a_model_or_a_raw_table_or_nothing_and_why(origin: str) -> None:
    for _, here, why in rows(GUIDES[origin]):
        if OURS.fullmatch(here):
            continue
        if here == "\N{EN DASH}":
            assert why
            continue
        table, column = here.strip("`").split(".")
        assert column in {each.name for each in RAW[table].columns}, here
        assert "raw table" in why


def test_the_guide_from_fivetran_has_all_columns_of_all_views(shop: Built) -> None:
    sections = GUIDES["fivetran"].split("\n### ")[1:]
    told = {section.split("\n")[0]: [cell.strip("`") for cell, *_ in rows("\n### " + section)] for section in sections}
    views = [name for name in shop.outcomes if name.startswith(FIVETRAN)]
    kept = {
        view.removeprefix(FIVETRAN): [name for name, _ in shop.columns(view) if not name.startswith("_fivetran")]
        for view in views
        if shop.columns(view)
    }
    assert told == kept


@pytest.mark.parametrize(
    ("origin", "stand_in", "orders"), [("fivetran", FIVETRAN_STANDS_IN, 9), ("airbyte", AIRBYTE_STANDS_IN, 8)]
)
def test_the_queries_find_what_differs_and_nothing_else(shop: Built, origin: str, stand_in: str, orders: int) -> None:
    """Fivetran names an order's metric, which two integrations have; Airbyte tells them apart."""
    agreeing, differing = stand_in.split("{change}")
    counts, ids = re.findall(r"```sql\n(.+?)```", GUIDES[origin], flags=re.DOTALL)
    with duckdb.connect(str(shop.path)) as database:
        database.execute("begin").execute(agreeing)
        assert (ask(database, counts), ask(database, ids)) == ([], [])
        database.execute(differing)
        assert [row[-2:] for row in ask(database, counts)] == [(orders - 1, orders)]
        assert [row[1:] for row in ask(database, ids)] == [(None, "order bob"), (None, "ann")]
        database.execute("rollback")


def ask(database: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return database.execute(query).fetchall()
