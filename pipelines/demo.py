"""The main job on a synthetic account: sandbox, load, marts, and what to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, cast, get_args, get_type_hints

import duckdb
from rich.console import Console

from pipelines.errors import ConfigurationError
from pipelines.report import table
from sandbox.server import Sandbox, bound, serve
from sandbox.settings import Settings
from sandbox.story import synthesize
from sources.klaviyo.resources import DEFAULT

TOP_CAMPAIGNS: Final = """
    select campaign_name, channel, recipients, open_rate, click_rate, conversions, conversion_value
    from klaviyo_marts.mart_campaign_performance
    order by conversion_value desc nulls last, campaign_name
    limit 5
"""


def sandbox_of(scale: float) -> Sandbox:
    """A sandbox over a synthetic account, with Klaviyo's own rate limits."""
    return Sandbox(synthesize(scale=scale), limits="strict")


def serve_sandbox(
    console: Console, *, host: str, port: int, scale: float, seed: int, limits: str, latency: float
) -> None:
    """Serve until interrupted. Raises ConfigurationError for limits that there are not, and for an address that cannot be had."""
    modes = get_args(get_type_hints(Settings)["limits"])
    if limits not in modes:
        raise ConfigurationError(f"--limits: {limits!r} is not one of {', '.join(modes)}")
    try:
        at = bound(host, port)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigurationError(f"--host, --port: {host}:{port} cannot be had: {reason.lower()}") from error
    account = synthesize(seed=seed, scale=scale)
    name = f"[{host}]" if ":" in host else host
    address = f"http://{name}:{at.getsockname()[1]}"
    console.print(f"a local Klaviyo at {address}, API key pk_sandbox; end it with Ctrl-C", highlight=False)
    serve(account, at, Settings(limits=cast("Any", limits), latency=latency))


def show(console: Console, path: Path) -> None:
    """Where the file is, what is in it, and its best campaigns."""
    with duckdb.connect(str(path)) as database:
        console.print(table(("table", "rows"), [(name, count(database, f"klaviyo.{name}")) for name in DEFAULT]))
        console.print()
        marts = [row[0] for row in database.sql(MARTS).fetchall()]
        console.print(table(("mart", "rows"), [(name, count(database, f"klaviyo_marts.{name}")) for name in marts]))
        console.print("\ntop campaigns by revenue", style="bold")
        top = database.sql(TOP_CAMPAIGNS)
        console.print(table(top.columns, [tuple(map(plain, row)) for row in top.fetchall()]))
    console.print(f"\nthe database: {path}", highlight=False)
    console.print(f"look around:  uv run python -c \"import duckdb; duckdb.connect('{path.name}').sql('…').show()\"")


MARTS: Final = "select table_name from information_schema.tables where table_schema = 'klaviyo_marts' order by 1"


def count(database: duckdb.DuckDBPyConnection, name: str) -> int:
    row = database.sql(f"select count(*) from {name}").fetchone()  # noqa: S608 - names are ours
    assert row
    return int(row[0])


def plain(value: Any) -> Any:  # noqa: ANN401 - whatever a column holds
    return float(value) if hasattr(value, "as_tuple") else value
