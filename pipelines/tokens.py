"""Tokens of an app, kept between runs: a file that only its owner can read, replaced whole or not at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import filelock
import msgspec

from pipelines.errors import ConfigurationError
from sources.klaviyo.oauth import Grant

ROOM: Final = 8192
"""Bytes; more than tokens take."""
PRIVATE: Final = 0o600


@dataclass(frozen=True)
class TokenFile:
    path: Path

    def read(self) -> Grant | None:
        """Raises ConfigurationError for a file that others may read, or that is none of ours."""
        try:
            with self.path.open("rb") as file:
                if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & ~PRIVATE:
                    raise ConfigurationError(f"{self.path} can be read by others: chmod 600 {self.path}")
                return msgspec.json.decode(file.read(), type=Grant)
        except FileNotFoundError:
            return None
        except msgspec.MsgspecError:
            raise ConfigurationError(f"{self.path} holds no tokens: remove it, and klaviyo-etl auth login") from None

    @contextmanager
    def replacing(self) -> Iterator[Callable[[Grant], None]]:
        """Within, no other process replaces it. Room is made beforehand: what Klaviyo has given once it may not give again."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with filelock.FileLock(self.path.with_suffix(".lock"), mode=PRIVATE):
            beside = self.path.with_suffix(".new")
            beside.unlink(missing_ok=True)
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "wb") as file:
                file.write(b" " * ROOM)
                file.flush()
                os.fsync(file.fileno())

                def replace(grant: Grant) -> None:
                    file.seek(0)
                    file.write(msgspec.json.encode(grant))
                    file.truncate()
                    file.flush()
                    os.fsync(file.fileno())
                    beside.replace(self.path)
                    sync(self.path.parent)

                try:
                    yield replace
                finally:
                    beside.unlink(missing_ok=True)

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


def sync(folder: Path) -> None:
    """Let a rename survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
