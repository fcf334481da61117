"""Every setting of a run, read from dlt's configuration: environment, `.dlt/secrets.toml`, `.dlt/config.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, get_args

import dlt
import msgspec
from dlt.common.pipeline import get_dlt_pipelines_dir
from pendulum import DateTime

from pipelines.accounts import ACCOUNT, PLAIN, SECTION, own_section
from pipelines.errors import ConfigurationError
from pipelines.tokens import TokenFile
from sources.klaviyo import BASE_URL, REVISION, contract
from sources.klaviyo.aggregates import Aggregate, endpoint
from sources.klaviyo.client import Client
from sources.klaviyo.declaration import policy
from sources.klaviyo.errors import UnknownResource, WrongPolicy
from sources.klaviyo.limits import Limiter
from sources.klaviyo.oauth import App, Tokens
from sources.klaviyo.policy import NO_POLICY, Policy
from sources.klaviyo.reporting import Asking
from sources.klaviyo.reports import NAMES
from sources.klaviyo.rereads import DAY, TIERS, Tier, tiers_of
from sources.klaviyo.resources import TABLE, select
from sources.klaviyo.spec import Resource
from sources.klaviyo.sweeping import is_swept, usual_days
from sources.klaviyo.windows import moment

OnDeletion = Literal["mark", "pseudonymize", "purge"]
ON_DELETION: Final[tuple[OnDeletion, ...]] = get_args(OnDeletion)

DATASET: Final = "klaviyo"
DESTINATION: Final = "duckdb"
MOST_DAYS: Final = 3_650
"""What is later than that is for `verify` to find."""


@dataclass(frozen=True, kw_only=True)
class Sweeps:
    """How often ids are swept, and what of a run that may take."""

    every: Mapping[str, float] = field(default_factory=dict)
    """Days between two sweeps, by resource, where that is not the usual."""
    minutes: float = 10
    """Of a scheduled run; what is left, the next one goes on with."""
    max_gone: float = 0.1
    """The share of a table that may be gone at once without a person having said so."""

    def days(self, resource: Resource) -> float:
        return self.every.get(resource.name, usual_days(resource))


@dataclass(frozen=True, kw_only=True)
class Settings:
    api_key: str = field(default="", repr=False)
    tokens: Tokens | None = None
    """In place of a key."""
    base_url: str = BASE_URL
    revision: str = REVISION
    start_date: DateTime | None = None
    rate_limit_share: float = 0.9
    tiers: tuple[Tier, ...] = TIERS
    max_lanes: int = 24
    package_rows: int = 200_000
    package_megabytes: int = 384
    package_minutes: float = 10
    resources: tuple[str, ...] = ()
    """What runs load where nothing is selected; by default all that are not optional."""
    reports: tuple[str, ...] = ()
    asking: Asking = field(default_factory=Asking)
    metric_aggregates: tuple[Aggregate, ...] = ()
    policy: Policy = NO_POLICY
    sweeps: Sweeps = field(default_factory=Sweeps)
    on_deletion: OnDeletion = "mark"
    """What becomes of people who were deleted in Klaviyo."""

    def client(self, *, attempts: int = Client.attempts) -> Client:
        """Asks Klaviyo as this account, at a pace of its own."""
        return Client(
            self.tokens or self.api_key,
            self.base_url,
            self.revision,
            Limiter(self.rate_limit_share),
            attempts=attempts,
        )


def read_settings() -> Settings:
    """The settings of the source. Raises ConfigurationError naming the setting that is missing or wrong."""
    app = own_app()
    start_date = setting("start_date", None)
    settings = Settings(
        api_key="" if app else api_key(),
        tokens=Tokens(app, token_file()) if app else None,
        base_url=base_url(),
        revision=pinned_revision(),
        start_date=instant(str(start_date), "sources.klaviyo.start_date") if start_date else None,
        rate_limit_share=rate_limit_share(),
        tiers=tiers(),
        max_lanes=int(positive("max_lanes", Settings.max_lanes)),
        package_rows=int(positive("package_rows", Settings.package_rows)),
        package_megabytes=int(positive("package_megabytes", Settings.package_megabytes)),
        package_minutes=positive("package_minutes", Settings.package_minutes),
        resources=enabled_resources(),
        reports=enabled_reports(),
        asking=Asking(
            conversion_metrics=tuple(texts("conversion_metrics")),
            open_days=int(positive("report_open_days", Asking.open_days)),
            refresh_hours=positive("report_refresh_hours", Asking.refresh_hours),
            minutes=positive("report_minutes", Asking.minutes),
        ),
        metric_aggregates=declared_aggregates(),
        policy=field_policy(),
        sweeps=sweeps(),
        on_deletion=deletion_policy(),
    )
    return refuse_numbers(settings)


def base_url() -> str:
    address = str(setting("base_url", BASE_URL)).rstrip("/")
    if not address.startswith(("http://", "https://")):
        raise ConfigurationError(f"sources.klaviyo.base_url: {address!r} must start with https://")
    return address


def own_app() -> App | None:
    """The app that reads this account; none where the account has a key. Raises ConfigurationError."""
    client_id, client_secret = (str(setting(name, "")).strip() for name in ("client_id", "client_secret"))
    section = own_section()
    key: object = dlt.secrets.get(f"{section}.api_key")
    own: object = dlt.config.get(f"{section}.client_id")
    if key and own:
        raise ConfigurationError(f"{section}: an api_key and a client_id: leave out one of them")
    if key or not client_id:
        return None
    if not client_secret:
        raise ConfigurationError(f"{SECTION}.client_secret is missing: Klaviyo gives one with each client_id")
    return App(client_id=client_id, client_secret=client_secret, base_url=base_url())


def token_file() -> TokenFile:
    """Each account has one."""
    folder = setting("token_folder", None) or Path(get_dlt_pipelines_dir()).parent / "klaviyo_etl_tokens"
    return TokenFile(Path(folder).expanduser() / f"{ACCOUNT.get() or 'klaviyo'}.json")


def api_key() -> str:
    """Each account has one of its own. Raises ConfigurationError where it has none."""
    section = own_section()
    found: object = dlt.secrets.get(f"{section}.api_key")
    if not found or not isinstance(found, str):
        variable = f"{section}.api_key".replace(".", "__").upper()
        raise ConfigurationError(
            f"no Klaviyo API key: set {variable}, or api_key under [{section}] in .dlt/secrets.toml"
        )
    return found.strip()


def field_policy() -> Policy:
    """What is kept of a person's data. Raises ConfigurationError naming what is wrong with it."""
    declared = setting("field_policy", {})
    try:
        declared = msgspec.json.decode(declared) if isinstance(declared, str) else declared
        fields = msgspec.convert(declared, dict[str, dict[str, str]])
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"sources.klaviyo.field_policy: {error}") from None
    try:
        return policy(str(setting("privacy", "")), fields, hash_key())
    except WrongPolicy as error:
        raise ConfigurationError(
            f"the policy for personal data (sources.klaviyo.privacy, .field_policy): {error}"
        ) from None


