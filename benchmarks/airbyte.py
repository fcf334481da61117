"""Airbyte's own Klaviyo source, in an environment of its own.

It reads `https://a.klaviyo.com` and nothing else. So it runs where that name leads to the sandbox: in a mount namespace
with another `/etc/hosts`, and with a certificate made for the occasion in the place of those that it trusts, for it heeds no
environment variable there. That takes Linux and root.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PACKAGE: Final = "airbyte-source-klaviyo==2.13.1"
ENVIRONMENT: Final = Path(__file__).with_name(".airbyte")
PROGRAM: Final = ENVIRONMENT / "bin" / "source-klaviyo"
HOST: Final = "a.klaviyo.com"
ADDRESS: Final = "127.0.0.77"
"""Of the loopback network, so that port 443 is free whatever else runs."""
PORT: Final = 443
TOOLS: Final = ("unshare", "openssl", "mount")

STREAMS: Final = {"events": "datetime", "profiles": "updated"}


class Unavailable(Exception):
    """Airbyte's source cannot run here, and why."""


def install() -> None:
    """Make its environment, once. Raises Unavailable."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing or os.geteuid() != 0:
        raise Unavailable(f"needs root and {', '.join(TOOLS)}")
    if PROGRAM.exists():
        return
    for command in (
        [sys.executable, "-m", "venv", str(ENVIRONMENT)],
        [str(ENVIRONMENT / "bin" / "python"), "-m", "pip", "install", "--quiet", PACKAGE],
    ):
        if subprocess.run(command, check=False).returncode:  # noqa: S603 - our own commands
            raise Unavailable(f"not installed: {' '.join(command)} failed")


@dataclass(frozen=True)
class Read:
    """One `read` of its streams, with the files that it needs in a folder."""

    folder: Path
    start: str

    @property
    def tls(self) -> Path:
        return self.folder / "klaviyo.pem"

    @property
    def command(self) -> list[str]:
        read = [str(PROGRAM), "read", "--config", "config.json", "--catalog", "catalog.json"]
        trusted = next(ENVIRONMENT.glob("lib/python*/site-packages/certifi/cacert.pem"))
        prepare = f'mount --bind hosts /etc/hosts && mount --bind {self.tls} {trusted} && exec "$@"'
        return ["unshare", "--mount", "sh", "-c", prepare, "sh", *read]

    def prepare(self) -> None:
        make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={HOST}"]
        subprocess.run(  # noqa: S603 - our own command
            [*make, "-addext", f"subjectAltName=DNS:{HOST}", "-keyout", str(self.tls), "-out", str(self.tls)],
            check=True,
            capture_output=True,
        )
        (self.folder / "hosts").write_text(f"127.0.0.1 localhost\n{ADDRESS} {HOST}\n")
        (self.folder / "config.json").write_text(json.dumps({"api_key": "pk_sandbox", "start_date": self.start}))
        (self.folder / "catalog.json").write_text(json.dumps({"streams": [*map(_stream, STREAMS)]}))


def _stream(name: str) -> dict[str, object]:
    return {
        "stream": {"name": name, "json_schema": {}, "supported_sync_modes": ["full_refresh", "incremental"]},
        "sync_mode": "incremental",
        "cursor_field": [STREAMS[name]],
        "destination_sync_mode": "append_dedup",
        "primary_key": [["id"]],
    }
