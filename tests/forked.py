"""Commands without their own pacing, each in a process of its own, forked from one that has imported what they need.

Importing it takes longer than most commands do.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Final

from pipelines import transform

ROOT: Final = Path(__file__).parents[1]
PATIENCE: Final = 240


class Parent:
    """The process that all commands of these tests are forked from, one after the other."""

    def __init__(self) -> None:
        self.socket, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(PATIENCE)
        with other:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.forked", str(other.fileno())],
                cwd=ROOT,
                env={name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[other.fileno()],
                start_new_session=True,
            )

    def run(
        self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str], project: Path
    ) -> subprocess.CompletedProcess[str]:
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            told = json.dumps([[*arguments], str(folder), {**environment}, str(project)])
            socket.send_fds(self.socket, [told.encode()], [out.fileno(), err.fileno()])
            try:
                code = int(self.socket.recv(64))
            except TimeoutError:
                os.killpg(self.process.pid, signal.SIGKILL)
                parent.cache_clear()
                raise
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(["klaviyo-etl", *arguments], code, out.read(), err.read())


@cache
def parent() -> Parent:
    return Parent()


def fork_for_each(requests: socket.socket) -> bool:
    """Whether this is the process of a command, where it then stands as if it had been started so."""
    while True:
        told, descriptors, _, _ = socket.recv_fds(requests, 65_536, 2)
        if not told:
            return False
        child = os.fork()
        if not child:
            arguments, folder, environment, project = json.loads(told)
            for descriptor, stream in zip(descriptors, (1, 2), strict=True):
                os.dup2(descriptor, stream)
            requests.close()
            os.chdir(folder)
            os.environ.clear()
            os.environ.update(environment)
            transform.PROJECT = Path(project)  # type: ignore[misc]  # in this process only
            sys.argv = ["klaviyo-etl", *arguments]
            sys.orig_argv = [sys.executable, "-m", "tests.unpaced", *arguments]
            return True
        for descriptor in descriptors:
            os.close(descriptor)
        _, status = os.waitpid(child, 0)
        requests.send(str(os.waitstatus_to_exitcode(status)).encode())


if __name__ == "__main__":
    for name in ("doctor", "job", "plan"):
        import_module(f"pipelines.{name}")
    from sources.klaviyo.limits import Window
    from tests.unpaced import unpaced

    Window.free_at = unpaced  # type: ignore[assignment, method-assign]  # in this process and its children only
    if fork_for_each(socket.socket(fileno=int(sys.argv[1]))):
        from pipelines.cli import main

        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        except BaseException:  # noqa: BLE001 - as the interpreter would
            traceback.print_exc()
            code = 1
        # What an interpreter does at its end, which `os._exit` leaves out.
        threading._shutdown()  # type: ignore[attr-defined]  # no public name does it
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        # DuckDB would wait for a thread of its own that no fork has.
        os._exit(code)
