"""A month of loads, each followed by a refresh, ends in the rows that a full refresh makes of what is there then."""

from __future__ import annotations

import json
import random
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
import pytest
import yaml  # type: ignore[import-untyped]  # dbt's own has no types

from pipelines import transform as transforms
from pipelines.transform import NOTHING_NEW, PROJECT, refresh
from pipelines.warehouse import Warehouse
from tests.transforms.raw import Account, Row, write_duckdb
from tests.transforms.shop import SHOP, credit, event, sale

ASKED: Final = ("mart_message_daily", "mart_attribution_comparison", "fct_message_recipient")
FIRST: Final = datetime(2026, 6, 1, tzinfo=UTC)
WEEKS: Final = 4
ROWS: Final = "select columns(name -> name <> 'written_at') from {}"
PEOPLE: Final = ("ann", "bob", "cat", "dan", "eve")
ABOUT: Final = ({"$message": "m1", "Campaign Name": "Spring sale"}, {"$message": "fm1", "$flow": "f1"})
MOVED: Final = 3
"""The week in which the account says otherwise what its events mean."""
OTHERWISE: Final[Account] = {
    "accounts": [{"id": "acc", "timezone": "Asia/Tokyo", "preferred_currency": "USD"}],
    "metrics": [{**row, "name": "Opened Email"} if row["id"] == "clicked" else row for row in SHOP["metrics"]],
    "campaign_messages": [
        {**row, "campaign_id": "c9"} if row["id"] == "m1" else row for row in SHOP["campaign_messages"]
    ],
}
QUIET: Final = (
    event("first of zoe", "received", "zoe", ABOUT[0], at="2026-06-02T12:00:00+00:00"),
    event("opened by zoe", "opened", "zoe", ABOUT[0], at="2026-06-04T12:00:00+00:00"),
    event("first of yan", "received", "yan", ABOUT[0], at="2026-06-02T12:00:00+00:00"),
)
"""Of people of whom nothing else is heard, but that what they received first is gone after a week."""
LINKS: Final = ({"campaign": "c1", "campaign_message": "m1"}, {"flow": "f1", "flow_message": "fm1"})


class Month:
    """An account as it stands after each week."""

    def __init__(self) -> None:
        self.chance = random.Random(6)
        self.events: dict[str, Row] = {}
        self.attributions: dict[str, Row] = {}
        self.seen: set[str] = set()
        self.week = 0

    @property
    def account(self) -> Account:
        moved = {
            table: [{**row, "_dlt_load_id": str(MOVED)} for row in rows]
            for table, rows in OTHERWISE.items()
            if self.week >= MOVED
        }
        return {
            **SHOP,
            **moved,
            "events": [*SHOP["events"], *self.events.values(), *self.quiet],
            "event_attributions": [*SHOP["event_attributions"], *self.attributions.values()],
        }

    @property
    def quiet(self) -> list[Row]:
        gone = {"_deleted_at": FIRST.isoformat()} if self.week > 1 else {}
        return [{**row, "_dlt_load_id": "1", **(gone if row["metric_id"] == "received" else {})} for row in QUIET]

    def happen(self, week: int) -> None:
        """What is new, some of it late; and of what is there, some changed, gone, back, forgotten, or credited anew."""
        self.week = week
        load, now = str(week), FIRST + timedelta(weeks=week)
        for number in range(40):
            late = timedelta(weeks=self.chance.randrange(week)) if number % 4 == 0 else timedelta()
            self.act(f"{week}.{number}", now - late - timedelta(minutes=self.chance.randrange(10_000)), load)
        before = sorted(id_ for id_, row in self.events.items() if row["_dlt_load_id"] != load)
        self.chance.shuffle(before)
        if week < WEEKS:  # in the last, nothing but attributions changes
            for id_ in before[:25]:
                self.change(id_, load, now)
        orders = sorted({row["event_id"] for row in self.attributions.values()} & self.events.keys())
        for order in self.chance.sample(orders, min(4, len(orders))):
            self.credit_anew(order, load, now)

    def act(self, id_: str, at: datetime, load: str) -> None:
        who, about = self.chance.choice(PEOPLE), self.chance.choice(ABOUT)
        metric = self.chance.choice(("received", "received", "opened", "clicked", "order", "refund"))
        known = [order for order, row in self.events.items() if row["metric_id"] == "order"]
        if load == str(WEEKS) or (metric == "refund" and not known):
            return
        properties: dict[str, Any] = dict(about)
        if metric == "order":
            properties = sale(f"of {id_}", self.chance.randrange(1, 100))
            self.attributions[id_] = self.credit(id_, load)
        elif metric == "refund":
            properties = sale(f"of {self.chance.choice(known)}", self.chance.randrange(1, 10))
        self.events[id_] = {**event(id_, metric, who, properties, at=at.isoformat()), "_dlt_load_id": load}

    def credit(self, order: str, load: str) -> Row:
        touches = sorted(id_ for id_, row in self.events.items() if row["metric_id"] in ("opened", "clicked"))
        made = credit(order, self.chance.choice(touches) if touches else "none", **self.chance.choice(LINKS))
        return {**made, "id": f"{order} {load}", "_dlt_load_id": load}

    def credit_anew(self, order: str, load: str, now: datetime) -> None:
        for id_, row in self.attributions.items():
            if row["event_id"] == order:
                self.attributions[id_] = {**row, "_deleted_at": now.isoformat()}
        self.attributions[f"{order} {load}"] = self.credit(order, load)

    def change(self, id_: str, load: str, now: datetime) -> None:
        row = self.events[id_]
        how = "back" if row.get("_deleted_at") else self.chance.choice(("changed", "gone", "forgotten", "merged"))
        self.seen.add(how)
        if how == "back":
            self.events[id_] = {**row, "_deleted_at": None, "_dlt_load_id": load}
        elif how == "changed":
            properties = {**row["event_properties"], "$value": self.chance.randrange(1, 100)}
            self.events[id_] = {**row, "event_properties": properties, "_dlt_load_id": load}
        elif how == "merged":
            self.events[id_] = {**row, "profile_id": "ann", "_dlt_load_id": load}
        elif how == "gone":
            self.events[id_] = {**row, "_deleted_at": now.isoformat()}
        else:
            del self.events[id_]


