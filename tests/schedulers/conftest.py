"""What the tests of a scheduler need: its environment, a small account, and what they ask of it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sandbox.server import Sandbox
from tests.conftest import KEY, ROOT, Cli
from tests.sandbox.tiny import MONDAY, tiny_account

ENVIRONMENTS = ROOT / ".schedulers"
UNPACED = """\
from sources.klaviyo.limits import Window
from tests.unpaced import unpaced

Window.free_at = unpaced
"""
JUNE = ("2026-06-01 00:00:00+00:00", "2026-07-01 00:00:00+00:00")


@dataclass
class Tool(Cli):
    """A scheduler in its own environment: its programs, in a folder of their own, told by their environment."""

    name: str = ""

    def arguments(self, *arguments: str) -> list[str]:
        return [str(ENVIRONMENTS / self.name / "bin" / arguments[0]), *arguments[1:]]

    def __call__(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        with self.start(*arguments, **environment) as process:
            out, err = process.communicate(timeout=600)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def deploy(self, folder: Path) -> Path:
        """The file that is ready to copy, where the tool reads it. It asks as fast as the sandbox answers."""
        folder.mkdir(parents=True, exist_ok=True)
        copied = folder / "klaviyo_etl.py"
        copied.write_text(UNPACED + (ROOT / "deploy" / self.name / "klaviyo_etl.py").read_text())
        return copied

    def asked(self) -> tuple[int, str | None, str | None]:
        """How the last run ended, and for which range it was."""
        [row] = self.query(
            "SELECT exit_code, asked->>'start', asked->>'end' FROM klaviyo.etl_runs ORDER BY started_at DESC LIMIT 1"
        )
        return row

    @property
    def events(self) -> int:
        return int(self.query("SELECT count(*) FROM klaviyo.events")[0][0])


@pytest.fixture(scope="module")
def shop() -> Iterator[Sandbox]:
    with Sandbox(tiny_account(), limits="off") as running:
        yield running


@pytest.fixture(scope="module")
def tool_named(shop: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Tool]:
    """Makes a tool, or skips what is to be done with it."""

    def named(name: str) -> Tool:
        if "PYTEST_XDIST_WORKER" in os.environ:
            pytest.skip("`make schedulers` runs these, one after another")
        if not (ENVIRONMENTS / name).exists():
            pytest.skip(f"no {name} in .schedulers: `make schedulers` installs it")
        home = tmp_path_factory.mktemp(name)
        environment = {
            "SOURCES__KLAVIYO__API_KEY": KEY,
            "SOURCES__KLAVIYO__BASE_URL": shop.url,
            "DESTINATION__DUCKDB__CREDENTIALS": str(home / "warehouse.duckdb"),
        }
        return Tool(home, environment, name=name)

    return named


def new_and_late(shop: Sandbox) -> None:
    """An image of now, and one of June that no run would look for. Few models depend on images."""
    images = shop.account.objects["image"]
    for name, at in (("new", datetime.now(UTC) - timedelta(minutes=1)), ("late", datetime.fromtimestamp(MONDAY, UTC))):
        images[name] = replace(images["366547581"], id=name)
        images[name].attributes = {**images[name].attributes, "updated_at": at.isoformat()}
    shop.changed()