def deletion_policy() -> OnDeletion:
    """Raises ConfigurationError for one that there is not, or without the key that it takes."""
    wanted = setting("on_deletion", Settings.on_deletion)
    for known in ON_DELETION:
        if known == wanted:
            if known != "mark" and not hash_key():
                raise ConfigurationError(
                    f"sources.klaviyo.on_deletion: {known} needs sources.klaviyo.hash_key, a secret of your own"
                )
            return known
    raise ConfigurationError(f"sources.klaviyo.on_deletion: {wanted!r} is none of {', '.join(ON_DELETION)}")


def hash_key() -> str:
    """The secret that pseudonyms are made with; empty where none is set."""
    return str(setting("hash_key", "", dlt.secrets)).strip()


def sweeps() -> Sweeps:
    """Raises ConfigurationError naming what is wrong."""
    return Sweeps(
        every=sweep_days(),
        minutes=positive("sweep_minutes", Sweeps.minutes),
        max_gone=share("sweep_max_gone", Sweeps.max_gone),
    )


def sweep_days() -> dict[str, float]:
    """Days between sweeps, by resource; 0 for never. Raises ConfigurationError."""
    found = {}
    for name in {resource.name for resource in TABLE if is_swept(resource)}:
        value = setting(f"sweep_days.{name}", None)
        if value is not None:
            found[name] = number(f"sweep_days.{name}", value, least=0)
    return found


def enabled_resources() -> tuple[str, ...]:
    """What runs load where nothing is selected. Raises ConfigurationError for one that there is not."""
    names = texts("resources")
    try:
        select(names, pinned_revision())
    except UnknownResource as error:
        raise ConfigurationError(f"sources.klaviyo.resources: {error}") from None
    return tuple(names)


def enabled_reports() -> tuple[str, ...]:
    """The reports that every run asks. Raises ConfigurationError for one that there is not."""
    names = texts("reports")
    if names == ["all"]:
        return NAMES
    if unknown := sorted({*names} - {*NAMES}):
        raise ConfigurationError(
            f"sources.klaviyo.reports: no report named {', '.join(unknown)}; there are: {', '.join(NAMES)}; or all"
        )
    return tuple(names)


NUMBERS: Final = frozenset({"To Number", "From Number"})
"""Dimensions whose values are people's phone numbers."""


