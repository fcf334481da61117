"""Whose rows a dataset holds, and whose a key shows: rows of two accounts are never mixed."""

from __future__ import annotations

import logging
from typing import Any, Final

import dlt

from pipelines.accounts import own_section
from pipelines.errors import ConfigurationError, RunError
from pipelines.settings import Settings
from pipelines.warehouse import SCHEMA, Tables, Warehouse, destination_errors
from sources.klaviyo import contract
from sources.klaviyo.errors import KlaviyoError, NotPermitted, RevisionRetired, Stopped, Unauthorized
from sources.klaviyo.parents import Parents
from sources.klaviyo.resources import ACCOUNTS
from sources.klaviyo.tables import DELETED_AT
from sources.klaviyo.tally import Tally

log = logging.getLogger("klaviyo_etl")

OWNER: Final = "account_id"
"""In dlt's state of the source."""


def claim(pipeline: dlt.Pipeline, warehouse: Warehouse, account: str) -> None:
    """Note whose a new dataset is, which is committed with its first rows. Raises ConfigurationError where it is another's."""
    refuse_another(pipeline, warehouse, account)
    if account:
        with pipeline.managed_state() as state:
            state.setdefault("sources", {}).setdefault(SCHEMA, {})[OWNER] = account


def refuse_another(pipeline: dlt.Pipeline, warehouse: Warehouse, account: str) -> None:
    """Raises ConfigurationError where the dataset holds rows of another account."""
    held = owner(pipeline, warehouse)
    if held and account and held != account:
        raise ConfigurationError(
            f"the dataset {warehouse.dataset} of {warehouse.name} at {warehouse.place} holds the account {held}, and the key is one of "
            f"{account}: set {own_section()}.dataset to another name, or a key of {held}"
        )


def owner(pipeline: dlt.Pipeline, warehouse: Warehouse) -> str:
    """The account whose rows the dataset holds; nothing where it holds none."""
    source: dict[str, Any] = pipeline.state.get("sources", {}).get(SCHEMA, {})
    if noted := source.get(OWNER):
        return str(noted)
    # What was loaded before owners were noted.
    with destination_errors(warehouse), pipeline.sql_client() as client:
        tables = Tables(client)
        held = tables.rows(f"SELECT min(id) FROM {tables.name(ACCOUNTS.name)} WHERE {DELETED_AT} IS NULL")  # noqa: S608 - names are ours
    return str(held[0][0] or "") if held else ""


def whose(listed: Parents) -> str:
    """The id of the account whose key is asked with; nothing where the key may not tell. Raises RunError."""
    try:
        return next(iter(listed(ACCOUNTS, Tally(ACCOUNTS.name))), "")
    except NotPermitted:
        log.warning("the key lacks accounts:read: whether the dataset is of its account is not known")
        return ""
    except Stopped:
        return ""
    except KlaviyoError as error:
        raise refused(error) from error


def refused(error: KlaviyoError) -> RunError:
    """What no other try would better is for a person to set right."""
    return (ConfigurationError if isinstance(error, Unauthorized | RevisionRetired) else RunError)(str(error))


def check(settings: Settings, warehouse: Warehouse) -> None:
    """Refuse another account's dataset to what marks its rows without loading any. Raises RunError."""
    refuse_another(warehouse.pipeline(), warehouse, shown(settings))


def shown(settings: Settings) -> str:
    """The account whose key the settings have. Raises RunError."""
    return whose(Parents(settings.client(), contract.load(settings.revision)))
