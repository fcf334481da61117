"""A command for several accounts: a process for each, so that none shares memory, limits or a failure with another.

A file has one writer at a time, a DuckDB one or the catalog of a lake: accounts that share one take turns. All others go at once.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Final

import dlt
from rich.console import Console

from pipelines.accounts import SECTION, account_names, of_account
from pipelines.errors import ConfigurationError, Exit, RunError
from pipelines.identity import shown
from pipelines.notices import MEANINGS, Notices, read_notices
from pipelines.settings import read_settings
from pipelines.warehouse import Warehouse

log = logging.getLogger("klaviyo_etl")

WORST_FIRST: Final = (Exit.STOPPED, Exit.FAILED, Exit.MISUSED, Exit.LOCKED, Exit.NEEDS_A_PERSON, Exit.DONE)
LEVELS: Final = {Exit.DONE: logging.INFO, Exit.FAILED: logging.ERROR, Exit.MISUSED: logging.ERROR}
DIED: Final = "died: klaviyo-etl status says how far it came"


@dataclass
class Processes:
    """One for each account, of the command that this process was started with."""

    accounts: Sequence[str]
    console: Console
    notices: Notices = field(default_factory=Notices)
    stopping: bool = False
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    endings: dict[str, Exit] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, queues: Sequence[Sequence[str]], at_once: int) -> Exit:
        """The worst exit code of all; each account's own is told by its name."""
        heard = sys.stdin.buffer.read() if "-" in sys.argv[1:] else b""
        with self.passing_signals_on(), ThreadPoolExecutor(min(at_once, len(queues))) as pool:
            apart = len(queues) > 1
            for done in [pool.submit(self.run_queue, queue, heard, apart=apart) for queue in queues]:
                done.result()
        for name in self.accounts:
            self.tell(name, self.endings[name])
        return min(self.endings.values(), key=WORST_FIRST.index)

    def run_queue(self, names: Sequence[str], heard: bytes, *, apart: bool) -> None:
        for name in names:
            self.endings[name] = Exit.STOPPED if self.stopping else self.run_one(name, heard, apart=apart)

    def run_one(self, name: str, heard: bytes, *, apart: bool) -> Exit:
        """What it prints goes straight through, or comes in one piece where others print at the same time."""
        if not apart:
            self.console.rule(name, align="left", characters=" ")
        with self.lock:
            process = subprocess.Popen(  # noqa: S603 - as this process was started itself
                command_of(name),
                env=os.environ | {"NOTIFICATIONS__PING_URL": ""},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if apart else None,
                # A terminal's Ctrl-C comes to this process alone, which passes it on: a second one would end a run at once.
                start_new_session=True,
            )
            self.running[name] = process
        printed, _ = process.communicate(heard)
        with self.lock:
            del self.running[name]
            if apart:
                self.console.rule(name, align="left", characters=" ")
                self.console.out(printed.decode(), end="", highlight=False)
        return self.meaning(name, process.returncode)

    def meaning(self, name: str, code: int) -> Exit:
        if code in [*Exit]:
            return Exit(code)
        if self.stopping and code < 0:
            return Exit.STOPPED
        self.notices.message(f"klaviyo-etl for {name}: exit code {code}: {DIED}")
        log.error("%s: exit code %d: %s", name, code, DIED)
        return Exit.FAILED

    def tell(self, name: str, code: Exit) -> None:
        level = LEVELS.get(code, logging.WARNING)
        facts = {"event": "account_ended", "account": name, "exit_code": int(code)}
        log.log(level, "%s: exit code %d: %s", name, code, MEANINGS.get(code, "done"), extra={"facts": facts})

    @contextmanager
    def passing_signals_on(self) -> Iterator[None]:
        """Each account is told of each signal; those that wait for their turn do not begin."""

        def pass_on(number: int, _frame: FrameType | None) -> None:
            self.stopping = True
            for process in [*self.running.values()]:
                process.send_signal(number)

        before = {number: signal.signal(number, pass_on) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def run_for_each(accounts: Sequence[str], destination: str, console: Console, *, loading: bool) -> Exit:
    """Run this process's command once for each account. Raises ConfigurationError where two of them would be mixed."""
    if not loading:
        return Processes(accounts, console).run(queues_of(accounts, destination), at_once())
    notices = read_notices()
    notices.ping("/start")
    try:
        queues = queues_of(accounts, destination)
        refuse_one_account_twice(accounts)
    except RunError as error:
        notices.ended(f"run into {destination}", error.exit, str(error))
        raise
    code = Processes(accounts, console, notices).run(queues, at_once())
    notices.pulse(code)
    return code


def at_once() -> int:
    """Accounts that are read at the same time; more would share a processor."""
    return os.cpu_count() or 1


def command_of(account: str) -> list[str]:
    """As this process was started, for one account; of an option that is given twice, the last one counts."""
    said = sys.orig_argv[1:]
    end = said.index("--") if "--" in said else len(said)
    return [sys.executable, *said[:end], "--account", account, *said[end:]]


def queues_of(accounts: Sequence[str], destination: str) -> list[list[str]]:
    """Accounts that take turns, by what they share. Raises ConfigurationError where two would write the same tables."""
    nameless: object = dlt.secrets.get(f"{SECTION}.api_key")
    if nameless:
        raise ConfigurationError(
            f"{SECTION}.api_key is of no account, as accounts are named ({', '.join(account_names())}): give it a name, too"
        )
    files: dict[str, list[str]] = {}
    writers: dict[tuple[str, str], str] = {}
    for name in account_names():
        with of_account(name):
            try:
                warehouse = Warehouse(destination)
                place, file, schemas = warehouse.place, warehouse.written, sorted(warehouse.schemas)
            except RunError:
                place, file, schemas = name, None, []  # its own process will tell
        for schema in schemas:
            other = writers.setdefault((place, schema), name)
            if other != name:
                raise ConfigurationError(
                    f"the accounts {other} and {name} would both write to the schema {schema} of {destination} at {place}: "
                    f"set {SECTION}.accounts.{name}.dataset to another name"
                )
        if name in accounts:
            files.setdefault(str(file or name), []).append(name)
    return [*files.values()]


def refuse_one_account_twice(accounts: Sequence[str]) -> None:
    """Raises ConfigurationError where two names stand for one account, which would be read twice."""
    names: dict[tuple[str, str], str] = {}
    for name in accounts:
        with of_account(name):
            try:
                settings = read_settings()
                same = {(settings.base_url, mark) for mark in (settings.api_key, shown(settings)) if mark}
            except RunError:
                continue  # its own process will tell
        for mark in same:
            if mark in names:
                raise ConfigurationError(
                    f"{names[mark]} and {name} have keys of one and the same Klaviyo account: "
                    f"leave {SECTION}.accounts.{name} out, or correct its api_key"
                )
            names[mark] = name
