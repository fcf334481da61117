"""The questions in docs/questions.md: each query gives the answer that is printed below it."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from tests.transforms.conftest import Built

PAGE = (Path(__file__).parents[2] / "docs" / "questions.md").read_text()
QUESTIONS = re.findall(r"^## (.+?)\n.*?```sql\n(.+?)```\n\n(\|.+?)\n(?:\n|\Z)", PAGE, flags=re.DOTALL | re.MULTILINE)


def shown(cell: object) -> str:
    match cell:
        case None:
            return ""
        case Decimal():
            return f"{cell:.2f}"
        case float():
            return f"{cell:.3f}"
        case date():
            return cell.isoformat()
    return str(cell)


def answer(path: Path, query: str) -> str:
    with duckdb.connect(str(path)) as database:
        relation = database.sql(query)
        lines = [relation.columns, ["---"] * len(relation.columns), *relation.fetchall()]
    return "\n".join(f"| {' | '.join(map(shown, line))} |" for line in lines)


def test_there_are_ten_and_each_has_a_query_and_an_answer() -> None:
    assert len(QUESTIONS) == 10 == PAGE.count("\n## ")


@pytest.mark.parametrize(("query", "printed"), [rest for _, *rest in QUESTIONS], ids=[name for name, *_ in QUESTIONS])
def test_a_query_gives_the_answer_that_is_printed(golden: Built, query: str, printed: str) -> None:
    assert answer(golden.path, query) == printed
