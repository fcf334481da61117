"""What is ready to copy says what the command line understands."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from pipelines.errors import Exit
from tests.conftest import ROOT, Cli

DEPLOY = ROOT / "deploy"
FILES = ("systemd/klaviyo-etl.service", "cron/klaviyo-etl", "github/klaviyo-etl.yml")


def arguments(file: str) -> list[str]:
    """How a file calls us."""
    [called] = re.findall(r"^[^#\n]*?bin[^\n#]*?klaviyo-etl (run[^\n>|]*)", (DEPLOY / file).read_text(), re.MULTILINE)
    return [*called.split()]


@pytest.fixture(scope="module")
def unit() -> ConfigParser:
    parser = ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # names as they are
    parser.read(DEPLOY / "systemd" / "klaviyo-etl.service")
    return parser


def test_they_all_run_alike() -> None:
    service, cron, github = map(arguments, FILES)
    assert service == cron
    assert [one for one in github if one not in ("--destination", "postgres")] == service


def test_their_command_runs(cli: Cli) -> None:
    done = cli(*arguments(FILES[0]), "--no-transform", "--select", "events,metrics")
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_systemd_takes_for_success_is_no_failure_of_ours(unit: ConfigParser) -> None:
    assert [Exit(int(code)) for code in unit["Service"]["SuccessExitStatus"].split()] == [Exit.LOCKED, Exit.STOPPED]


def test_systemd_understands_the_units(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    for file in (DEPLOY / "systemd").iterdir():
        installed = file.read_text().replace("/srv/klaviyo-etl/.venv/bin/klaviyo-etl", sys.executable)
        (tmp_path / file.name).write_text(installed)
    done = subprocess.run(
        ["systemd-analyze", "verify", *map(str, tmp_path.iterdir())], capture_output=True, text=True, check=False
    )
    about_ours = [line for line in done.stderr.splitlines() if "klaviyo-etl" in line]
    assert (done.returncode, about_ours) == (0, [])