def refuse_numbers(settings: Settings) -> Settings:
    """Raises ConfigurationError where counts would tell what the policy hides."""
    if settings.policy.tables and any(NUMBERS.intersection(one.by) for one in settings.metric_aggregates):
        raise ConfigurationError(
            f"sources.klaviyo.metric_aggregates: {' and '.join(sorted(NUMBERS))} are people's phone numbers; "
            "count by something else, or set no policy for personal data"
        )
    return settings


def declared_aggregates() -> tuple[Aggregate, ...]:
    """Raises ConfigurationError for a declaration that Klaviyo would not understand."""
    declared = setting("metric_aggregates", [])
    try:
        declared = msgspec.json.decode(declared) if isinstance(declared, str) else declared
        aggregates = msgspec.convert(declared, tuple[Aggregate, ...])
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"sources.klaviyo.metric_aggregates: {error}") from None
    dimensions = endpoint(contract.load(pinned_revision())).report
    unknown = sorted({name for one in aggregates for name in one.by} - {*(dimensions.group_by if dimensions else ())})
    if unknown:
        raise ConfigurationError(f"sources.klaviyo.metric_aggregates: Klaviyo knows no dimension {', '.join(unknown)}")
    if len({one.rows_of for one in aggregates}) < len(aggregates):
        raise ConfigurationError(
            "sources.klaviyo.metric_aggregates: one metric is declared twice with the same interval and dimensions; "
            "name all measurements in one of them"
        )
    return aggregates


def tiers() -> tuple[Tier, ...]:
    """How events are read again. Raises ConfigurationError for a reach that is no number of days."""
    reach_days = {}
    for tier in TIERS:
        value = setting(f"reread_days.{tier.name}", tier.reach / DAY)
        try:
            reach_days[tier.name] = float(value)
        except (TypeError, ValueError):
            reach_days[tier.name] = -1.0
        if not 0 <= reach_days[tier.name] <= MOST_DAYS:
            raise ConfigurationError(
                f"sources.klaviyo.reread_days.{tier.name}: {value!r} must be 0 to {MOST_DAYS:,} days"
            )
    return tiers_of(reach_days)


def texts(name: str) -> list[str]:
    """A list of texts; in an environment variable, JSON or separated by commas. Raises ConfigurationError."""
    value = setting(name, [])
    if isinstance(value, str) and not value.startswith("["):
        return [text.strip() for text in value.split(",") if text.strip()]
    try:
        return msgspec.convert(msgspec.json.decode(value) if isinstance(value, str) else value, list[str])
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"sources.klaviyo.{name}: not a list of texts: {error}") from None


def rate_limit_share() -> float:
    return share("rate_limit_share", Settings.rate_limit_share)


def dataset() -> str:
    """Where the raw tables go, and what the schemas of models are named after. Raises ConfigurationError."""
    shared: object = dlt.config.get(f"{SECTION}.dataset")
    own: object = dlt.config.get(f"{own_section()}.dataset")
    account = ACCOUNT.get()
    name = str(own or (f"{shared or DATASET}_{account}" if account else DATASET))
    if not PLAIN.fullmatch(name):
        raise ConfigurationError(
            f"sources.klaviyo.dataset: {name!r} must be small letters, digits and _, begin with a letter, and be short"
        )
    return name


def pinned_revision() -> str:
    """The revision to ask Klaviyo for. Raises ConfigurationError for one that is not known."""
    revision = str(setting("revision", REVISION))
    try:
        return contract.load(revision).revision
    except ValueError as error:
        raise ConfigurationError(str(error)) from None


def setting(name: str, default: Any, among: Any = dlt.config) -> Any:  # noqa: ANN401 - configuration holds any type until it is checked
    for section in dict.fromkeys((own_section(), SECTION)):
        value: Any = among.get(f"{section}.{name}")
        if value is not None:
            return value
    return default


def instant(text: str, name: str) -> DateTime:
    """An ISO date as an instant. Raises ConfigurationError naming where it came from."""
    try:
        return moment(text)
    except ValueError:
        raise ConfigurationError(f"{name}: {text!r} is not an ISO date such as 2026-01-31") from None


def positive(name: str, default: float) -> float:
    """A number of at least one. Raises ConfigurationError naming the setting."""
    return number(name, setting(name, default), least=1)


def number(name: str, value: Any, *, least: float) -> float:  # noqa: ANN401 - as above
    try:
        read = float(value)
    except (TypeError, ValueError):
        read = float("nan")
    if not read >= least:
        raise ConfigurationError(f"sources.klaviyo.{name}: {value!r} must be a number of at least {least:g}")
    return read


def share(name: str, default: float) -> float:
    """A part of a whole. Raises ConfigurationError naming the setting."""
    value = setting(name, default)
    try:
        read = float(value)
    except (TypeError, ValueError):
        read = 0.0
    if not 0 < read <= 1:
        raise ConfigurationError(f"sources.klaviyo.{name}: {value!r} must be above 0 and at most 1")
    return read
