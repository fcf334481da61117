"""The command `klaviyo-etl`. Commands import what they need, so that `--help` does not wait for dlt."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer
from rich.console import Console

from pipelines.destinations import DESTINATIONS
from pipelines.errors import Exit, RunError
from pipelines.progress import FILE_WIDTH, quiet_dlt, set_up_logging, watching

if TYPE_CHECKING:
    from pipelines.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Load Klaviyo into your warehouse: complete, incremental, ready to query.",
)
auth = typer.Typer(
    no_args_is_help=True, help="Read an account as an app that its owner lets in (OAuth), without a private key."
)
app.add_typer(auth, name="auth")
log = logging.getLogger("klaviyo_etl")

# Names of settings have brackets, which would be taken for styles.
console: Final = Console(width=None if sys.stdout.isatty() else FILE_WIDTH, markup=False)

SANDBOX_KEY: Final = "pk_sandbox"


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


DestinationOption = Annotated[str, typer.Option("--destination", metavar="NAME", help=f"{', '.join(DESTINATIONS)}.")]
AccountOption = Annotated[
    str,
    typer.Option(
        "--account", metavar="NAME,…", help="Where several are configured, only these accounts; by default all of them."
    ),
]
FormatOption = Annotated[LogFormat, typer.Option("--log-format", help="Log lines as text, or as one JSON object each.")]
SelectOption = Annotated[
    str,
    typer.Option(
        "--select", metavar="NAME,…", help="Resources and reports, comma-separated; by default all that are enabled."
    ),
]


def main() -> None:
    quiet_dlt()
    app(prog_name="klaviyo-etl")


@contextmanager
def command(log_format: LogFormat = LogFormat.TEXT) -> Iterator[None]:
    """Set up logging, and end an expected failure in one message and its exit code."""
    log_as(log_format)
    try:
        yield
    except RunError as error:
        from sources.klaviyo.stopping import STOP

        fail(str(error), Exit.STOPPED if STOP.is_set() else error.exit)
    except OSError as error:
        fail(f"{str(error.strerror).lower()}: {error.filename or 'no file named'}", Exit.FAILED)


def log_as(log_format: LogFormat, account: str = "") -> None:
    set_up_logging(log_format, verbose=log_format is LogFormat.JSON or not console.is_terminal, account=account)


@contextmanager
def account_command(
    option: str,
    destination: str = "",
    log_format: LogFormat = LogFormat.TEXT,
    *,
    loading: bool = False,
    writing: bool = False,
) -> Iterator[str]:
    """A command about one account, whose name it is given. Where several are chosen, it is done in a process for each instead.

    What is about no destination is for one account at a time. What writes to one has the shared dataset, if there is one, put together afterwards.
    """
    with command(log_format):
        from pipelines.accounts import chosen, of_account

        accounts = chosen(option)
        if len(accounts) > 1 and not destination:
            fail(f"--account: name one of {', '.join(accounts)}", Exit.MISUSED)
        if len(accounts) > 1:
            from pipelines.processes import run_for_each

            raise typer.Exit(run_for_each(accounts, destination, console, loading=loading))
        name = accounts[0] if accounts else ""
        log_as(log_format, name)
        with of_account(name), shared_afterwards(destination) if writing else nullcontext():
            yield name


@contextmanager
def shared_afterwards(destination: str) -> Iterator[None]:
    """Put together what all accounts have, as one of them may have more now. Raises ConfigurationError where that cannot be done."""
    from pipelines.sharing import configured

    sharing = configured(destination)
    ending: typer.Exit | None = None
    try:
        yield
    except typer.Exit as error:
        ending = error
    if sharing and (ending is None or Exit(ending.exit_code).goes_on):
        console.print(str(sharing.share() or f"dataset {sharing.dataset}: left to the run that has the database"))
    if ending:
        raise ending


def fail(message: str, code: Exit) -> NoReturn:
    log.error("%s", message, extra={"facts": {"event": "failed", "exit_code": int(code)}})
    raise typer.Exit(code)


@app.command()
def run(
    *,
    select: SelectOption = "",
    start: Annotated[
        str, typer.Option(metavar="DATE", help="Read from this UTC date or time on, not what is due.")
    ] = "",
    end: Annotated[str, typer.Option(metavar="DATE", help="Read up to, not including, this date or time.")] = "",
    destination: DestinationOption = "duckdb",
    account: AccountOption = "",
    full_refresh: Annotated[
        str, typer.Option(metavar="NAME,…", help="Read these resources from the beginning again.")
    ] = "",
    sweep: Annotated[bool, typer.Option(help="Then look for what is gone, where that is due.")] = True,
    verify: Annotated[bool, typer.Option("--verify", help="Then verify, unless that was done today.")] = False,
    transform: Annotated[bool, typer.Option(help="Build the marts afterwards.")] = True,
    log_format: FormatOption = LogFormat.TEXT,
) -> None:
    """Load what is new in Klaviyo, then build the marts.

    Example: klaviyo-etl run --select events,profiles --start 2026-01-01 --end 2026-02-01
    """
    with account_command(account, destination, log_format, loading=True, writing=True) as name:
        from pipelines.job import requested, run_job
        from pipelines.notices import read_notices
        from pipelines.settings import read_settings
        from pipelines.warehouse import Warehouse

        with read_notices().about(f"run of {name} into {destination}" if name else f"run into {destination}") as ending:
            settings = read_settings()
            ending.code = run_job(
                console,
                settings,
                Warehouse(destination),
                requested(settings, select, start, end, full_refresh),
                with_sweeps=sweep,
                with_verification=verify,
                with_marts=transform,
            ).exit
        raise typer.Exit(ending.code)


@app.command(name="plan")
def plan_command(
    *,
    select: SelectOption = "",
    start: Annotated[str, typer.Option(metavar="DATE", help="As of a run.")] = "",
    end: Annotated[str, typer.Option(metavar="DATE", help="As of a run.")] = "",
    destination: DestinationOption = "duckdb",
    account: AccountOption = "",
    full_refresh: Annotated[str, typer.Option(metavar="NAME,…", help="As of a run.")] = "",
    log_format: FormatOption = LogFormat.TEXT,
) -> None:
    """Tell from a few requests what a run would take now: rows, requests, minutes, quota. Loads and writes nothing.

    Example: klaviyo-etl plan --select events,profiles
    """
    with account_command(account, destination, log_format):
        from pipelines.job import requested
        from pipelines.load import outcome
        from pipelines.plan import log_prospect, plan, print_prospect
        from pipelines.settings import read_settings
        from pipelines.warehouse import Warehouse

        settings = read_settings()
        request = requested(settings, select, start, end, full_refresh)
        prospect = plan(settings, Warehouse(destination), request)
        print_prospect(console, prospect)
        if log_format is LogFormat.JSON:
            log_prospect(log, prospect)
        raise typer.Exit(outcome(prospect.tallies)[0])


@app.command()
def demo(
    *,
    path: Annotated[Path, typer.Option(help="The DuckDB file to load into.")] = Path("demo.duckdb"),
    scale: Annotated[float, typer.Option(help="Size of the synthetic account; 1 is about 60,000 events.")] = 1.0,
    log_format: FormatOption = LogFormat.TEXT,
) -> None:
    """Load a synthetic account from a local sandbox into DuckDB, build the marts, and show them.

    Example: klaviyo-etl demo --path demo.duckdb
    """
    with command(log_format):
        from pipelines.demo import sandbox_of, show
        from pipelines.job import run_job
        from pipelines.load import Request, named
        from pipelines.settings import Settings
        from pipelines.warehouse import Warehouse

        os.environ["DESTINATION__DUCKDB__CREDENTIALS"] = str(path.resolve())
        with sandbox_of(scale) as sandbox:
            settings = Settings(api_key=SANDBOX_KEY, base_url=sandbox.url)
            code = run_job(console, settings, Warehouse("duckdb"), Request(resources=named(None))).exit
        show(console, path)
        raise typer.Exit(code)


@app.command(name="transform")
def transform_command(
    *,
    select: Annotated[
        str, typer.Option(metavar="MODEL,…", help="dbt selection, comma-separated; all by default.")
    ] = "",
    destination: DestinationOption = "duckdb",
    account: AccountOption = "",
    log_format: FormatOption = LogFormat.TEXT,
) -> None:
    """Build and test the marts from what has been loaded.

    Example: klaviyo-etl transform --select mart_daily_kpi
    """
    with account_command(account, destination, log_format, writing=True):
        from pipelines.job import names
        from pipelines.lock import run_lock
        from pipelines.transform import transform
        from pipelines.warehouse import Warehouse

        warehouse = Warehouse(destination)
        with run_lock(warehouse), watching(console) as watch:
            watch.stage("building the marts")
            done = transform(warehouse, names(select))
        console.print(done)


@app.command()
def doctor(*, destination: DestinationOption = "duckdb", account: AccountOption = "") -> None:
    """Look whether everything is in place for a run: settings, key and scopes, revision, warehouse, clock, disk.

    It asks Klaviyo a page for each scope, and loads nothing. Exit code 1 when something is wrong.

    Example: klaviyo-etl doctor --destination postgres
    """
    with account_command(account, destination):
        from pipelines.doctor import examine, origins, worst
        from pipelines.report import print_examination

        findings = [*examine(destination)]
        print_examination(console, origins(), findings)
        raise typer.Exit(worst(findings))


@app.command()
def status(*, destination: DestinationOption = "duckdb", account: AccountOption = "") -> None:
    """Show what has been loaded: rows, complete windows, the last runs.

    Example: klaviyo-etl status --destination postgres
    """
    with account_command(account, destination):
        from pipelines.job import warn_of_the_end
        from pipelines.report import print_status
        from pipelines.settings import pinned_revision, rate_limit_share, sweeps, tiers
        from pipelines.status import status as read_status
        from pipelines.warehouse import Warehouse

        warehouse = Warehouse(destination)
        told = read_status(warehouse, pinned_revision(), rate_limit_share(), sweeps=sweeps())
        print_status(console, warehouse.place, told, tiers())
        warn_of_the_end(pinned_revision())


@app.command()
def verify(
    *,
    start: Annotated[str, typer.Option(metavar="DATE", help="Compare from this UTC date or time on.")] = "",
    end: Annotated[str, typer.Option(metavar="DATE", help="Compare up to, not including, this date or time.")] = "",
    repair: Annotated[bool, typer.Option(help="Read again what differs.")] = True,
    max_requests: Annotated[int | None, typer.Option(help="Refuse what takes more requests; 1,000 by default.")] = None,
    destination: DestinationOption = "duckdb",
    account: AccountOption = "",
    log_format: FormatOption = LogFormat.TEXT,
) -> None:
    """Compare the events and members loaded with Klaviyo's own counts, and read again what differs.

    By default what is not verified yet, and a part of the rest; with a range, only its events. Exit code 3 when differences remain.

    Example: klaviyo-etl verify --start 2026-01-01 --end 2026-02-01
    """
    with account_command(account, destination, log_format, writing=True):
        from pipelines.identity import check
        from pipelines.lock import run_lock
        from pipelines.member_counts import MemberCounts
        from pipelines.report import print_verification
        from pipelines.settings import instant, read_settings
        from pipelines.signals import stopping_in_order
        from pipelines.sweep import Sweeper
        from pipelines.verify import MOST_REQUESTS, Verifier
        from pipelines.warehouse import Warehouse

        settings, warehouse = read_settings(), Warehouse(destination)
        bounds = [instant(text, name) if text else None for text, name in ((start, "--start"), (end, "--end"))]
        with run_lock(warehouse), stopping_in_order(), watching(console) as watch:
            check(settings, warehouse)
            verifier = Verifier(
                settings=settings,
                warehouse=warehouse,
                watch=watch,
                most_requests=max_requests or MOST_REQUESTS,
                repair=repair,
            )
            if not any(bounds):
                sweeper = Sweeper(settings=settings, warehouse=warehouse, watch=watch, repair=repair)
                verifier.members = MemberCounts(sweeper)
            found, members = verifier.verify_all(*bounds)
        print_verification(console, found, members)
        raise typer.Exit(max(found.exit, members.exit if members else Exit.DONE))


@app.command()
def sweep(
    *,
    select: Annotated[
        str, typer.Option(metavar="NAME,…", help="Resources, comma-separated; by default all that are read by changes.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be marked, and write nothing.")] = False,
    max_gone: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Mark up to this share of a table; sweep_max_gone, a tenth, by default."),
    ] = None,
    destination: DestinationOption = "duckdb",
    account: AccountOption = "",
    log_format: FormatOption = LogFormat.TEXT,
) -> None:
    """Look for what is gone: hold the ids that Klaviyo shows against those loaded, mark what is gone, load what is missing.

    `run` does it by itself for each resource daily or weekly. Exit code 3 when too much would be marked at once.

    Example: klaviyo-etl sweep --select profiles --dry-run
    """
    with account_command(account, destination, log_format, writing=True):
        from pipelines.dry_sweep import dry_sweep
        from pipelines.identity import check
        from pipelines.job import names
        from pipelines.load import named
        from pipelines.lock import run_lock
        from pipelines.report import print_sweeps
        from pipelines.settings import read_settings
        from pipelines.signals import stopping_in_order
        from pipelines.sweep import Sweeper, sweepable
        from pipelines.warehouse import Warehouse

        settings, warehouse = read_settings(), Warehouse(destination)
        resources = sweepable(named(names(select), settings.revision), complain=bool(select))
        with run_lock(warehouse), stopping_in_order(), watching(console) as watch:
            check(settings, warehouse)
            how = dry_sweep if dry_run else Sweeper.sweep
            found = how(Sweeper(settings=settings, warehouse=warehouse, watch=watch, max_gone=max_gone), resources)
        print_sweeps(console, found)
        raise typer.Exit(found.run.exit)


@app.command()
def forget(
    *,
    who: Annotated[
        list[str],
        typer.Argument(
            metavar="WHO…",
            help="Ids of profiles, e-mail addresses, phone numbers or external ids; - reads one a line, which leaves no trace in a shell's history.",
        ),
    ],
    how: Annotated[
        str, typer.Option(help="purge or pseudonymize; what the setting on_deletion says, if it says either.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count the rows that it would change.")] = False,
    transform: Annotated[bool, typer.Option(help="Build the marts anew afterwards.")] = True,
    destination: DestinationOption = "duckdb",
    account: AccountOption = "",
    log_format: FormatOption = LogFormat.TEXT,
) -> None:
    """Erase people from everything that was loaded, and keep them out. Klaviyo is asked nothing and told nothing.

    Example: klaviyo-etl forget --dry-run --how purge anna@example.com
    """
    with account_command(account, destination, log_format, writing=True):
        from pipelines.forgetting import eraser
        from pipelines.lock import run_lock
        from pipelines.report import print_forgetting
        from pipelines.transform import transform as build
        from pipelines.warehouse import Warehouse

        warehouse = Warehouse(destination)
        del sys.argv[2:]  # dbt writes down how it was called
        asked = [name.strip() for one in who for name in (sys.stdin if one == "-" else [one]) if name.strip()]
        with run_lock(warehouse), watching(console) as watch:
            watch.stage("forgetting")
            done = eraser(warehouse, how, dry=dry_run).forget(asked, "a request")
            if transform and done.rebuild:
                watch.stage("building the marts")
                build(warehouse)
        print_forgetting(console, done, dry=dry_run)
        raise typer.Exit(Exit.NEEDS_A_PERSON if done.unknown else Exit.DONE)


@app.command(name="sandbox")
def sandbox_command(
    *,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0 is any that is free.")] = 8765,
    scale: Annotated[float, typer.Option(help="Size of the synthetic account; 1 is about 60,000 events.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Another seed, another account.")] = 1,
    limits: Annotated[str, typer.Option(help="Rate limits: strict (as Klaviyo's), scaled or off.")] = "strict",
    latency: Annotated[float, typer.Option(help="Seconds before each answer.")] = 0.0,
) -> None:
    """Serve a local Klaviyo with a synthetic account, for trying things out. Its API key is pk_sandbox.

    Example: klaviyo-etl sandbox --latency 0.25
    """
    with command():
        from pipelines.demo import serve_sandbox

        serve_sandbox(console, host=host, port=port, scale=scale, seed=seed, limits=limits, latency=latency)


@auth.command()
def login(
    *,
    browser: Annotated[bool, typer.Option(help="Open the page here; or else only print its address.")] = True,
    port: Annotated[
        int, typer.Option(help="Of this machine, where the browser comes back to; 0 is any that is free.")
    ] = 8377,
    scopes: Annotated[
        str, typer.Option(metavar="SCOPE,…", help="What to ask for; by default all that a run reads.")
    ] = "",
    timeout: Annotated[float, typer.Option(help="Seconds to wait for somebody to let the app in.")] = 300,
    account: AccountOption = "",
) -> None:
    """Let the app in on Klaviyo's page, and keep the tokens that Klaviyo gives it.

    The app needs the redirect address http://127.0.0.1:8377/callback.

    Example: klaviyo-etl auth login --no-browser
    """
    with account_command(account):
        import webbrowser

        from pipelines.job import names
        from pipelines.login import Login, app_tokens, needed_scopes
        from pipelines.settings import read_settings

        def show(address: str) -> None:
            console.print(f"open this page, and let the app in:\n{address}", soft_wrap=True, highlight=False)
            if browser:
                webbrowser.open(address)

        settings = read_settings()
        tokens = app_tokens(settings)
        asked = names(scopes) or needed_scopes(settings.revision, settings.resources)
        tokens.keep(Login(tokens.app, asked, port, timeout).perform(show))
        show_access(settings)


@auth.command(name="status")
def auth_status(*, account: AccountOption = "") -> None:
    """Tell what the app may read, whose account it is, and where its tokens are. Exit code 2 where Klaviyo does not accept them.

    Example: klaviyo-etl auth status
    """
    with account_command(account):
        from pipelines.settings import read_settings

        show_access(read_settings())


@auth.command()
def logout(*, account: AccountOption = "") -> None:
    """Give the tokens back: Klaviyo accepts them no longer, and they are kept no longer.

    Example: klaviyo-etl auth logout
    """
    with account_command(account):
        from pipelines.login import app_tokens, log_out
        from pipelines.settings import read_settings

        log_out(app_tokens(read_settings()))
        console.print("the tokens are revoked and removed")


def show_access(settings: Settings) -> None:
    from pipelines.login import access
    from pipelines.report import table

    console.print(table(("access", ""), access(settings)))
