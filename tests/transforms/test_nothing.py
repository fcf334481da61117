"""An account in which nothing ever happened."""

from __future__ import annotations

from tests.transforms.conftest import Built, failures


def test_everything_builds_and_passes_without_a_row(nothing: Built) -> None:
    assert not failures(nothing.outcomes)


def test_the_marts_are_there_and_empty(nothing: Built) -> None:
    marts = [name for name in nothing.outcomes if name.startswith(("dim_", "fct_", "mart_"))]
    counts = {mart: nothing.query(f"select count(*) from {mart}") for mart in marts}
    # A row for each check, which finds nothing.
    assert {mart for mart, count in counts.items() if count != [(0,)]} == {"mart_data_quality"}
    assert nothing.query("select sum(rows_checked), sum(rows_found) from mart_data_quality") == [(0, 0)]
