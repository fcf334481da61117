"""Klaviyo as a dlt source.

    pipeline.run(klaviyo())                       # everything, incrementally
    pipeline.run(klaviyo(select=["events"]))      # one resource
    pipeline.run(klaviyo_reports(["flow_series"]))  # a report

Data flow: window -> pages (client) -> Arrow tables (rows) -> dlt. What has been read is kept in dlt's resource state,
which dlt commits together with the rows.
"""

from __future__ import annotations

from typing import Final

import dlt
from dlt.common.typing import TSecretStrValue
from dlt.extract import DltResource

from sources.klaviyo.client import Client
from sources.klaviyo.contract import REVISION
from sources.klaviyo.declaration import policy
from sources.klaviyo.errors import UnknownResource
from sources.klaviyo.extraction import Extraction
from sources.klaviyo.limits import Limiter
from sources.klaviyo.reporting import Asking, Reporting
from sources.klaviyo.reports import NAMES, REPORTS
from sources.klaviyo.resources import select as select_resources
from sources.klaviyo.windows import moment

__all__ = ["REVISION", "klaviyo", "klaviyo_reports"]

BASE_URL: Final = "https://a.klaviyo.com"


@dlt.source(name="klaviyo", max_table_nesting=0)
def klaviyo(  # noqa: PLR0917 - dlt fills these from configuration by name
    api_key: str = dlt.secrets.value,
    base_url: str = BASE_URL,
    revision: str = REVISION,
    start_date: str | None = None,
    rate_limit_share: float = 0.9,
    select: list[str] | None = None,
    start: str | None = None,
    end: str | None = None,
    privacy: str = "",
    field_policy: dict[str, dict[str, str]] | None = None,
    hash_key: TSecretStrValue = "",
) -> list[DltResource]:
    """The selected resources of one account; all by default.

    `start_date` bounds the history of events; `start` and `end` read one past range instead of what is due. `privacy`,
    `field_policy` and `hash_key` say what of a person's data is kept, hashed or dropped. Raises WrongPolicy.
    """
    client = Client(api_key, base_url, revision, Limiter(rate_limit_share))
    return Extraction(
        client,
        select_resources(select, revision),
        start_date=moment(start_date) if start_date else None,
        start=moment(start) if start else None,
        end=moment(end) if end else None,
        policy=policy(privacy, field_policy or {}, hash_key),
    ).resources()


@dlt.source(name="klaviyo", max_table_nesting=0)
def klaviyo_reports(  # noqa: PLR0917 - as above
    reports: list[str] = dlt.config.value,
    api_key: str = dlt.secrets.value,
    base_url: str = BASE_URL,
    revision: str = REVISION,
    start_date: str | None = None,
    rate_limit_share: float = 0.9,
    conversion_metrics: list[str] | None = None,
    report_minutes: float = Asking.minutes,
) -> list[DltResource]:
    """The named reports of one account, as far as the day's allowance and `report_minutes` go; the next run goes on.

    Raises UnknownResource for a name that there is not.
    """
    if unknown := sorted({*reports} - {*NAMES}):
        raise UnknownResource(f"no report named {', '.join(unknown)}; there are: {', '.join(NAMES)}")
    return Reporting(
        Client(api_key, base_url, revision, Limiter(rate_limit_share)),
        [report for report in REPORTS if report.name in reports],
        Asking(conversion_metrics=tuple(conversion_metrics or ()), minutes=report_minutes),
        start_date=moment(start_date) if start_date else None,
    ).resources()
