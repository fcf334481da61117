"""DuckDB's extensions where it cannot download them: taken from packages, and found again by tests.

`python tests/destinations/extensions.py FOLDER` installs into the folder those that the interpreter's environment has.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

import duckdb

FOLDER: Final = Path(__file__).parents[2] / ".destinations" / "extensions"


def install(folder: Path) -> None:
    with duckdb.connect(config={"extension_directory": str(folder)}) as database:
        for packages in map(Path, sys.path):
            for file in packages.glob(f"duckdb_extension_*/extensions/v{duckdb.__version__}/*.duckdb_extension"):
                database.execute(f"INSTALL '{file}'")


def session(*needed: str) -> str:
    """How DuckDB is to be configured so that it finds them; skips the test where they are not there."""
    import pytest  # noqa: PLC0415 - the environment that has the packages has no pytest

    there = {file.name.partition(".")[0] for file in FOLDER.glob(f"v{duckdb.__version__}/*/*.duckdb_extension")}
    if lacking := {*needed} - there:
        pytest.skip(f"`make destinations` has not brought DuckDB's extensions {', '.join(sorted(lacking))}")
    return json.dumps({"extension_directory": str(FOLDER)})


if __name__ == "__main__":
    install(Path(sys.argv[1]))
