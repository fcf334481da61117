"""Where rows can be loaded to: one entry for each destination, and a module that says how dlt's own is to be used.

What SQL each of them speaks is in `dialects.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import Any, Final

from pipelines.errors import ConfigurationError

NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What is particular about one destination."""

    name: str
    extra: bool = True
    """Whether its driver is an extra, of the same name."""
    adapter: str = ""
    """Of dbt, where it has another name."""
    database: bool = True
    """Whether there is one, in which models and views can be made."""
    profile: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    """What dbt's profile asks the environment for, each with where dlt's configuration has it."""

    @property
    def factory(self) -> Any:  # noqa: ANN401 - dlt's factory type is not exported
        """The destination of dlt, as we use it. Raises ConfigurationError where its driver is not installed."""
        try:
            return import_module(f"{__name__}.{self.name}").DESTINATION
        except ImportError:
            if not self.extra:
                raise
            raise ConfigurationError(
                f"destination {self.name} is an extra: pip install 'klaviyo-etl[{self.name}]'"
            ) from None


DESTINATIONS: Final = {
    kind.name: kind
    for kind in (
        Kind(name="duckdb", extra=False),
        Kind(
            name="ducklake",
            extra=False,
            adapter="duckdb",
            profile={
                "KLAVIYO_DUCKLAKE_NAME": "credentials.ducklake_name",
                "DBT_ENV_SECRET_KLAVIYO_DUCKLAKE_CATALOG": "credentials.attached",
                "KLAVIYO_DUCKLAKE_OPTIONS": "credentials.options",
                "KLAVIYO_DUCKLAKE_SESSION": "credentials.session",
            },
        ),
        Kind(name="delta", database=False),
        Kind(
            name="motherduck",
            extra=False,
            adapter="duckdb",
            profile={
                "KLAVIYO_MOTHERDUCK_DATABASE": "credentials.database",
                "DBT_ENV_SECRET_KLAVIYO_MOTHERDUCK_TOKEN": "credentials.password",
            },
        ),
        Kind(
            name="postgres",
            profile={
                "KLAVIYO_POSTGRES_HOST": "credentials.host",
                "KLAVIYO_POSTGRES_PORT": "credentials.port",
                "KLAVIYO_POSTGRES_USER": "credentials.username",
                "KLAVIYO_POSTGRES_DATABASE": "credentials.database",
                "DBT_ENV_SECRET_KLAVIYO_POSTGRES_PASSWORD": "credentials.password",
            },
        ),
        Kind(
            name="bigquery",
            profile={
                "KLAVIYO_BIGQUERY_PROJECT": "credentials.project_id",
                "KLAVIYO_BIGQUERY_LOCATION": "location",
                "KLAVIYO_BIGQUERY_CLIENT_EMAIL": "credentials.client_email",
                "DBT_ENV_SECRET_KLAVIYO_BIGQUERY_PRIVATE_KEY": "credentials.private_key",
                "KLAVIYO_BIGQUERY_TOKEN_URI": "credentials.token_uri",
            },
        ),
        Kind(
            name="redshift",
            profile={
                "KLAVIYO_REDSHIFT_HOST": "credentials.host",
                "KLAVIYO_REDSHIFT_PORT": "credentials.port",
                "KLAVIYO_REDSHIFT_USER": "credentials.username",
                "KLAVIYO_REDSHIFT_DATABASE": "credentials.database",
                "DBT_ENV_SECRET_KLAVIYO_REDSHIFT_PASSWORD": "credentials.password",
            },
        ),
        Kind(
            name="snowflake",
            profile={
                "KLAVIYO_SNOWFLAKE_ACCOUNT": "credentials.host",
                "KLAVIYO_SNOWFLAKE_USER": "credentials.username",
                "KLAVIYO_SNOWFLAKE_DATABASE": "credentials.database",
                "KLAVIYO_SNOWFLAKE_WAREHOUSE": "credentials.warehouse",
                "KLAVIYO_SNOWFLAKE_ROLE": "credentials.role",
                "DBT_ENV_SECRET_KLAVIYO_SNOWFLAKE_PASSWORD": "credentials.password",
                "KLAVIYO_SNOWFLAKE_AUTHENTICATOR": "credentials.authenticator",
                "DBT_ENV_SECRET_KLAVIYO_SNOWFLAKE_PRIVATE_KEY": "credentials.private_key",
                "DBT_ENV_SECRET_KLAVIYO_SNOWFLAKE_PRIVATE_KEY_PASSPHRASE": "credentials.private_key_passphrase",
                "DBT_ENV_SECRET_KLAVIYO_SNOWFLAKE_TOKEN": "credentials.token",
                "KLAVIYO_SNOWFLAKE_HOST": "credentials.query.host",
                "KLAVIYO_SNOWFLAKE_PORT": "credentials.query.port",
                "KLAVIYO_SNOWFLAKE_PROTOCOL": "credentials.query.protocol",
            },
        ),
    )
}
APPENDED: Final = (
    "rows can only be added to plain Parquet files, never replaced, so each change would be one row more; take ducklake, "
    "whose tables are Parquet files with a catalog that says which rows count"
)
REWRITTEN: Final = (
    "its files take no SQL, by which rows are marked as gone, swept and forgotten, so it would hold less than the others; "
    "take ducklake or delta, whose tables are Parquet files in a folder or a bucket, too"
)
REFUSED: Final[Mapping[str, str]] = {
    "parquet": APPENDED,
    "filesystem": APPENDED,
    "iceberg": REWRITTEN,
}
"""What dlt can load to and we do not, with the reason."""


def kind_of(name: str) -> Kind:
    """The entry of a destination. Raises ConfigurationError, naming those that there are."""
    if name in DESTINATIONS:
        return DESTINATIONS[name]
    why = f": {REFUSED[name]}" if name in REFUSED else ""
    raise ConfigurationError(f"no destination named {name!r}{why}; there are: {', '.join(DESTINATIONS)}")
