"""The project and the raw tables know the same things by the same names."""

from __future__ import annotations

import csv
import json
import re
from typing import Any, Final

import pytest

from sources.klaviyo.resources import ALL_NAMES
from sources.klaviyo.tables import CHANGED_AT, FIRST_SEEN_AT, FORMER, ROW_HASH, Column
from tests.transforms.build import PROJECT
from tests.transforms.conftest import Built
from tests.transforms.raw import OPTIONAL, POSTGRES_NAMES, TABLES, RawTable, columns

README: Final = (PROJECT / "README.md").read_text()
MADE_HERE: Final = {"list_membership_intervals", "segment_membership_intervals", "versions"}


@pytest.fixture(scope="session")
def manifest(shop: Built) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((shop.workspace / "target" / "manifest.json").read_text())
    return read


def described(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {node["name"]: node for node in manifest["nodes"].values() if node["resource_type"] in ("model", "seed")}


def test_every_raw_table_that_is_modelled_is_a_source(manifest: dict[str, Any]) -> None:
    assert {source["name"] for source in manifest["sources"].values()} == {raw.name for raw in TABLES}


def test_every_raw_table_has_one_staging_model(manifest: dict[str, Any]) -> None:
    read = [
        manifest["sources"][parent]["name"]
        for name, node in described(manifest).items()
        if name.startswith("stg_")
        for parent in node["depends_on"]["nodes"]
        if parent in manifest["sources"]
    ]
    assert sorted(read) == sorted(raw.name for raw in TABLES)


def test_every_raw_table_has_its_staging_or_the_readme_says_why_not() -> None:
    (why_not,) = re.findall(r"Without a staging view are:\n(.+?)\n\n`int_event`", README, flags=re.DOTALL)
    left_out = {*ALL_NAMES, *(raw.name for raw in OPTIONAL)} - {raw.name for raw in TABLES}
    assert set(re.findall(r"`(\w+)`", why_not)) == left_out | MADE_HERE


@pytest.mark.parametrize("raw", TABLES, ids=lambda raw: raw.name)
def test_staging_leaves_out_no_column(raw: RawTable, manifest: dict[str, Any]) -> None:
    (model,) = (
        node
        for name, node in described(manifest).items()
        if name.startswith("stg_") and f"source.klaviyo_etl.klaviyo.{raw.name}" in node["depends_on"]["nodes"]
    )
    read = set(re.findall(r"\w+", model["compiled_code"]))
    unread = (
        *(column.name for column in columns(raw) if column.name.startswith(FORMER)),
        ROW_HASH,
        FIRST_SEEN_AT,
        CHANGED_AT,
        "timestamp",
    )  # our own bookkeeping; the second of `datetime`, once more
    assert {column.name for column in columns(raw)} - {*unread} <= read


def test_every_column_is_described_and_every_description_has_a_column(shop: Built, manifest: dict[str, Any]) -> None:
    for name, node in described(manifest).items():
        assert [column for column, _ in shop.columns(name)] == list(node["columns"]), name
        assert all(column["description"].strip() for column in node["columns"].values()), name
        assert node["description"].strip(), name


def test_no_model_compares_all_pairs_of_rows(shop: Built, manifest: dict[str, Any]) -> None:
    """As a join does whose conditions are not all equalities of both sides; there are few metrics."""
    of_tables = {
        name: node["compiled_code"]
        for name, node in described(manifest).items()
        if node["config"]["materialized"] in ("table", "incremental")
    }
    plans = {name: repr(shop.query(f"explain {code}")) for name, code in of_tables.items()}
    assert len(plans) > 30
    assert {name for name, plan in plans.items() if "BLOCKWISE_NL_JOIN" in plan} <= {"int_metric"}


def test_names_too_long_for_postgres_are_those_that_dlt_shortens_them_to() -> None:
    long = [column for raw in TABLES for column in columns(raw) if len(column.name) > POSTGRES_NAMES.max_length]
    macro = (PROJECT / "macros" / "raw_columns.sql").read_text()
    assert [column.name for column in long if not shortened(column, macro)] == []


def shortened(column: Column, macro: str) -> bool:
    return f"'{column.name}':\n      '{POSTGRES_NAMES.normalize_path(column.name)}'" in macro


@pytest.mark.parametrize(
    ("before", "since"),
    [
        *((f"{act} SMS", f"{act} Text Message") for act in ("Received", "Clicked", "Failed to Deliver", "Sent")),
        *(
            (f"{act} SMS Marketing", f"{act} Text Messaging Marketing")
            for act in ("Subscribed to", "Unsubscribed from")
        ),
    ],
)
def test_texts_are_known_by_the_names_that_klaviyo_gave_them_before_and_by_those_of_july_2026(
    before: str, since: str
) -> None:
    with (PROJECT / "seeds" / "seed_metric_class.csv").open(newline="") as seed:
        classes = {metric: (event_class, channel) for metric, event_class, channel in csv.reader(seed)}
    assert classes[since] == classes[before]
