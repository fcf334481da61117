"""Every setting of a run, read from dlt's configuration: environment, `.dlt/secrets.toml`, `.dlt/config.toml`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import dlt
from pendulum import DateTime

from pipelines.errors import ConfigurationError
from sources.klaviyo import BASE_URL, REVISION, contract
from sources.klaviyo.windows import moment

DATASET: Final = "klaviyo"
DESTINATION: Final = "duckdb"


@dataclass(frozen=True, kw_only=True)
class Settings:
    api_key: str = field(repr=False)
    base_url: str = BASE_URL
    revision: str = REVISION
    start_date: DateTime | None = None
    rate_limit_share: float = 0.9
    max_lanes: int = 24
    package_rows: int = 200_000
    package_megabytes: int = 384
    package_minutes: float = 10


def read_settings() -> Settings:
    """The settings of the source. Raises ConfigurationError naming the setting that is missing or wrong."""
    api_key: object = dlt.secrets.get("sources.klaviyo.api_key")
    if not api_key or not isinstance(api_key, str):
        raise ConfigurationError(
            "no Klaviyo API key: set SOURCES__KLAVIYO__API_KEY, or api_key under [sources.klaviyo] in .dlt/secrets.toml"
        )
    base_url = str(setting("base_url", BASE_URL))
    if not base_url.startswith(("http://", "https://")):
        raise ConfigurationError(f"sources.klaviyo.base_url: {base_url!r} must start with https://")
    start_date = setting("start_date", None)
    return Settings(
        api_key=api_key.strip(),
        base_url=base_url,
        revision=pinned_revision(),
        start_date=instant(str(start_date), "sources.klaviyo.start_date") if start_date else None,
        rate_limit_share=share(setting("rate_limit_share", Settings.rate_limit_share)),
        max_lanes=int(positive("max_lanes", Settings.max_lanes)),
        package_rows=int(positive("package_rows", Settings.package_rows)),
        package_megabytes=int(positive("package_megabytes", Settings.package_megabytes)),
        package_minutes=positive("package_minutes", Settings.package_minutes),
    )


def pinned_revision() -> str:
    """The revision to ask Klaviyo for. Raises ConfigurationError for one that is not known."""
    revision = str(setting("revision", REVISION))
    try:
        return contract.load(revision).revision
    except ValueError as error:
        raise ConfigurationError(str(error)) from None


def setting(name: str, default: Any) -> Any:  # noqa: ANN401 - configuration holds any type until it is checked
    value: Any = dlt.config.get(f"sources.klaviyo.{name}")
    return default if value is None else value


def instant(text: str, name: str) -> DateTime:
    """An ISO date as an instant. Raises ConfigurationError naming where it came from."""
    try:
        return moment(text)
    except ValueError:
        raise ConfigurationError(f"{name}: {text!r} is not an ISO date such as 2026-01-31") from None


def positive(name: str, default: float) -> float:
    """A number of at least one. Raises ConfigurationError naming the setting."""
    value = setting(name, default)
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = 0.0
    if number < 1:
        raise ConfigurationError(f"sources.klaviyo.{name}: {value!r} must be a number of at least 1")
    return number


def share(value: Any) -> float:  # noqa: ANN401 - as above
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = 0.0
    if not 0 < number <= 1:
        raise ConfigurationError(f"sources.klaviyo.rate_limit_share: {value!r} must be above 0 and at most 1")
    return number
