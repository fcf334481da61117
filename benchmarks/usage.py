"""What a process costs: CPU, time and memory, as the kernel counts them."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

GLANCE: Final = 0.05
"""Seconds between two looks at the memory of a running process."""


@dataclass(frozen=True, kw_only=True)
class Usage:
    code: int
    wall: float
    cpu: float
    """Seconds of CPU, in user space and in the kernel, of the process and the children it has waited for."""
    peak_mb: float
    """The most memory it held at once."""


def run(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], timeout: float, output: Path | None = None
) -> Usage:
    """Run a command to its end and measure it; what it says goes to `log.txt` in its folder."""
    with (folder / "log.txt").open("ab") as log, (output or Path(os.devnull)).open("wb") as out:
        started = time.monotonic()
        process = subprocess.Popen(  # noqa: S603 - our own commands
            command, cwd=folder, env={**os.environ, **environment}, stdout=out if output else log, stderr=log
        )
        peak = 0.0
        while True:
            pid, status, used = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            peak = max(peak, peak_mb(process.pid))
            if time.monotonic() - started > timeout:
                process.kill()
            time.sleep(GLANCE)
    wall = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    return Usage(code=process.returncode, wall=wall, cpu=used.ru_utime + used.ru_stime, peak_mb=peak)


def peak_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1_024 for line in lines if line.startswith("VmHWM")), 0.0)


def cpu_seconds(pid: int) -> float:
    """What a running process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
