"""Kill a run before each of its statements that write, one case after the other; the next run must make up for it.

    python -m benchmarks.statements

The run finds all that a day may bring: new and changed events, a merge, a deletion, who joins and leaves, what is renamed or archived; and
sweeps what is gone. One line per case: the statement's number, and what differs from the account, or from what a run that was not killed has kept
of history. The exit code is 1 if anything does.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final

from sandbox.account import Attribution
from sandbox.server import Sandbox
from sources.klaviyo import REVISION
from tests.conftest import FILE, KEY, Cli
from tests.pipelines.quarter import READ, household, some_event
from tests.pipelines.truth import assert_equal
from tests.pipelines.warehouse import change, rows

RECENT: Final = 60
"""Events of the last days: a run reads them again."""
SWEPT: Final = ("profiles", "list_memberships", "segment_memberships")
KEPT: Final = {
    "versions": "resource, id, content, valid_to IS NULL",
    "list_membership_intervals": "list_id, profile_id, valid_from, valid_to IS NULL, valid_to_by",
    "segment_membership_intervals": "segment_id, profile_id, valid_from, valid_to IS NULL, valid_to_by",
    "etl_absences": "table_name, parent_id, id, cause",
    "profile_merges": "profile_id, survivor_id",
    "etl_looks": "kept_in, table_name",
}
"""What of history does not depend on when the runs were."""


def event_at(sandbox: Sandbox, dice: Random, name: str, at: datetime, campaign: str = "") -> None:
    event = some_event(dice, name, int(at.timestamp()))
    sandbox.account.events.add(event)
    if campaign:
        credit(sandbox, name, campaign)


def credit(sandbox: Sandbox, name: str, campaign: str) -> None:
    event = sandbox.account.events.get(name)
    assert event is not None
    event.attributions = (Attribution(f"{name}-{campaign}", {"campaign": campaign, "attributed-event": "old0001"}),)


def before(sandbox: Sandbox, dice: Random, now: datetime) -> None:
    for number in range(RECENT):
        event_at(sandbox, dice, f"recent{number}", now - timedelta(hours=2 + number))
    sandbox.changed()


def a_day(sandbox: Sandbox, dice: Random, now: datetime) -> None:
    """What has happened when the run that is killed begins."""
    for number in range(12):
        event_at(sandbox, dice, f"new{number}", now - timedelta(minutes=5 + number), "" if number % 3 else "AUTUMN")
    for number in range(0, RECENT, 5):
        credit(sandbox, f"recent{number}", "AUTUMN")
    sandbox.changed()
    at = (now - timedelta(minutes=5)).isoformat()
    for kind, arguments in (
        ("merge_profiles", {"source": "P003", "destination": "P100"}),
        ("delete_profile", {"id": "P010"}),
        ("rename", {"type": "list", "id": "NEWS", "name": "The News"}),
        ("archive", {"type": "campaign", "id": "SPRING"}),
        ("edit", {"type": "flow", "id": "WELCOME", "attributes": {"status": "draft"}}),
        ("join_list", {"list": "L00", "profiles": ["P120", "P121"]}),
        ("leave_list", {"list": "NEWS", "profiles": ["P005"], "told": True}),
        ("leave_list", {"list": "NEWS", "profiles": ["P006"], "told": False}),
        ("recompute_segment", {"segment": "VIPS", "join": ["P090"], "leave": ["P001"]}),
        ("update_profile", {"id": "P050", "attributes": {"title": "Dr"}}),
        ("delete", {"type": "list", "id": "L01"}),
    ):
        change(sandbox, kind, at=at, **arguments)


class Home:
    """A folder with a warehouse, and the runs in it."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        folder.mkdir(exist_ok=True)
        # Due at once: a sweep may come some hours early.
        due = {f"SOURCES__KLAVIYO__SWEEP_DAYS__{name.upper()}": "0.1" for name in SWEPT}
        self.sandbox = sandbox
        self.cli = Cli(
            folder,
            {
                "SOURCES__KLAVIYO__API_KEY": KEY,
                "SOURCES__KLAVIYO__BASE_URL": sandbox.url,
                "DESTINATION__DUCKDB__CREDENTIALS": str(folder / FILE),
                **due,
            },
        )

    def run(self, kill_before: int = 0) -> int:
        program = ["benchmarks.struck", str(kill_before)] if kill_before else ["tests.unpaced"]
        ended = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", *program, "run", "--no-transform", "--select", ",".join(READ)],
            cwd=self.cli.home,
            env=self.cli.env(),
            capture_output=True,
            check=False,
        )
        return ended.returncode

    def kept(self) -> dict[str, list[tuple[Any, ...]]]:
        return {
            table: sorted(self.cli.query(f"select {columns} from klaviyo.{table}"), key=str)  # noqa: S608 - names are ours
            for table, columns in KEPT.items()
        }

    def wrong(self, expected: dict[str, list[tuple[Any, ...]]]) -> Iterator[str]:
        try:
            assert_equal(self.sandbox.account, datetime.now(UTC), partial(rows, self.cli), READ, REVISION)
        except AssertionError as error:
            yield str(error)
        for table, found in self.kept().items():
            if found != expected[table]:
                yield f"{table}: {[*{*map(str, found)} ^ {*map(str, expected[table])}][:3]}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.statements", description=__doc__)
    parser.add_argument("--first", type=int, default=1, help="the first statement before which a run is killed")
    parser.add_argument("--every", type=int, default=1, help="only each so-manieth")
    options = parser.parse_args()
    failures, number, dice, now = 0, options.first, Random(1), datetime.now(UTC)  # noqa: S311 - reproducible, not secret
    with tempfile.TemporaryDirectory() as folder, Sandbox(household(), limits="off") as sandbox:
        before(sandbox, dice, now)
        start, unharmed = Home(Path(folder, "start"), sandbox), Home(Path(folder, "unharmed"), sandbox)
        assert start.run() == 0
        a_day(sandbox, dice, now)
        shutil.copy(start.cli.database, unharmed.cli.database)
        assert unharmed.run() == unharmed.run() == 0
        expected = unharmed.kept()
        while True:
            case = Home(Path(folder, str(number)), sandbox)
            shutil.copy(start.cli.database, case.cli.database)
            killed = case.run(kill_before=number)
            if killed != -signal.SIGKILL:
                break
            code = case.run()
            wrong = [f"exit code {code}"] if code else [*case.wrong(expected)]
            failures += bool(wrong)
            print(f"{number}: {'; '.join(wrong) or 'equal'}", flush=True)
            shutil.rmtree(case.cli.home)
            number += options.every
    print(f"{failures} kills lost something; the run ended before statement {number}")
    sys.exit(1 if failures or killed else 0)


if __name__ == "__main__":
    main()