def with_what_it_stands_on(models: tuple[str, ...]) -> set[str]:
    files = {file.stem: file for file in (PROJECT / "models").rglob("*.sql")}
    needed, open_ = set[str](), {*models, "dim_account"}  # which a macro names
    while open_:
        needed |= open_
        open_ = {
            name for one in open_ & files.keys() for name in re.findall(r"ref\('(\w+)'\)", files[one].read_text())
        } - needed
    return needed


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """With only the models that are asked here, and without their tests."""
    project, needed = tmp_path / "project", with_what_it_stands_on(ASKED)
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    shutil.rmtree(project / "tests")
    for file in (project / "models").rglob("*"):
        if file.suffix == ".sql" and file.stem not in needed:
            file.unlink()
        elif file.suffix == ".yml" and file.stem[0] != "_":
            file.write_text(without_tests(file.read_text())) if file.stem in needed else file.unlink()
    for file in (project / "models").rglob("_unit_tests.yml"):
        file.unlink()
    monkeypatch.setattr(transforms, "PROJECT", project)
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "dlt"))
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(tmp_path / "warehouse.duckdb"))
    return Warehouse("duckdb")


def without_tests(properties: str) -> str:
    told = yaml.safe_load(properties)
    for model in told["models"]:
        for one in (model, *model["columns"]):
            one.pop("data_tests", None)
    return json.dumps(told)


def rows_of_models(warehouse: Warehouse) -> dict[str, list[tuple[Any, ...]]]:
    with duckdb.connect(str(warehouse.path)) as database:
        models = database.execute(
            "select table_schema || '.' || table_name from information_schema.tables"
            " where table_schema in ('klaviyo_stg', 'klaviyo_marts') and table_name <> 'last_build'"
        ).fetchall()
        return {name: sorted(database.execute(ROWS.format(name)).fetchall(), key=repr) for (name,) in models}


def test_a_month_of_refreshes_ends_in_the_rows_of_a_full_refresh(warehouse: Warehouse) -> None:
    month = Month()
    for week in range(1, WEEKS + 1):
        month.happen(week)
        with duckdb.connect(str(warehouse.path)) as database:
            database.execute("drop schema if exists klaviyo cascade")
        write_duckdb(str(warehouse.path), month.account, "klaviyo")
        refresh(warehouse)
    assert refresh(warehouse) == NOTHING_NEW
    assert month.seen == {"changed", "gone", "back", "forgotten", "merged"}
    refreshed = rows_of_models(warehouse)

    with duckdb.connect(str(warehouse.path)) as database:
        database.execute("drop schema klaviyo_stg cascade; drop schema klaviyo_marts cascade")
    refresh(warehouse)
    anew = rows_of_models(warehouse)
    assert refreshed.keys() == anew.keys()
    for model, found in refreshed.items():
        assert found == anew[model], model
    assert all(anew[f"klaviyo_marts.{model}"] for model in ASKED)
