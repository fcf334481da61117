"""Several accounts as sections of the configuration: their names, and whose settings are read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import dlt
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs import PluggableRunContext

from pipelines.errors import ConfigurationError

SECTION: Final = "sources.klaviyo"
PLAIN: Final = re.compile(r"[a-z][a-z0-9_]{0,40}")
"""What schemas can be named after."""

ACCOUNT: Final[ContextVar[str]] = ContextVar("account", default="")
"""Whose settings are read; none is named where there is only one."""


@contextmanager
def of_account(name: str) -> Iterator[None]:
    """Within, settings are those of the named account: its own, or else those that all share."""
    before = ACCOUNT.set(name)
    try:
        yield
    finally:
        ACCOUNT.reset(before)


def own_section() -> str:
    """Where the settings are that accounts do not share."""
    account = ACCOUNT.get()
    return f"{SECTION}.accounts.{account}" if account else SECTION


def own_credentials(destination: str) -> Any:  # noqa: ANN401 - a text, or a section
    """Of a database that is this account's alone, if it has one."""
    return dlt.config.get(f"{own_section()}.destination.{destination}.credentials") if ACCOUNT.get() else None


def account_names() -> list[str]:
    """The accounts that have sections of their own; none where there is but one. Raises ConfigurationError."""
    found: dict[str, None] = {}
    # Not by dlt's look-up: it keeps what it finds, keys included, to show where settings came from.
    for provider in Container()[PluggableRunContext].providers.providers:
        sections, _ = provider.get_value("accounts", dict, "", *SECTION.split("."))
        found |= dict.fromkeys(sections if isinstance(sections, Mapping) else ())
    prefix = f"{SECTION}.accounts.".replace(".", "__").upper()
    variables = (name.removeprefix(prefix) for name in sorted(os.environ) if name.startswith(prefix))
    found |= dict.fromkeys(name.partition("__")[0].lower() for name in variables)
    if unfit := [name for name in found if not PLAIN.fullmatch(name)]:
        raise ConfigurationError(
            f"{SECTION}.accounts: {', '.join(unfit)}: a name must be small letters, digits and _, begin with a letter, and be short"
        )
    return [*found]


def chosen(option: str) -> list[str]:
    """The accounts that an option names, by default all. Raises ConfigurationError for one that there is not."""
    known = account_names()
    wanted = [name.strip() for name in option.split(",") if name.strip()]
    if unknown := [name for name in wanted if name not in known]:
        there = f"there are: {', '.join(known)}" if known else f"there is no section {SECTION}.accounts"
        raise ConfigurationError(f"--account: no account named {', '.join(unknown)}; {there}")
    return [*dict.fromkeys(wanted)] or known
