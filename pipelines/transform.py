"""Build the marts: the dbt project in `transforms/`, run in this process against the warehouse just loaded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import Final

from pipelines.basis import read_basis, read_record, write_record
from pipelines.errors import ConfigurationError, TransformError
from pipelines.warehouse import Warehouse

PROJECT: Final = Path(__file__).parents[1] / "transforms"
NOTHING_NEW: Final = "no model built: nothing has changed since they were"


def refresh(warehouse: Warehouse) -> str:
    """Build and test the models that depend on what has changed since the last build. What was built, in words.

    That is every model where it is not known what they were made from, where the project is another one, and on a new
    day. Raises TransformError.
    """
    basis = read_basis(warehouse, PROJECT)
    changed = basis.changed_since(read_record(warehouse))
    if changed == []:
        return NOTHING_NEW
    built = build(warehouse, [f"source:klaviyo.{table}+" for table in changed or ()])
    write_record(warehouse, basis)
    return built


def transform(warehouse: Warehouse, select: Sequence[str] = ()) -> str:
    """Build and test every model, or the selected ones. What was built, in words. Raises TransformError, and ConfigurationError where nothing is loaded."""
    basis, before = read_basis(warehouse, PROJECT), read_record(warehouse)
    if not basis.tables:
        raise ConfigurationError(f"nothing has been loaded into {warehouse.place} yet: run first")
    built = build(warehouse, select)
    if not select:
        write_record(warehouse, basis)
    elif before and before.project == basis.project:
        write_record(warehouse, before)
    return built


def build(warehouse: Warehouse, select: Sequence[str]) -> str:
    # dbt takes a second to import: only the commands that build models pay for it.
    from dbt.cli.main import dbtRunner

    os.environ |= environment(warehouse)
    arguments = [
        "--quiet",
        # A fifth of a build's CPU goes into a log of every step, and into artifacts that nothing reads.
        "--log-level-file", "warn",
        "--no-write-json",
        "build",
        "--project-dir", str(PROJECT),
        "--profiles-dir", str(PROJECT),
        "--target", warehouse.name,
        # The models' unit tests are for those who change the models.
        "--exclude-resource-type", "unit_test",
        "--target-path", str(warehouse.workspace.parent / f"{warehouse.identity}.dbt"),
        "--log-path", str(warehouse.workspace.parent / f"{warehouse.identity}.dbt"),
    ]  # fmt: skip
    if select:
        arguments += ["--select", *select]
    result = dbtRunner().invoke(arguments)
    let_go(warehouse)
    if result.exception:
        raise TransformError(f"the transforms could not run: {result.exception}")
    if select and not result.result:
        raise ConfigurationError(f"--select: no model of that name: {', '.join(select)}")
    outcomes = [(node.node.name, str(node.status)) for node in result.result]  # type: ignore[union-attr]  # a build's result
    broken = [f"{name} ({status})" for name, status in outcomes if status not in ("success", "pass", "skipped")]
    if not result.success:
        raise TransformError(f"the transforms failed, the raw tables are loaded: {', '.join(broken)}")
    models = sum(node.node.resource_type in ("model", "seed") for node in result.result)  # type: ignore[union-attr]  # as above
    tests = sum(status == "pass" for _, status in outcomes)
    return f"{models} models built, {tests} tests passed"


def let_go(warehouse: Warehouse) -> None:
    """Close the database that dbt's adapter would keep open until this process ends: a file can be opened once."""
    if warehouse.kind.adapter == "duckdb":
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager

        DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]  # dbt-duckdb's own has no types


def environment(warehouse: Warehouse) -> dict[str, str]:
    """What `transforms/profiles.yml` asks the environment for. Raises ConfigurationError where models cannot be built."""
    if not warehouse.kind.database:
        raise ConfigurationError(
            f"no models can be built on {warehouse.name}: it has no database to build them in; run with --no-transform"
        )
    known = {"KLAVIYO_DATASET": warehouse.dataset, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    if warehouse.path:
        return known | {"KLAVIYO_DUCKDB_PATH": str(warehouse.path)}
    return known | {
        variable: str(reduce(told, path.split("."), warehouse.configuration) or "")
        for variable, path in warehouse.kind.profile.items()
    }


def told(of: object, name: str) -> object:
    """What a part of dlt's configuration says under a name; what stands in an address behind its `?` is a dictionary."""
    return of.get(name) if isinstance(of, dict) else getattr(of, name, None)
