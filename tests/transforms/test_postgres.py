"""The same account on PostgreSQL gives the same rows."""

from __future__ import annotations

from typing import Any

import psycopg2
import pytest

from pipelines.basis import RECORD
from tests.transforms.conftest import DATASET, FIVETRAN, Built, failures

FREE_FORM = ("JSON", "json")
OF_ITS_RUN = "written_at"


def models(built: Built) -> list[str]:
    return [name for name in built.outcomes if name.startswith(("stg_", "int_", "dim_", "fct_", "mart_", FIVETRAN))]


def rows(built: Built, model: str, names: list[str]) -> list[tuple[Any, ...]]:
    table = f'{built.dataset}_fivetran."{model.removeprefix(FIVETRAN)}"' if model.startswith(FIVETRAN) else model
    quoted = ", ".join(f'"{name}"' for name in names)
    found = built.query(f"select {quoted} from {table}")
    return sorted(map(rounded, found), key=repr)


def rounded(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(round(value, 12) if isinstance(value, float) else value for value in row)


def test_every_model_builds_and_every_test_passes_on_postgres(golden_on_postgres: Built) -> None:
    assert not failures(golden_on_postgres.outcomes)


def test_a_build_by_hand_ends_what_the_pipeline_noted_of_the_last_one(golden_on_postgres: Built) -> None:
    found = golden_on_postgres.query(
        f"select to_regclass('{DATASET}_stg.{RECORD}'), to_regclass('int_event') is not null"
    )
    assert found == [(None, True)]


def test_every_model_has_the_same_rows_on_postgres(golden: Built, golden_on_postgres: Built) -> None:
    assert sorted(models(golden)) == sorted(models(golden_on_postgres))
    for model in models(golden):
        columns = golden.columns(model)
        assert [name for name, _ in columns] == [name for name, _ in golden_on_postgres.columns(model)], model
        names = [name for name, of in columns if of not in FREE_FORM and name != OF_ITS_RUN]
        assert rows(golden, model, names) == rows(golden_on_postgres, model, names), model


@pytest.mark.parametrize(
    ("document", "subject"),
    [
        (r'{"Subject": "half \ud83d a pair"}', "half  a pair"),
        (r'{"Subject": "half \ude00 a pair"}', "half  a pair"),
        (r'{"Subject": "\ud83d\ude00 and \ud83d", "other": "\u0000"}', "😀 and "),
        (r'{"Subject": "C:\\ud83d \\\ud83d"}', "C:\\ud83d \\"),
    ],
)
def test_a_document_that_postgres_stores_but_cannot_read_is_read_without_what_is_wrong(
    golden_on_postgres: Built, document: str, subject: str
) -> None:
    with psycopg2.connect(golden_on_postgres.url) as server, server.cursor() as cursor:
        cursor.execute(f"insert into {DATASET}.events (id, event_properties) values ('broken', %s)", [document])
        cursor.execute(f"select subject from {DATASET}_stg.stg_klaviyo__events where event_id = 'broken'")
        found = cursor.fetchall()
        server.rollback()
    assert found == [(subject,)]
