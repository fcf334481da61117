"""The statistics of reports, from what has been counted."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Final

from sandbox.performance import Fact

# Klaviyo prices a credit by country and plan; one figure does for a synthetic account.
CREDIT: Final = 0.01

UNIQUES: Final = {
    "opens_unique": "opens",
    "clicks_unique": "clicks",
    "unsubscribe_uniques": "unsubscribes",
    "conversion_uniques": "conversions",
    "viewed_form_uniques": "viewed_form",
    "viewed_form_step_uniques": "viewed_form_step",
    "submitted_form_step_uniques": "submitted_form_step",
    "closed_form_uniques": "closed_form",
    "qualified_form_uniques": "qualified_form",
}
"""How many people did what is counted."""

SUMS: Final = {
    "recipients": ("delivered", "bounced", "failed"),
    "bounced_or_failed": ("bounced", "failed"),
}

RATES: Final = {
    "average_order_value": ("conversion_value", "conversions"),
    "bounce_rate": ("bounced", "recipients"),
    "bounced_or_failed_rate": ("bounced_or_failed", "recipients"),
    "click_rate": ("clicks_unique", "delivered"),
    "click_to_open_rate": ("clicks_unique", "opens_unique"),
    "conversion_rate": ("conversion_uniques", "delivered"),
    "delivery_rate": ("delivered", "recipients"),
    "failed_rate": ("failed", "recipients"),
    "open_rate": ("opens_unique", "delivered"),
    "revenue_per_recipient": ("conversion_value", "recipients"),
    "spam_complaint_rate": ("spam_complaints", "delivered"),
    "submit_rate": ("submits", "viewed_form"),
    "text_message_roi": ("conversion_value", "text_message_spend"),
    "unsubscribe_rate": ("unsubscribe_uniques", "delivered"),
}
"""A fraction; null where there is nothing to divide by."""


@dataclass(slots=True)
class Counted:
    """What happened to one group in one span of time."""

    amounts: Counter[str] = field(default_factory=Counter)
    people: defaultdict[str, set[str | None]] = field(default_factory=lambda: defaultdict(set))

    def add(self, fact: Fact) -> None:
        self.amounts[fact.counted] += fact.amount  # type: ignore[assignment]  # a Counter adds fractions just as well
        self.people[fact.counted].add(fact.profile)

    def statistic(self, name: str) -> float | None:
        if name in UNIQUES:
            return len(self.people[UNIQUES[name]])
        if name in SUMS:
            return sum(self.amounts[part] for part in SUMS[name])
        if name in RATES:
            above, below = map(self.statistic, RATES[name])
            return above / below if above is not None and below else None
        if name == "text_message_spend":
            return self.amounts["text_message_credit_usage_amount"] * CREDIT
        return self.amounts[name]
