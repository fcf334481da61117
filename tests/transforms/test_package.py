"""The dbt project, installed as a package in somebody's own."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

from dbt.cli.main import dbtRunner

from tests.transforms.build import PROJECT, build
from tests.transforms.conftest import Built, copied, failures

VARIABLES = {"klaviyo_etl": {"klaviyo_now": "2030-01-01 12:00:00+00"}}
MODEL = "select min(local_date) as first_day, max(local_date) as last_day from {{ ref('klaviyo_etl', 'dim_date') }}"


def test_it_is_a_package_of_another_project_with_schemas_of_its_own_and_variables_of_theirs(
    shop: Built, tmp_path: Path
) -> None:
    path = copied(shop, tmp_path)
    output = {"type": "duckdb", "path": path, "schema": "analytics"}
    files = {
        "dbt_project.yml": {"name": "theirs", "profile": "theirs", "vars": VARIABLES},
        "packages.yml": {"packages": [{"local": str(PROJECT)}]},
        "profiles.yml": {"theirs": {"target": "duckdb", "outputs": {"duckdb": output}}},
    }
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    model = tmp_path / "models" / "of_theirs.sql"
    model.parent.mkdir()
    model.write_text(MODEL)
    assert dbtRunner().invoke(["--quiet", "deps", "--project-dir", str(tmp_path)]).success

    outcomes = build(tmp_path, {}, "--select", "dim_date", "of_theirs", project=tmp_path)
    assert not failures(outcomes)
    assert {"dim_date", "of_theirs"} <= outcomes.keys()
    built = Built(Path(path), {})
    assert built.query("from analytics.of_theirs") == [(date(2026, 3, 1), date(2030, 1, 31))]
    assert built.query("select max(local_date) from klaviyo_marts.dim_date") == [(date(2030, 1, 31),)]
