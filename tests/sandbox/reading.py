"""One request for every endpoint that the sandbox serves, bare and with everything that can be asked for."""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.account import Account
from sandbox.contract import Contract, Endpoint

REQUIRED_FILTERS = {
    "get_campaigns": 'equals(messages.channel,"email")',
    "get_coupon_codes": 'any(coupon.id,["TEN"])',
}
# An object that has something at the other end of the relation, where the first of its type has not.
TELLING = {
    "/api/profiles/{id}/relationships/conversation": "ANNA",
    "/api/profiles/{id}/conversation": "ANNA",
    "/api/events/{id}": "zz-attributed",
    "/api/events/{id}/profile": "zz-attributed",
    "/api/events/{id}/metric": "zz-attributed",
    "/api/events/{id}/relationships/profile": "zz-attributed",
    "/api/events/{id}/relationships/metric": "zz-attributed",
}

Parameters = dict[str, str]


def endpoints(contract: Contract) -> list[Endpoint]:
    return [endpoint for endpoint in contract.endpoints if endpoint.method == "GET"]


def holder(endpoint: Endpoint, contract: Contract, account: Account) -> str | None:
    """The id to ask for; None if the account holds no object of the type that the path starts with."""
    if endpoint.path in TELLING:
        return TELLING[endpoint.path]
    objects = account.objects.get(contract.types[endpoint.segments[0]], {})
    return next(iter(objects), None)


def paths(contract: Contract, account: Account) -> Iterator[tuple[Endpoint, str]]:
    """Every endpoint that the account can answer, and a path to it."""
    for endpoint in endpoints(contract):
        if endpoint.kind == "collection":
            yield endpoint, endpoint.path
        elif (id_ := holder(endpoint, contract, account)) is not None:
            yield endpoint, endpoint.path.replace("{id}", id_).replace("{job_id}", id_)


def bare(endpoint: Endpoint) -> Parameters:
    required = REQUIRED_FILTERS.get(endpoint.facts.operation) if endpoint.facts.filter_required else None
    return {"filter": required} if required else {}


def full(endpoint: Endpoint) -> Parameters:
    facts = endpoint.facts
    extra = {f"additional-fields[{kind}]": ",".join(fields) for kind, fields in facts.additional_fields.items()}
    if facts.include:
        extra["include"] = ",".join(facts.include)
    if facts.sort:
        extra["sort"] = facts.sort[0]
    if facts.page is not None and not facts.page.fixed:
        extra["page[size]"] = str(facts.page.max)
    return bare(endpoint) | extra


def report(endpoint: Endpoint, conversion_metric: str) -> dict[str, object]:
    """A question for all that a report can tell of the last month."""
    facts = endpoint.facts.report
    assert facts
    asked: dict[str, object] = {"statistics": facts.statistics, "timeframe": {"key": "last_30_days"}}
    if facts.group_by:
        asked["group_by"] = facts.group_by
    if facts.intervals:
        asked["interval"] = "daily"
    if facts.conversion:
        asked["conversion_metric_id"] = conversion_metric
    return {"data": {"type": endpoint.type, "attributes": asked}}
