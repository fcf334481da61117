"""How long Klaviyo will still serve the pinned revision."""

from __future__ import annotations

from datetime import date
from typing import Final

import pendulum

from sources.klaviyo import contract

MONTHS_OF_NOTICE: Final = 6


def notice(revision: str, today: date) -> str | None:
    """What to do about a revision that ends within six months, or has ended; None while there is time."""
    end = pendulum.instance(contract.retirement(revision))
    if today < end.subtract(months=MONTHS_OF_NOTICE):
        return None
    later = [known for known in contract.revisions() if known > revision]
    state = f"Klaviyo retires it on {end}" if today < end else f"Klaviyo retired it on {end}"
    return f"revision {revision}: {state}; {advice(later)}"


def advice(later: list[str]) -> str:
    return (
        f"set sources.klaviyo.revision to {later[-1]}"
        if later
        else "update klaviyo-etl to one that knows a later revision"
    )
