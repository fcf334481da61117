"""The field policy, and rows that were loaded under another one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import dlt
import msgspec
from dlt.common.normalizers.naming import NamingConvention

from pipelines.errors import ConfigurationError
from pipelines.redaction import Place, Redaction, Rewrite
from pipelines.warehouse import SCHEMA, Tables
from sources.klaviyo.extraction import FIELD_POLICIES
from sources.klaviyo.policy import UNFIT, Node, Policy, TablePolicy
from sources.klaviyo.pseudonyms import is_pseudonym
from sources.klaviyo.tables import ROW_HASH, Table
from sources.klaviyo.walk import Walk

LOAD: Final = "_dlt_load_id"


def changed_tables(pipeline: dlt.Pipeline, policy: Policy, walks: list[Walk]) -> frozenset[str]:
    """Tables with rows that were treated otherwise than the policy says."""
    noted = pipeline.state.get("sources", {}).get(SCHEMA, {}).get(FIELD_POLICIES, {})
    names = [table.name for walk in walks for table in walk.tables]
    doubtful = [name for name in names if noted.get(name, "") != policy.fingerprint(name)]
    if not doubtful:
        return frozenset()
    with pipeline.sql_client() as client:
        tables = Tables(client)
        return frozenset(name for name in doubtful if tables.rows(f"SELECT 1 FROM {tables.name(name)} LIMIT 1"))  # noqa: S608 - names are ours


def refuse_mixture(changed: frozenset[str], walks: list[Walk], full_refresh: frozenset[str]) -> None:
    """Raises ConfigurationError unless all tables that were treated otherwise are read again."""
    refreshed = {
        table.name
        for walk in walks
        if not full_refresh.isdisjoint(resource.name for resource in walk.resources)
        for table in walk.tables
    }
    if rest := changed - refreshed:
        raise ConfigurationError(
            f"the policy for personal data has changed since {', '.join(sorted(rest))} were loaded; so that no table holds rows "
            f"of two policies, read them again: klaviyo-etl run --full-refresh {','.join(sorted(rest))}"
        )


def treat_what_is_gone(tables: Tables, schema: dlt.Schema, policy: Policy, walk: Walk, first_load_id: str) -> None:
    """Treat the rows of a walk that a full refresh has not brought again where they are."""
    redaction = Redaction(tables, schema)
    places = {place.table: place for place in redaction.places([tables.client.dataset_name])}
    for table in walk.tables:
        treated, place = policy.of(table.name), places.get(table.name)
        if treated and place:
            treat_rows(redaction, place, treated, stored_names(schema.naming, table), f"{LOAD} < '{first_load_id}'")


def stored_names(naming: NamingConvention, table: Table) -> dict[str, str]:
    """The names that Klaviyo gives columns of the contract, by those that the warehouse gives them."""
    return {naming.normalize_path(column.name): column.name for column in table.columns}


def treat_rows(
    redaction: Redaction, place: Place, treated: TablePolicy, known: Mapping[str, str], where: str, *parameters: object
) -> None:
    """Treat rows where they are; `known` are the stored names of their table."""
    for column in place.columns:
        if column.startswith("_"):
            continue
        plain = column.removesuffix(UNFIT)
        node = treated.node(known.get(plain, plain), new=plain not in known)
        if node.drops:
            redaction.set(place, column, where, *parameters)
        elif not node.keeps and column in place.texts:
            redaction.rewrite(place, column, by(node, is_json=place.is_json(column)), where, *parameters)
    if ROW_HASH in place.columns:
        redaction.set(place, ROW_HASH, where, *parameters)


def by(node: Node, *, is_json: bool) -> Rewrite:
    return in_json(node) if is_json else in_text(node)


def in_json(node: Node) -> Rewrite:
    return lambda value: node.treat(value.encode()).decode()


def in_text(node: Node) -> Rewrite:
    """What is a pseudonym already stays one."""

    def treated(text: str) -> str:
        if is_pseudonym(text):
            return text
        found: str = msgspec.json.decode(node.treat(msgspec.json.encode(text)))
        return found

    return treated
