"""What can go wrong in a run, and the exit code each ends in."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    DONE = 0
    FAILED = 1
    MISUSED = 2
    """Wrong use or configuration."""
    NEEDS_A_PERSON = 3
    """Done, but something was left out that only a person can decide or permit."""
    LOCKED = 75
    """Another run holds the lock."""
    STOPPED = 143
    """Told to stop by a signal, and stopped in good order."""

    @property
    def goes_on(self) -> bool:
        """Whether what comes after loading makes sense."""
        return self not in (Exit.FAILED, Exit.STOPPED)

    @property
    def passes(self) -> bool:
        """Whether the same may well succeed when it is tried again."""
        return self not in (Exit.MISUSED, Exit.NEEDS_A_PERSON)


class RunError(Exception):
    """Ends a command with one message and an exit code."""

    exit = Exit.FAILED


class ConfigurationError(RunError):
    exit = Exit.MISUSED


class NeedsAPerson(RunError):
    exit = Exit.NEEDS_A_PERSON


class LockedError(RunError):
    exit = Exit.LOCKED


class DestinationError(RunError):
    """The warehouse cannot be reached, opened or written."""


class TransformError(RunError):
    """A model or a test of the transforms failed; the raw tables are loaded."""
