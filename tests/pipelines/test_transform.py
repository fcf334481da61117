"""What a run builds anew of the models, and what it leaves as it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines import transform as transforms
from pipelines.basis import RECORD, read_record, today
from pipelines.errors import ConfigurationError, TransformError
from pipelines.transform import NOTHING_NEW, refresh, transform
from pipelines.warehouse import Warehouse
from tests.pipelines.few_models import few_models
from tests.transforms.raw import write_duckdb

BOTH = {"of_lists", "of_tags"}


@dataclass
class Place:
    """A dbt project of a few models, in the frame of ours, beside a warehouse."""

    project: Path
    warehouse: Warehouse

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        assert self.warehouse.path
        with duckdb.connect(str(self.warehouse.path)) as database:
            return database.execute(statement).fetchall()

    def rewrite(self, file: str, old: str, new: str) -> None:
        path = self.project / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def built(self) -> dict[str, Any]:
        return {mart: self.ask(f"select built_at from klaviyo_marts.{mart}")[0][0] for mart in BOTH}

    def built_by(self, run: Any) -> set[str]:
        """The marts that are built while something runs."""
        before = self.built()
        run()
        after = self.built()
        return {mart for mart in BOTH if after[mart] != before[mart]}

    def refreshed(self) -> set[str]:
        return self.built_by(lambda: refresh(self.warehouse))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    project = few_models(tmp_path / "project")
    file = tmp_path / "warehouse.duckdb"
    write_duckdb(str(file), {"lists": [{"id": "L"}], "tags": [{"id": "T"}], "accounts": [{"id": "A"}]}, "klaviyo")
    monkeypatch.setattr(transforms, "PROJECT", project)
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "dlt"))
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", str(file))
    made = Place(project, Warehouse("duckdb"))
    refresh(made.warehouse)
    return made


def test_a_run_builds_what_depends_on_what_has_changed(place: Place) -> None:
    assert refresh(place.warehouse) == NOTHING_NEW
    assert place.built_by(lambda: transform(place.warehouse)) == BOTH, "by hand, all is built"
    assert place.refreshed() == set()
    with pytest.raises(ConfigurationError, match="no model of that name: no_such_model"):
        transform(place.warehouse, ["no_such_model"])

    place.ask("update klaviyo.lists set _dlt_load_id = '2'")
    assert place.refreshed() == {"of_lists"}
    place.ask("update klaviyo.tags set _deleted_at = now()")
    assert place.refreshed() == {"of_tags"}
    place.ask("delete from klaviyo.tags")
    assert place.refreshed() == {"of_tags"}
    assert place.refreshed() == set()


def test_another_project_or_another_day_builds_everything(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.rewrite("models/marts/of_lists.sql", "count(*)", "count(*) + 1")
    assert place.refreshed() == BOTH, "a model"
    place.rewrite("dbt_project.yml", "klaviyo_sunset_days: 180", "klaviyo_sunset_days: 90")
    assert place.refreshed() == BOTH, "a variable"
    assert place.ask("select days from klaviyo_marts.of_tags") == [(90,)]
    monkeypatch.setenv("KLAVIYO_FIVETRAN_COMPAT", "true")
    assert place.refreshed() == BOTH, "a switch"
    (place.project / "README.md").write_text("words")
    (place.project / "target").mkdir()
    (place.project / "target" / "of_lists.sql").write_text("what dbt leaves")
    assert place.refreshed() == set()

    place.ask("update klaviyo.accounts set timezone = 'Asia/Tokyo'")
    monkeypatch.setattr("pipelines.basis.today", {"Asia/Tokyo": "2030-01-01"}.__getitem__)
    assert place.refreshed() == BOTH, "a day"


def test_where_nothing_is_loaded_nothing_is_built(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nothing has been loaded"):
        transform(Warehouse("duckdb", file=tmp_path / "empty.duckdb"))


def test_a_day_is_one_of_the_account() -> None:
    assert today("Pacific/Kiritimati") > today("Pacific/Pago_Pago"), "they are 25 hours apart"
    assert today("") == today("no/such") == today("UTC")


def test_what_failed_or_was_built_otherwise_is_built_again(place: Place) -> None:
    place.rewrite("models/marts/of_tags.sql", "count(*)", "error('no') as count(*)")
    with pytest.raises(TransformError, match="of_tags"):
        refresh(place.warehouse)
    place.rewrite("models/marts/of_tags.sql", "error('no') as count(*)", "count(*)")
    assert place.refreshed() == BOTH, "a build that failed says nothing of what there is"

    assert place.built_by(lambda: transform(place.warehouse, ["of_lists"])) == {"of_lists"}
    assert place.refreshed() == set(), "a model that was built alone is not built again"
    place.ask("update klaviyo.tags set _dlt_load_id = '3'")
    transform(place.warehouse, ["of_lists"])
    assert place.refreshed() == {"of_tags"}, "nor is one left out that was not"

    place.rewrite("models/marts/of_lists.sql", "count(*)", "count(*) + 1")
    transform(place.warehouse, ["of_lists"])
    place.rewrite("models/marts/of_lists.sql", "count(*) + 1", "count(*)")
    assert place.refreshed() == BOTH, "a model that was built alone is of another project"

    place.ask(f"update klaviyo_stg.{RECORD} set basis = 'garbled'")
    assert read_record(place.warehouse) is None
    assert place.refreshed() == BOTH
