"""A dbt build of the project, as the pipeline runs it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dbt.artifacts.schemas.run import RunExecutionResult
from dbt.cli.main import dbtRunner

PROJECT: Final = Path(__file__).parents[2] / "transforms"
PARSED: Final = "partial_parse.msgpack"

parsed: list[Path] = []
"""What the last build in this process knew of the project, by which the next need not read all of it again."""


def build(
    workspace: Path,
    environment: Mapping[str, str],
    *arguments: str,
    project: Path = PROJECT,
    artifacts: str = "--no-write-json",
) -> dict[str, str]:
    """The outcome of every model and test by its name. Warnings of dbt fail the build."""
    folders = ["--target-path", str(workspace / "target"), "--log-path", str(workspace / "logs")]
    where = ["--project-dir", str(project), "--profiles-dir", str(project)]
    own = workspace / "target" / PARSED
    if project == PROJECT and parsed and not own.exists():
        own.parent.mkdir(exist_ok=True)
        shutil.copy(parsed[-1], own)
    with surroundings(environment):
        result = dbtRunner().invoke(
            ["--quiet", "--log-level-file", "warn", "--warn-error", artifacts, "build", *where, *folders, *arguments]
        )
    if project == PROJECT:
        parsed.append(own)
    assert isinstance(result.result, RunExecutionResult), result.exception
    return {node.node.name: f"{node.status}: {node.message}".lower() for node in result.result.results}


@contextmanager
def surroundings(environment: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
